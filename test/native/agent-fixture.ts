/** An agent over a directory of the test's own, and trees as lists of lines. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CoracleError, hasErrno } from '../../lib/errors.js';
import { detectIdMap, type IdMap } from '../../lib/host/id-map.js';
import { type Agent, type Entry, type Handle, openAgent } from '../../lib/native/agent.js';
import { type Missing, missingUserNamespaces, repositoryRoot, temporaryDirectory } from '../helpers/host.js';

export const time = { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
export const root = { uid: 0, gid: 0 };

/** Why agent tests cannot run here. */
export function missingAgent(): Missing {
  if (!existsSync(join(repositoryRoot(), 'dist/native/coracle-sv'))) return 'dist/native is not built';
  return missingUserNamespaces();
}

const missing = missingAgent();
/** `test`, skipped where agents cannot run. */
export const agentTest = missing === undefined ? test : test.skip;

export type AgentFixture = {
  readonly agent: Agent;
  /** The directory that is handle 0. */
  readonly directory: string;
  /** A new writable directory of that name as a handle. */
  readonly layer: (name: string) => Promise<Handle>;
};

/** Starts an agent that ends with the test. */
export function startAgent(t: ExecutionContext<unknown>, idMap: IdMap = detectIdMap()): AgentFixture {
  const directory = temporaryDirectory(t);
  const agent = openAgent({ idMap, roots: [{ path: directory, writable: true }] });
  t.teardown(() => agent.close());
  return { agent, directory, layer: (name) => agent.open(0, name, { create: true, writable: true }) };
}

/** Makes entries: `dir/`, `file=content`, `link->target`, `name!` (whiteout), `dir/!` (opaque). */
export async function make(agent: Agent, handle: Handle, ...lines: readonly string[]): Promise<void> {
  const meta = (mode: number) => ({ mode, owner: root, mtime: time });
  for (const line of lines) {
    const [link, target] = line.split('->');
    const [file, content] = line.split('=');
    if (target !== undefined) await agent.symlink(handle, link ?? '', target, meta(0o777), { parents: true });
    else if (content !== undefined)
      await agent.file(handle, file ?? '', meta(0o644), Buffer.from(content), { parents: true });
    else if (line.endsWith('/!')) await agent.opaque(handle, line.slice(0, -2));
    else if (line.endsWith('!')) await agent.whiteout(handle, line.slice(0, -1));
    else await agent.mkdir(handle, line.slice(0, -1), meta(0o755), { existing: 'update', parents: true });
  }
  await agent.sync();
}

/** The entries of a tree as `make` takes them, with file contents, without the root itself. */
export async function show(
  agent: Agent,
  handle: Handle,
  options: { raw?: boolean } = {},
): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const event of agent.walk(handle, '.', { contents: true, ...options })) {
    if (event.kind === 'data') lines[lines.length - 1] += event.bytes.toString();
    else if (event.entry.path.length > 0) lines.push(line(event.entry));
  }
  return lines;
}

function line(entry: Entry): string {
  const path = entry.path.toString();
  switch (entry.type) {
    case 'directory':
      return `${path}/${entry.opaque ? '!' : ''}`;
    case 'symlink':
      return `${path}->${entry.target}`;
    case 'whiteout':
      return `${path}!`;
    case 'file':
      return `${path}=`;
    default:
      return `${path}(${entry.type})`;
  }
}

/** Expects the action to fail with an errno, whichever call reports it. */
export async function failsWith(
  t: ExecutionContext<unknown>,
  agent: Agent,
  errno: string,
  action: () => Promise<unknown> | undefined,
): Promise<void> {
  const error = await t.throwsAsync(
    async () => {
      await action();
      await agent.sync();
    },
    { instanceOf: CoracleError },
  );
  t.true(hasCause(error, errno), `${error?.message} instead of ${errno}`);
}

function hasCause(error: unknown, errno: string): boolean {
  if (!(error instanceof Error)) return false;
  return hasErrno(error, errno) || hasCause(error.cause, errno);
}
