/** COPY and ADD: sources found, keyed by content, written into a new layer. */
import { hasErrno } from '../errors.js';
import type { Handle } from '../native/agent.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { isArchive, unpackArchive } from './add-archive.js';
import { type NamedInputs, sha256 } from './cache-key.js';
import { Copier } from './copier.js';
import type { CopySource } from './copy-source.js';
import { type Accounts, type Owner, resolveOwner } from './owner.js';
import type { CopyStep, StepSource } from './plan.js';
import type { BuildSession } from './session.js';
import { changedWhileRead } from './stat-cache.js';
import { type Found, nameOf, StepFiles } from './step-files.js';

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

/** A tree that is open already has nothing to key it by. */
export type CopyOrigin = ResolvedOrigin | { readonly kind: 'tree'; readonly tree: CopySource };

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
  const files = new StepFiles(session, step, origin);
  return { ...commonInputs(step), ...(await files.inputs()) };
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
  const owner = await copyOwner(session, step, parent);
  return session.commitLayer(parent, step, async (active) => {
    const handle = await session.writable(active, { alone: step.link });
    await copyInto(session, step, origin, { handle, owner });
  });
}

/** Copies into an open tree, or stack with a writable layer on top. */
export async function copyInto(
  session: BuildSession,
  step: CopyStep,
  origin: CopyOrigin,
  { handle, owner }: { readonly handle: Handle; readonly owner: Owner | undefined },
): Promise<void> {
  const files = new StepFiles(session, step, origin);
  const { signal } = session.options;
  const { destination, chmod: mode } = step;
  const copier = new Copier({ agent: session.agent(), handle, destination, owner, mode, signal });
  try {
    await copyAll(session, step, { files, copier, handle, owner });
  } catch (error) {
    throw origin.kind === 'context' ? explainChange(error) : error;
  }
}

/** Whom --chown names, by the account files of what lies below. */
export async function copyOwner(
  session: BuildSession,
  { chown }: CopyStep,
  parent: SnapshotRecord | undefined,
): Promise<Owner | undefined> {
  return chown === undefined
    ? undefined
    : ownerIn(chown, async () => session.accounts(await session.stack(parent)));
}

/** `user[:group]` as numbers; the account files are read where there are names. @throws NOT_FOUND */
export async function ownerIn(chown: string, accounts: () => Promise<Accounts>): Promise<Owner> {
  return resolveOwner(chown, isNumeric(chown) ? { passwd: undefined, group: undefined } : await accounts());
}

function isNumeric(owner: string): boolean {
  return /^\d+(:\d+)?$/.test(owner);
}

async function copyAll(session: BuildSession, step: CopyStep, copying: Copying): Promise<void> {
  const { files, copier } = copying;
  let count = 0;
  for (const source of step.sources) {
    const matches = await files.matches(source);
    if (matches.length === 0 && source.kind === 'path') warnEmpty(session, source);
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
  session.onEvent({ kind: 'warning', message: `copy ${nameOf(source)}: nothing matches` });
}

/** What the agent says when a source is no longer the file that was hashed: gone, another one, or something else. */
const changeErrors = ['ESTALE', 'ENOENT', 'ELOOP', 'ENOTDIR'] as const;

function explainChange(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    // The agent's messages read `copy PATH: WHY`.
    const path = /^copy (.+): [^:]+$/.exec(cause.message)?.[1];
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
  if (source.kind !== 'git' && source.unpack && !match.isDirectory && (await isArchive(archive))) {
    const directory = await copier.directory();
    return unpackArchive(archive, { handle, directory, owner, idMap: session.stores.idMap() }, (message) =>
      session.onEvent({ kind: 'warning', message }),
    );
  }
  await copier.copy(tree, match, rules);
}
