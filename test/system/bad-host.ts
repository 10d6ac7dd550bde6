/**
 * Hosts that lack something, for the tests. Each is made by an outer user namespace in which a script, as its root,
 * hides or mounts what the case is about.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { familyOf, image, leftovers } from '../faults/fixture.js';
import { type Cli, type Outcome, type RunOptions, runProgram } from '../helpers/cli.js';
import {
  findProgram,
  missingCli,
  missingProgram,
  missingUserNamespaces,
  repositoryRoot,
} from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';

/** What every such test needs. */
export const base = [missingCli(), missingUserNamespaces(), missingBusybox(), missingProgram('unshare')];
/** The built tool. */
export const program = join(repositoryRoot(), 'dist', 'coracle');

/** All ids mapped, so that containers are those of a usual host but for what `script` did before. */
export function onHost(
  cli: Cli,
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const inside = `set -e; ${script}\nexec "$@"`;
  return runProgram(
    'unshare',
    ['-Urm', '--map-auto', 'sh', '-c', inside, 'sh', program, '--root', cli.root, ...args],
    { ...options, env: { ...cli.env, D: cli.directory, ...options.env } },
  );
}

/** The same for a user who is no root: a second namespace gives the uid back, and no other. */
export function onHostAsUser(
  cli: Cli,
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  const again = `set -e; ${script}\nexec unshare -U --map-user=${uid} --map-group=${gid} "$@"`;
  return runProgram('unshare', ['-Urm', 'sh', '-c', again, 'sh', program, '--root', cli.root, ...args], {
    ...options,
    env: { ...cli.env, D: cli.directory, ...options.env },
  });
}

/** A file that nobody may open; to be mounted over others. */
const closed = ': > "$D/closed"; chmod 000 "$D/closed"';

/** Hides programs: a file that cannot be executed lies over each that there is. */
export function hide(...names: readonly string[]): string {
  const paths = names.flatMap((name) => findProgram(name) ?? []);
  return [closed, ...paths.map((path) => `mount --bind "$D/closed" ${path}`)].join('; ');
}

/** One error of ours that says what to do; no stack, nothing said twice. */
export function expectError(
  t: ExecutionContext<unknown>,
  outcome: Outcome,
  expected: { readonly code: number; readonly says: RegExp; readonly hint: RegExp },
): void {
  t.is(outcome.code, expected.code, outcome.stderr);
  t.regex(outcome.stderr, expected.says);
  t.regex(outcome.stderr, expected.hint);
  t.is(outcome.stderr.split('\n').filter((line) => line.startsWith('coracle: ')).length, 1, outcome.stderr);
  t.notRegex(outcome.stderr, /unexpected error| at .*\.cjs/);
}

/** Neither in the store nor among the processes. */
export function expectNothingLeft(t: ExecutionContext<unknown>, cli: Cli): void {
  t.deepEqual(leftovers(cli), []);
  const owned = familyOf(1).filter(({ pid }) => commandLine(pid).includes(cli.directory));
  t.deepEqual(owned, []);
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** A container that prints its ids. */
export const id = ['run', '--rm', '--network', 'none', image, 'id'];

/** A build context with a RUN and a COPY. */
export function context(cli: Cli): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'file'), 'copied\n');
  const lines = [`FROM ${image}`, 'RUN mkdir /made && echo run > /made/run', 'COPY file /made/'];
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
  return directory;
}
