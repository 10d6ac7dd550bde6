/**
 * Git repositories, by the host's git. What comes out of them is hostile (S30): no hook, no configuration but ours, no
 * transport that the repository itself chose, no prompt, and nothing of it is taken for an option.
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import type { Environment } from '../host/paths.js';
import { type GitOutcome, runGit } from './git-process.js';
import { type GitReference, withoutPassword } from './git-reference.js';

export type GitAccess = {
  /** Of the host: PATH, proxies, certificates, the ssh agent. */
  readonly env: Environment;
  /** An empty directory that stands for the home directory. */
  readonly home: string;
  readonly signal?: AbortSignal | undefined;
  /** Values of HTTP headers, for this repository's host alone. */
  readonly authorization?: string | undefined;
};

export type Resolved = {
  /** All 40 (or 64) digits. */
  readonly commit: string;
  /** `refs/...` where the commit was found; undefined when it was named itself. */
  readonly ref?: string;
};

const wholeCommit = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** The commit a reference means now. @throws NOT_FOUND, INTEGRITY when it is not the one of the checksum, NETWORK. */
export async function resolveCommit(reference: GitReference, access: GitAccess): Promise<Resolved> {
  const { ref = 'HEAD', checksum } = reference;
  const found = wholeCommit.test(ref) ? { commit: ref } : await lookUp(reference, ref, access);
  if (checksum === undefined || found.commit.startsWith(checksum)) return found;
  throw new CoracleError('INTEGRITY', `fetch ${shown(reference)}: ${ref} is commit ${found.commit}`, {
    hint: `${checksum} was asked for`,
  });
}

async function lookUp(reference: GitReference, ref: string, access: GitAccess): Promise<Resolved> {
  const patterns = ref === 'HEAD' ? [ref] : [ref, `${ref}^{}`];
  const args = ['ls-remote', '--end-of-options', reference.remote, ...patterns];
  const listed = await git(reference, access, args);
  const commits = new Map<string, string>();
  for (const line of listed.stdout.split('\n')) {
    const [commit = '', name = ''] = line.split('\t');
    if (wholeCommit.test(commit)) commits.set(name, commit);
  }
  const full = `refs/${ref.replace(/^refs\//, '')}`;
  // As git checkout does, a branch goes before a tag of the same name; a tag means the commit it marks.
  for (const name of ref === 'HEAD' ? ['HEAD'] : [full, `refs/heads/${ref}`, `refs/tags/${ref}`]) {
    const commit = commits.get(`${name}^{}`) ?? commits.get(name);
    if (commit !== undefined) return { commit, ref: name };
  }
  throw new CoracleError('NOT_FOUND', `fetch ${shown(reference)}: it has no branch or tag ${ref}`, {
    hint: 'name a branch, a tag, or all 40 digits of a commit',
  });
}

/** Checks the commit out into the new directory, `.git` included, and gives its time in seconds. */
export async function checkOut(
  reference: GitReference,
  resolved: Resolved,
  directory: string,
  access: GitAccess,
): Promise<number> {
  mkdirSync(directory, { mode: 0o700 });
  const run = (...args: readonly string[]): Promise<GitOutcome> => git(reference, access, args, directory);
  await run('init', '--quiet', '--template=', '--initial-branch=main');
  const seconds = await fetchCommit(reference, resolved, directory, access);
  const branch = /^refs\/heads\/(.+)$/.exec(resolved.ref ?? '')?.[1];
  const how = branch === undefined ? ['--detach'] : ['-B', branch];
  await run('checkout', '--quiet', '--force', ...how, resolved.commit, '--');
  const modules = lstatSync(join(directory, '.gitmodules'), { throwIfNoEntry: false });
  const needsOrigin = modules !== undefined || reference.keepGitDirectory === true;
  if (needsOrigin) await run('remote', 'add', 'origin', withoutPassword(reference.remote));
  if (modules?.isFile() === true && reference.submodules !== false)
    await fetchSubmodules(reference, directory, access);
  return seconds;
}

/** By itself where the server allows it, else with the whole history. Returns the commit's time. */
async function fetchCommit(
  reference: GitReference,
  { commit, ref }: Resolved,
  directory: string,
  access: GitAccess,
): Promise<number> {
  const common = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--force'];
  const everything = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
  const attempts = [
    [...common, '--depth=1', '--end-of-options', reference.remote, ref ?? commit],
    [...common, '--depth=1', '--end-of-options', reference.remote, commit],
    [...common, '--end-of-options', reference.remote, ...everything],
  ];
  for (const [index, args] of attempts.entries()) {
    const outcome = await runGit(args, { ...access, reference, directory });
    if (index === attempts.length - 1 || isFinal(outcome)) refuse(reference, 'fetch', outcome);
    const seconds = outcome.code === 0 ? await timeOf(reference, commit, directory, access) : undefined;
    if (seconds !== undefined) return seconds;
  }
  throw new CoracleError('NOT_FOUND', `fetch ${shown(reference)}: it has no commit ${commit}`);
}

/** A server that is not there or wants a password will not answer another way of asking either. */
function isFinal({ code, stderr }: GitOutcome): boolean {
  return (
    code !== 0 &&
    /could not resolve host|authentication failed|could not read username|repository .* not found|connection refused/i.test(
      stderr,
    )
  );
}

/** The time of a commit that is there, in seconds. */
async function timeOf(
  reference: GitReference,
  commit: string,
  directory: string,
  access: GitAccess,
): Promise<number | undefined> {
  const args = ['show', '--no-patch', '--format=%ct', '--end-of-options', `${commit}^{commit}`];
  const { code, stdout } = await runGit(args, { ...access, reference, directory });
  return code === 0 ? Number(stdout.trim()) : undefined;
}

async function fetchSubmodules(reference: GitReference, directory: string, access: GitAccess): Promise<void> {
  const update = ['submodule', 'update', '--quiet', '--init', '--recursive'];
  const shallow = await runGit([...update, '--depth=1'], { ...access, reference, directory });
  if (shallow.code !== 0) await git(reference, access, update, directory);
}

async function git(
  reference: GitReference,
  access: GitAccess,
  args: readonly string[],
  directory?: string,
): Promise<GitOutcome> {
  const outcome = await runGit(args, { ...access, reference, directory: directory ?? access.home });
  refuse(reference, args[0] ?? '', outcome);
  return outcome;
}

function refuse(reference: GitReference, verb: string, { code, stderr }: GitOutcome): void {
  if (code === 0) return;
  // The first one is the cause, the others say what failed because of it.
  const lines = stderr.split('\n').filter((line) => /^(fatal|error|remote|ssh):/i.test(line));
  const reason = lines.find((line) => line.startsWith('fatal:')) ?? lines[0] ?? `git ${verb} failed`;
  throw new CoracleError(
    'NETWORK',
    `fetch ${shown(reference)}: ${withoutPassword(reason.replace(/^fatal: /, ''))}`,
    {
      exitCode: 1,
    },
  );
}

function shown({ remote }: GitReference): string {
  return withoutPassword(remote);
}
