/**
 * A stack of layers mounted for programs of this host, in the mount namespace of `coracle unshare`. A mark beside the mount
 * point says in which namespace it is; where that namespace is gone, so is the mount.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { readJson, writeFileAtomic } from '../host/files.js';
import { mayMount, mountNamespace, mountRoot, unmountRoot, unshareSession } from '../native/namespace.js';
import type { PlanRecord } from '../native/plan.js';
import { present } from '../oci/guards.js';

export type MountPlaces = {
  /** The mount point; made when missing. */
  readonly point: string;
  /** The mark's file. */
  readonly mark: string;
  /** What is mounted, for messages: `container web`. */
  readonly what: string;
};

/** Mounted where this process sees it, or in the namespace of another that still lives. */
export type MountState = 'none' | 'here' | 'elsewhere';

export function mountState({ point, mark }: Pick<MountPlaces, 'point' | 'mark'>): MountState {
  const found = readMark(mark);
  if (found === undefined) return 'none';
  if (found.namespace === mountNamespace()) return isMounted(point) ? 'here' : 'none';
  return isAlive(found.namespace) ? 'elsewhere' : 'none';
}

/** `session` is the process that `coracle unshare` became. */
type Mark = { readonly namespace: string; readonly session?: string };

function readMark(mark: string): Mark | undefined {
  const record = readJson(mark);
  if (typeof record !== 'object' || record === null) return undefined;
  const { namespace, session } = record as Record<string, unknown>;
  if (typeof namespace !== 'string') return undefined;
  return typeof session === 'string' && /^\d+$/.test(session) ? { namespace, session } : { namespace };
}

/** Refuses what must not be done to files that are mounted elsewhere. @throws CONFLICT */
export function refuseMounted(places: MountPlaces, verb: string): void {
  // What serves a mount ends some milliseconds after the session that made it, and later on a busy machine.
  for (let waited = 0; mountState(places) === 'elsewhere'; waited += patience.step) {
    const found = readMark(places.mark);
    const ended = found?.session !== undefined && namespaceOf(found.session) !== found.namespace;
    if (waited >= (ended ? patience.ended : patience.living)) throw mountedElsewhere(places, verb);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, patience.step);
  }
}

/** Milliseconds. A session's process may be between its end and its being seen to have ended. */
const patience = { step: 10, living: 100, ended: 5000 };

function mountedElsewhere(places: MountPlaces, verb: string): CoracleError {
  return new CoracleError(
    'CONFLICT',
    `${verb} ${places.what}: it is mounted in another session of coracle unshare`,
    {
      hint: 'unmount it there, or leave that session',
    },
  );
}

/**
 * Mounts what `root` gives the records of; what is mounted here already stays so. Returns the mount point.
 * @throws HOST outside of `coracle unshare`, CONFLICT where it is mounted elsewhere, IO
 */
export async function mountAt(
  places: MountPlaces,
  root: () => Promise<readonly PlanRecord[]>,
): Promise<string> {
  if (!mayMount()) throw noNamespace(`mount ${places.what}`);
  refuseMounted(places, 'mount');
  if (mountState(places) === 'here') return places.point;
  const records = await root();
  try {
    mkdirSync(places.point, { recursive: true, mode: 0o700 });
    // The mark goes first: a mount that nobody knows of would be harmed.
    const mark: Mark = { namespace: mountNamespace(), ...present('session', unshareSession()) };
    writeFileAtomic(places.mark, `${JSON.stringify(mark)}\n`);
  } catch (error) {
    throw ioError(`mount ${places.what}`, error);
  }
  try {
    mountRoot(records, places.point);
  } catch (error) {
    rmSync(places.mark, { force: true });
    throw error;
  }
  return places.point;
}

/** Unmounts it; false when it was not mounted. @throws CONFLICT where it is mounted elsewhere, IO while it is in use */
export function unmountAt(places: MountPlaces): boolean {
  refuseMounted(places, 'unmount');
  const mounted = mountState(places) === 'here';
  if (mounted) unmountRoot(places.point);
  rmSync(places.mark, { force: true });
  return mounted;
}

function noNamespace(action: string): CoracleError {
  return new CoracleError('HOST', `${action}: a user may mount only in a namespace of his own`, {
    hint: 'run the command, or a shell with it, in one: coracle unshare',
  });
}

/** Whether something is mounted at a path, by /proc/self/mountinfo, proc(5). */
function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => decodeOctal(line.split(' ')[4] ?? '') === path);
}

function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Whether a process that we may look at is in the mount namespace. */
function isAlive(namespace: string): boolean {
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && namespaceOf(name) === namespace);
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ESRCH')) return undefined;
    throw ioError(`read /proc/${pid}/ns/mnt`, error);
  }
}
