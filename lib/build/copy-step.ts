/** COPY and ADD: sources found, keyed by content, written into a new layer. */
import { posix } from 'node:path';
import { hasErrno } from '../errors.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { isArchive, unpackArchive } from './add-archive.js';
import { type NamedInputs, sha256 } from './cache-key.js';
import type { Match } from './context-tree.js';
import { Copier } from './copier.js';
import type { CopySource } from './copy-source.js';
import { EntryRules } from './entry-filter.js';
import { hasWildcards } from './glob.js';
import { type Owner, resolveOwner } from './owner.js';
import type { CopyStep, StepSource } from './plan.js';
import type { BuildSession } from './session.js';
import { changedWhileRead } from './stat-cache.js';

/** Where the files come from: a finished stage, an unpacked image, or the context. */
export type ResolvedOrigin =
  | { readonly kind: 'context' }
  /** `identity` stands for the whole file system, cheaply: its key or chainID. */
  | {
      readonly kind: 'files';
      readonly identity: string;
      /** The identity as any machine has it; another one where a cached result was imported. */
      readonly claim: string;
      readonly top: () => Promise<SnapshotRecord | undefined>;
    };

/** Inputs that need no look at the files, where the origin's identity says enough; undefined for the context. */
export function quickCopyInputs(step: CopyStep, origin: ResolvedOrigin): NamedInputs | undefined {
  if (origin.kind === 'context') return undefined;
  return { ...commonInputs(step), from: origin.identity, sources: JSON.stringify(step.sources) };
}

/** Inputs by content: names and digests of everything copied. */
export async function copyInputs(
  session: BuildSession,
  step: CopyStep,
  origin: ResolvedOrigin,
): Promise<NamedInputs> {
  const inputs: Record<string, string> = { ...commonInputs(step) };
  const files = new StepFiles(session, step, origin);
  for (const [index, source] of step.sources.entries()) {
    for (const { tree, match, rules } of await files.matches(source)) {
      const name = match.isDirectory ? '' : match.name;
      const key = `source:${index}:${patternOf(source)}:${match.path}`;
      inputs[key] = `${name} ${unpacks(source)} ${await tree.digest(match, rules)}`;
    }
  }
  return inputs;
}

function commonInputs(step: CopyStep): NamedInputs {
  return {
    destination: step.destination,
    owner: step.chown ?? '',
    mode: step.chmod?.text ?? '',
    link: String(step.link),
    contents: sha256(JSON.stringify(step.contents)),
  };
}

/** Copies into a new layer above `parent` and commits it. */
export async function copyStep(
  session: BuildSession,
  step: CopyStep,
  parent: SnapshotRecord | undefined,
  origin: ResolvedOrigin,
): Promise<SnapshotRecord> {
  const files = new StepFiles(session, step, origin);
  const owner = await copyOwner(session, step, parent);
  return session.commitLayer(parent, step, async (active) => {
    const agent = session.agent();
    const handle = await session.writable(active, { alone: step.link });
    const { signal } = session.options;
    const { destination, chmod: mode } = step;
    const copier = new Copier({ agent, handle, destination, owner, mode, signal });
    try {
      await copyAll(session, step, { files, copier, handle, owner });
    } catch (error) {
      throw origin.kind === 'context' ? explainChange(error) : error;
    }
  });
}

/** Whom --chown names, by the account files of what lies below. */
export async function copyOwner(
  session: BuildSession,
  { chown }: CopyStep,
  parent: SnapshotRecord | undefined,
): Promise<Owner | undefined> {
  if (chown === undefined) return undefined;
  const accounts = isNumeric(chown)
    ? { passwd: undefined, group: undefined }
    : await session.accounts(await session.stack(parent));
  return resolveOwner(chown, accounts);
}

function isNumeric(owner: string): boolean {
  return /^\d+(:\d+)?$/.test(owner);
}

type Found = { readonly tree: CopySource; readonly match: Match; readonly rules: EntryRules };

/** The files of a step's sources, wherever they are. */
class StepFiles {
  readonly #session: BuildSession;
  readonly #step: CopyStep;
  readonly #origin: ResolvedOrigin;
  #tree: Promise<CopySource> | undefined;

  constructor(session: BuildSession, step: CopyStep, origin: ResolvedOrigin) {
    this.#session = session;
    this.#step = step;
    this.#origin = origin;
  }

  /** What one source names. @throws NOT_FOUND */
  async matches(source: StepSource): Promise<readonly Found[]> {
    const { excludes } = this.#step;
    const tree = await this.#open();
    const { pattern, include } = source;
    const rules = new EntryRules(include === undefined ? { excludes } : { excludes, include });
    if (include !== undefined) await requirePath(tree, pattern, include);
    const matches = await tree.expand(pattern);
    return matches
      .filter((match) => match.isDirectory || (include === undefined && rules.takesFile(utf8(match.name))))
      .map((match) => ({ tree, match, rules }));
  }

  #open(): Promise<CopySource> {
    const origin = this.#origin;
    this.#tree ??=
      origin.kind === 'context'
        ? Promise.resolve(this.#session.context(this.#step))
        : origin.top().then((top) => this.#session.files(top));
    return this.#tree;
  }
}

/** With --parents a path without wildcards must be there. */
async function requirePath(tree: CopySource, pattern: string, include: string): Promise<void> {
  const path = posix.join(pattern, include);
  if (!hasWildcards(path)) await tree.expand(path);
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}

function patternOf({ pattern, include }: StepSource): string {
  return include === undefined ? pattern : `${pattern}/./${include}`;
}

function unpacks(source: StepSource): boolean {
  return source.unpack;
}

async function copyAll(session: BuildSession, step: CopyStep, copying: Copying): Promise<void> {
  const { files, copier } = copying;
  let count = 0;
  for (const source of step.sources) {
    const matches = await files.matches(source);
    if (matches.length === 0) warnEmpty(session, source);
    for (const found of matches) {
      await copyMatch(session, source, copying, found);
      count++;
      session.onEvent({ kind: 'progress', step: step.id, id: 'sources', current: count, time: Date.now() });
    }
  }
  for (const { name, data } of step.contents) await copier.content(name, data);
  await copier.finish();
}

/** BuildKit takes a pattern without matches for an optional source. */
function warnEmpty(session: BuildSession, source: StepSource): void {
  session.onEvent({ kind: 'warning', message: `copy ${patternOf(source)}: nothing matches` });
}

/** What the agent says when a source is no longer the file that was hashed: gone, another one, or something else. */
const changeErrors = ['ESTALE', 'ENOENT', 'ELOOP', 'ENOTDIR'] as const;

function explainChange(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    // The agent's messages read `copy PATH: ERRNO`.
    const path = /^copy (.+): E[A-Z]+$/.exec(cause.message)?.[1];
    if (path !== undefined && hasErrno(cause.cause, ...changeErrors)) return changedWhileRead(path, error);
  }
  return error;
}

type Copying = {
  readonly files: StepFiles;
  readonly copier: Copier;
  readonly handle: number;
  readonly owner: Owner | undefined;
};

async function copyMatch(
  session: BuildSession,
  source: StepSource,
  { copier, handle, owner }: Copying,
  { tree, match, rules }: Found,
): Promise<void> {
  const archive = { agent: session.agent(), handle: await tree.handle(), path: match.path };
  if (unpacks(source) && !match.isDirectory && (await isArchive(archive))) {
    const directory = await copier.directory();
    return unpackArchive(archive, { handle, directory, owner, idMap: session.stores.idMap() }, (message) =>
      session.onEvent({ kind: 'warning', message }),
    );
  }
  await copier.copy(tree, match, rules);
}
