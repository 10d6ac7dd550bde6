/** COPY and ADD: sources found, keyed by content, written into a new layer. */
import { hasErrno } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { isArchive, unpackArchive } from './add-archive.js';
import { type NamedInputs, sha256 } from './cache-key.js';
import type { Match } from './context-tree.js';
import { Copier } from './copier.js';
import type { CopySource } from './copy-source.js';
import { type Owner, resolveOwner } from './owner.js';
import type { CopyStep } from './plan.js';
import type { BuildSession } from './session.js';
import { changedWhileRead } from './stat-cache.js';

/** Where the files come from: a finished stage, an unpacked image, or the context. */
export type ResolvedOrigin =
  | { readonly kind: 'context' }
  /** `identity` stands for the whole file system, cheaply: its key or chainID. */
  | {
      readonly kind: 'files';
      readonly identity: string;
      readonly top: () => Promise<SnapshotRecord | undefined>;
    };

/** The identity of an image's files. */
export function imageIdentity(image: ImageRecord): string {
  return sha256(image.config.rootfs.diff_ids.join(' '));
}

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
  if (step.sources.length === 0) return inputs;
  const source = await openSource(session, step, origin);
  for (const pattern of step.sources) {
    for (const match of await source.expand(pattern)) {
      const name = match.isDirectory ? '' : match.name;
      inputs[`source:${pattern}:${match.path}`] = `${name} ${await source.digest(match)}`;
    }
  }
  return inputs;
}

function commonInputs(step: CopyStep): NamedInputs {
  return {
    destination: step.destination,
    owner: step.chown ?? '',
    mode: step.chmod === undefined ? '' : step.chmod.toString(8),
    unpack: String(step.unpack),
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
  const source = step.sources.length === 0 ? undefined : await openSource(session, step, origin);
  return session.commitLayer(parent, step.createdBy, async (active) => {
    const agent = session.agent();
    const handle = await session.writable(active);
    const owner = await ownerOf(session, step, handle);
    const { signal } = session.options;
    const copier = new Copier({
      agent,
      handle,
      destination: step.destination,
      owner,
      mode: step.chmod,
      signal,
    });
    try {
      await copyAll(session, step, { source, copier, handle, owner });
    } catch (error) {
      throw origin.kind === 'context' ? explainChange(error) : error;
    }
  });
}

async function copyAll(
  session: BuildSession,
  step: CopyStep,
  copying: Omit<Copying, 'match'>,
): Promise<void> {
  const { source, copier } = copying;
  let count = 0;
  for (const pattern of source === undefined ? [] : step.sources) {
    for (const match of (await source?.expand(pattern)) ?? []) {
      await copyMatch(session, step, { ...copying, match });
      count++;
      session.onEvent({ kind: 'progress', step: step.id, id: 'sources', current: count, time: Date.now() });
    }
  }
  for (const { name, data } of step.contents) await copier.content(name, data);
  await copier.finish();
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
  readonly source: CopySource | undefined;
  readonly match: Match;
  readonly copier: Copier;
  readonly handle: number;
  readonly owner: Owner | undefined;
};

async function copyMatch(session: BuildSession, step: CopyStep, copying: Copying): Promise<void> {
  const { source, match, copier, handle, owner } = copying;
  if (source === undefined) return;
  const archive = { agent: session.agent(), handle: await source.handle(), path: match.path };
  if (step.unpack && !match.isDirectory && (await isArchive(archive))) {
    const directory = await copier.directory();
    return unpackArchive(archive, { handle, directory, owner, idMap: session.stores.idMap() }, (message) =>
      session.onEvent({ kind: 'warning', message }),
    );
  }
  await copier.copy(source, match);
}

async function openSource(
  session: BuildSession,
  step: CopyStep,
  origin: ResolvedOrigin,
): Promise<CopySource> {
  return origin.kind === 'context' ? session.context(step) : session.files(await origin.top());
}

async function ownerOf(session: BuildSession, step: CopyStep, handle: number): Promise<Owner | undefined> {
  return step.chown === undefined ? undefined : resolveOwner(step.chown, await session.accounts(handle));
}
