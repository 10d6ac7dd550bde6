/** `working copy` and `add`: files of this host, a context, an image or another working container, or from elsewhere. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { sha256 } from '../build/cache-key.js';
import type { ContextFiles } from '../build/context.js';
import { planCopy } from '../build/copy-plan.js';
import { type CopyOrigin, copyInto, ownerIn } from '../build/copy-step.js';
import { parseGitReference } from '../build/git-reference.js';
import { hasWildcards } from '../build/glob.js';
import type { CopyStep } from '../build/plan.js';
import type { BuildSession } from '../build/session.js';
import { StepFiles } from '../build/step-files.js';
import { treeSource } from '../build/tree-source.js';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Handle } from '../native/agent.js';
import type { WorkingRecord } from './record.js';
import { openFiles } from './workshop.js';

export type WorkingCopy = {
  readonly sources: readonly string[];
  /** Relative to the working directory; that itself by default. */
  readonly destination?: string | undefined;
  readonly chown?: string | undefined;
  readonly chmod?: string | undefined;
  readonly excludes?: readonly string[] | undefined;
  readonly parents?: boolean | undefined;
  /** Directory that sources are looked for in, and do not lead out of. */
  readonly contextDirectory?: string | undefined;
  readonly ignoreFile?: string | undefined;
  /** `sha256:...` or a commit, of the one source of `add`. */
  readonly checksum?: string | undefined;
  readonly keepGitDirectory?: boolean | undefined;
  /** Whether archives of `add` are unpacked; local ones are by default. */
  readonly unpack?: boolean | undefined;
  /** Note it in the image's history. */
  readonly addHistory?: boolean | undefined;
};

/** Where sources are taken from other than this host. */
export type CopyFrom =
  | { readonly kind: 'image'; readonly image: ImageRecord }
  | { readonly kind: 'working'; readonly record: WorkingRecord };

type Kind = 'copy' | 'add';

/** A source with the place it is looked for in: the name of a context. */
type Placed = { readonly context: string | undefined; readonly pattern: string };

/** Which directories the sources lie in, and their paths there. @throws NOT_FOUND */
export function placeSources(
  kind: Kind,
  { sources, contextDirectory, parents }: WorkingCopy,
): { readonly placed: readonly Placed[]; readonly roots: ReadonlyMap<string, string> } {
  const roots = new Map<string, string>();
  const placed = sources.map((source, index): Placed => {
    if (contextDirectory !== undefined || (kind === 'add' && isRemote(source)))
      return { context: undefined, pattern: source };
    const { root, pattern } = parents === true ? rooted(source) : split(source);
    const name = `source-${index}`;
    roots.set(name, root);
    return { context: name, pattern };
  });
  return { placed, roots };
}

function isRemote(source: string): boolean {
  return /^https?:\/\//.test(source) || parseGitReference(source) !== undefined;
}

/** With --parents directories are kept from the root, or from the working directory for relative paths. */
function rooted(source: string): { readonly root: string; readonly pattern: string } {
  return isAbsolute(source) ? { root: '/', pattern: source } : { root: process.cwd(), pattern: source };
}

/** A directory is its own root, so that links in it lead to nothing outside of it; a file's is its directory. */
function split(source: string): { readonly root: string; readonly pattern: string } {
  const path = resolve(source);
  if (existsSync(path)) {
    const real = realpathSync(path);
    const name = real === '/' ? '.' : real.slice(dirname(real).length).replace(/^\//, '');
    return isDirectory(real) ? { root: real, pattern: '.' } : { root: dirname(real), pattern: escaped(name) };
  }
  if (!hasWildcards(source)) {
    throw new CoracleError('NOT_FOUND', `copy ${source}: no such file or directory`);
  }
  const parts = path.split('/');
  const first = parts.findIndex((part) => hasWildcards(part));
  const root = parts.slice(0, first).join('/') || '/';
  if (!existsSync(root)) throw new CoracleError('NOT_FOUND', `copy ${source}: there is no directory ${root}`);
  return { root: realpathSync(root), pattern: parts.slice(first).join('/') };
}

function isDirectory(path: string): boolean {
  return statSync(path).isDirectory();
}

function escaped(name: string): string {
  return name.replace(/[\\*?[\]]/g, '\\$&');
}

/** What a copy needs of a working container: what it writes to, and its working directory. */
export type CopyInput = {
  readonly session: BuildSession;
  readonly record: WorkingRecord;
  readonly handle: Handle;
  readonly kind: Kind;
  readonly request: WorkingCopy;
  readonly from: CopyFrom | undefined;
  readonly placed: readonly Placed[];
};

/** Copies everything; the digest of what was copied, where `wantDigest`. */
export async function copyWorking(input: CopyInput, wantDigest: boolean): Promise<string | undefined> {
  const { session, request, handle, kind } = input;
  const owner =
    request.chown === undefined ? undefined : await ownerIn(request.chown, () => session.accounts(handle));
  const origin = await originOf(input);
  const digests: string[] = [];
  for (const { context, pattern } of input.placed) {
    const step = planStep(input, pattern, context);
    const used = origin ?? { kind: 'context' };
    if (wantDigest)
      digests.push(JSON.stringify(Object.values(await new StepFiles(session, step, used).inputs())));
    await copyInto(session, step, used, { handle, owner });
  }
  await session.agent().sync();
  const [only] = digests;
  if (only === undefined) return undefined;
  return `${kind === 'add' ? 'add' : 'file'}:${sha256(digests.join('\n'))}`;
}

function planStep(
  { request, kind, record, placed }: CopyInput,
  pattern: string,
  context: string | undefined,
): CopyStep {
  const { destination = '.', chown, chmod, excludes = [], parents = false } = request;
  const given = { contents: [], excludes, link: false, ...(chown === undefined ? {} : { chown }) } as const;
  const text = `${kind.toUpperCase()} ${request.sources.join(' ')} ${destination}`;
  const place = {
    keyword: kind,
    range: { startLine: 1, endLine: 1 },
    original: text,
    comments: [],
    flags: [],
  };
  // What several sources are copied into is a directory, whether it was written as one or not.
  const target = placed.length > 1 && !destination.endsWith('/') ? `${destination}/` : destination;
  const common = {
    ...place,
    ...given,
    sources: [pattern],
    destination: target,
    ...(chmod === undefined ? {} : { chmod }),
  };
  const { checksum, keepGitDirectory, unpack } = request;
  const planned = planCopy(
    kind === 'copy'
      ? { ...common, kind, parents }
      : {
          ...{ ...common, kind },
          ...(checksum === undefined ? {} : { checksum }),
          ...(keepGitDirectory === undefined ? {} : { keepGitDirectory }),
          ...(unpack === undefined ? {} : { unpack }),
        },
    record.config.config?.WorkingDir || '/',
  );
  return {
    ...planned,
    id: pattern,
    name: text,
    range: place.range,
    createdBy: text,
    from: context === undefined ? { kind: 'context' } : { kind: 'context', name: context },
  };
}

async function originOf({ session, from }: CopyInput): Promise<CopyOrigin | undefined> {
  if (from === undefined) return undefined;
  if (from.kind === 'image') {
    const { image } = from;
    const top = await session.unpacked(image);
    return { kind: 'files', identity: image.id, claim: image.id, top: async () => top };
  }
  const agent = session.agent();
  const stack = await openFiles(session.stores, from.record, agent);
  return { kind: 'tree', tree: treeSource(agent, async () => stack) };
}

/** The contexts of a copy, opened. */
export function sourceContexts(
  roots: ReadonlyMap<string, string>,
  main: ContextFiles | undefined,
  files: (root: string) => ContextFiles,
): ReadonlyMap<string | undefined, ContextFiles> {
  const named = [...roots].map(([name, root]) => [name, files(root)] as const);
  return new Map<string | undefined, ContextFiles>([
    ...(main === undefined ? [] : [[undefined, main] as const]),
    ...named,
  ]);
}
