/** A shell's own user and mount namespace, and mounts in it: `coracle-sv unshare`, `mount` and `umount`, PROTOCOL.md 2.8. */
import { closeSync, readFileSync, readlinkSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import { addon } from './addon.js';
import { idMapRecords } from './id-map-records.js';
import { nativePath } from './location.js';
import { encodePlan, type PlanRecord } from './plan.js';
import { runOnce } from './run-once.js';

const planDescriptor = 3;
/** Has the process that mounts end with: it stays the same one when the shell takes over. */
const sessionVariable = 'CORACLE_UNSHARED';

/** Becomes `args`, whose first is a path, as root of a new user namespace with these ids and a mount namespace of its own: never returns. */
export function becomeUnshared(idMap: IdMap, args: readonly string[], env: Variables): never {
  const records = [...idMapRecords(idMap), ...args.map((arg): PlanRecord => ['arg', arg])];
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const variables = asList({ ...env, [sessionVariable]: String(process.pid) });
  return addon().execve(nativePath('coracle-sv'), ['coracle-sv', 'unshare'], variables, [
    [planDescriptor, plan],
  ]);
}

/** Becomes `args`, whose first is a path, where this process is. */
export function becomeProgram(args: readonly string[], env: Variables): never {
  return addon().execve(args[0] ?? '', args, asList(env));
}

type Variables = Readonly<Record<string, string | undefined>>;

function asList(env: Variables): readonly string[] {
  return Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
}

/** Mounts a stack at a directory, in this process's mount namespace. `root`: the records of lib/snapshot's `rootPlan`. @throws IO */
export function mountRoot(root: readonly PlanRecord[], directory: string): void {
  act('mount', [['dir', directory], ...root], directory);
}

/** Undoes `mountRoot`. @throws IO, while something uses the mount */
export function unmountRoot(directory: string): void {
  act('umount', [['dir', directory]], directory);
}

/** Names the mount namespace that this process is in. */
export function mountNamespace(): string {
  return readlinkSync('/proc/self/ns/mnt');
}

/** The process that `coracle unshare` became, as this process was told by it. */
export function unshareSession(): string | undefined {
  return process.env[sessionVariable] || undefined;
}

/** Whether this process is root of a user namespace that is not the host's, where it may mount. */
export function mayMount(): boolean {
  return (
    process.getuid?.() === 0 &&
    !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'))
  );
}

function act(verb: 'mount' | 'umount', records: readonly PlanRecord[], directory: string): void {
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  try {
    const session = verb === 'mount' ? unshareSession() : undefined;
    const complaint = runOnce(session === undefined ? [verb] : [verb, session], [[planDescriptor, plan]]);
    if (complaint !== undefined) throw new CoracleError('IO', `${verb} ${directory}: ${complaint}`);
  } finally {
    closeSync(plan);
  }
}
