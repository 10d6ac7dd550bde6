/**
 * The files of a stage, an image or the context as a mount of a RUN: never the place itself but a stack above it, so that what a
 * step writes goes nowhere (CVE-2025-4953), and resolved inside of it, so that no link leads out (S17).
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { openInStore } from '../image/stores.js';
import type { Handle } from '../native/agent.js';
import { present } from '../oci/guards.js';
import type { Mount } from '../sandbox/mount.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { Match } from './context-tree.js';
import type { CopySource, SourceEntry } from './copy-source.js';
import type { ResolvedOrigin } from './copy-step.js';
import { EntryRules } from './entry-filter.js';
import type { MountSource } from './run-mount.js';
import type { BuildSession } from './session.js';

export type TreeMount = {
  /** Files are seen with their own times. */
  readonly filesTime?: never;
  readonly from: MountSource;
  readonly target: string;
  /** Absolute in the tree. */
  readonly source: string;
  readonly readOnly: boolean;
};

/** Directories that are one tree, topmost first, as paths and as handles of the agent. */
type Layers = { readonly paths: readonly string[]; readonly handles: () => Promise<readonly Handle[]> };

/** A mount, and what must be at its target. */
export type OpenedMount = { readonly mount: Mount; readonly kind: 'file' | 'directory' };

/** The mount of `origin`'s files; what it needs lies in the directory `place`, which is the caller's to remove. */
export async function openTree(
  session: BuildSession,
  origin: ResolvedOrigin,
  mount: TreeMount,
  places: { readonly place: string; readonly driver: StorageDriver },
): Promise<OpenedMount> {
  const isDirectory =
    origin.kind === 'context'
      ? (await openContext(session, mount)).match.isDirectory
      : await isDirectoryIn(session, await origin.top(), mount);
  return {
    mount: await treeMount(session, origin, mount, places),
    kind: isDirectory ? 'directory' : 'file',
  };
}

async function isDirectoryIn(
  session: BuildSession,
  top: SnapshotRecord | undefined,
  { source, target }: TreeMount,
): Promise<boolean> {
  if (source === '/') return true;
  const path = source.slice(1);
  const entry = top && (await session.agent().stat(await session.stack(top), path, { follow: true }));
  if (entry !== undefined) return entry.type === 'directory';
  throw new CoracleError('NOT_FOUND', `mount ${target}: there is no ${source} in the files it is to show`);
}

async function treeMount(
  session: BuildSession,
  origin: ResolvedOrigin,
  mount: TreeMount,
  { place, driver }: { readonly place: string; readonly driver: StorageDriver },
): Promise<Mount> {
  const options = [mount.readOnly ? 'ro' : 'rw', 'nosuid', 'nodev'];
  const context = origin.kind === 'context' ? await contextPart(session, mount) : undefined;
  const inside = context?.path ?? mount.source.slice(1);
  const common = { destination: mount.target, ...(inside === '' || inside === '.' ? {} : { inside }) };
  // Where nothing is left out and nothing can be written, the directory itself will do.
  if (context?.leftOut.length === 0 && mount.readOnly)
    return { type: 'bind', source: session.contextRoot(mount.from), options: [...options, 'rec'], ...common };
  mkdirSync(place, { mode: 0o755 });
  const layers = await layersOf(session, origin, context, place);
  if (driver !== 'overlay')
    return { type: 'bind', source: await copyOf(session, layers, place), options, ...common };
  if (mount.readOnly) return { type: 'overlay', source: '', layers: layers.paths, options, ...common };
  const upper = { directory: join(place, 'upper'), work: join(place, 'work') };
  for (const path of Object.values(upper)) mkdirSync(path, { mode: 0o755 });
  return { type: 'overlay', source: '', layers: layers.paths, upper, options, ...common };
}

/** Digest of what a mount shows of the context. */
export async function contextDigest(session: BuildSession, mount: TreeMount): Promise<string> {
  const { source, match } = await openContext(session, mount);
  return source.digest(match, everything);
}

const everything = new EntryRules();

/** What a mount shows of the context. The mount itself is the key: it is read once. */
async function openContext(
  session: BuildSession,
  mount: TreeMount,
): Promise<{ readonly source: CopySource; readonly match: Match }> {
  const source = session.context(mount);
  try {
    const [match] = await source.expand(mount.source.replace(/[\\*?[\]]/g, '\\$&'));
    if (match !== undefined) return { source, match };
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    const details = { cause: error, ...present('hint', error.hint) };
    throw new CoracleError(error.code, `mount ${mount.target}: ${error.message}`, details);
  }
  throw new CoracleError('NOT_FOUND', `mount ${mount.target}: ${mount.source} is not in the build context`);
}

type ContextPart = {
  readonly path: string;
  readonly root: string;
  readonly handle: Handle;
  readonly leftOut: readonly string[];
};

async function contextPart(session: BuildSession, mount: TreeMount): Promise<ContextPart> {
  const { source, match } = await openContext(session, mount);
  const entries = await source.entries(match, everything);
  const root = session.contextRoot(mount.from);
  return { path: match.path, root, handle: await source.handle(), leftOut: leftOut(root, entries) };
}

/** What lies in the directories among `entries` and is not itself among them: the ignore file's work. */
function leftOut(root: string, entries: readonly SourceEntry[]): readonly string[] {
  const taken = new Set(entries.map(({ origin }) => origin.toString()));
  const directories = entries.filter(({ type }) => type === 'directory');
  return directories.flatMap(({ origin }) => {
    const directory = origin.toString();
    const names = readdirSync(join(root, directory));
    const paths = names.map((name) => (directory === '.' ? name : `${directory}/${name}`));
    return paths.filter((path) => !taken.has(path));
  });
}

async function layersOf(
  session: BuildSession,
  origin: ResolvedOrigin,
  context: ContextPart | undefined,
  place: string,
): Promise<Layers> {
  if (context !== undefined) return contextLayers(session, context, place);
  const top = origin.kind === 'files' ? await origin.top() : undefined;
  if (top === undefined) return emptyLayers(session, place);
  return {
    paths: session.stores.snapshots.layerPaths(top),
    handles: async () => [await session.stack(top)],
  };
}

function emptyLayers(session: BuildSession, place: string): Layers {
  const path = join(place, 'empty');
  mkdirSync(path, { mode: 0o755 });
  return {
    paths: [path],
    handles: async () => [await openInStore(session.agent(), session.stores.paths, path)],
  };
}

/** What the ignore file leaves out is hidden by a layer of whiteouts above the context. */
async function contextLayers(session: BuildSession, context: ContextPart, place: string): Promise<Layers> {
  const agent = session.agent();
  const path = join(place, 'ignored');
  mkdirSync(path, { mode: 0o755 });
  const top = await openInStore(agent, session.stores.paths, path, { writable: true });
  const view = await agent.stack([top, context.handle], { writable: true });
  for (const ignored of context.leftOut) await agent.whiteout(view, ignored);
  await agent.sync();
  return { paths: [path, context.root], handles: async () => [top, context.handle] };
}

/** For drivers that cannot stack directories: the tree copied. */
async function copyOf(session: BuildSession, layers: Layers, place: string): Promise<string> {
  const agent = session.agent();
  const path = join(place, 'copy');
  mkdirSync(path, { mode: 0o755 });
  const target = await openInStore(agent, session.stores.paths, path, { writable: true });
  const handles = await layers.handles();
  const source = handles.length === 1 ? handles[0] : await agent.stack(handles);
  await agent.flatten(source ?? target, target);
  return path;
}
