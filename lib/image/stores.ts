/** The stores of one root, wired together, and the file agent they share. */

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import { ensureDirectory } from '../host/files.js';
import { detectIdMap, type IdMap } from '../host/id-map.js';
import {
  type Environment,
  runtimeDirectory,
  type StorePaths,
  type StorePlaces,
  storePaths,
} from '../host/paths.js';
import { type Locks, StagingArea, sweepStaging } from '../host/staging.js';
import { openStoreRoot } from '../host/store-version.js';
import type { RemoveTree } from '../host/trash.js';
import { noteUser, openImageStore } from '../host/using-roots.js';
import type { Agent, Handle } from '../native/agent.js';
import { fileLocks } from '../native/lock.js';
import { crc32 } from '../native/plan.js';
import { spreadChildren, syncFileSystem } from '../native/sync.js';
import { SnapshotStore } from '../snapshot/snapshot-store.js';
import { ImageStore } from './image-store.js';
import { SharedAgent } from './shared-agent.js';

/** Everything that works on one store. */
export type Stores = {
  readonly paths: StorePaths;
  readonly locks: Locks;
  readonly staging: StagingArea;
  readonly content: ContentStore;
  readonly snapshots: SnapshotStore;
  readonly images: ImageStore;
  /** The private directory for sockets and pid records. */
  readonly runtime: string;
  /** How container ids map to this user's; found out once. */
  idMap(): IdMap;
  /** The process's shared file agent, started at the first call; handle 0 is the store's root, writable. */
  openAgent(): Promise<Agent>;
  /** A file agent of one's own on the same root, for long streams of operations, maybe with memory shared; the caller closes it. */
  ownAgent(memory?: number): Promise<Agent>;
  /** Removes a tree below the store's root, whoever owns its files. */
  readonly removeTree: RemoveTree;
  /** Ends the shared agent and this process's staging. */
  close(): Promise<void>;
};

export type OpenStoresOptions = {
  readonly root: string;
  readonly env: Environment;
  readonly places?: Omit<StorePlaces, 'transient'>;
  /** Records of containers in the runtime directory. */
  readonly transient?: boolean;
};

/**
 * Opens the store, makes it when missing, and puts what dead processes left behind into the trash.
 * @throws as `openStoreRoot` and `runtimeDirectory` do.
 */
export function openStores({ root, env, places, transient = false }: OpenStoresOptions): Stores {
  const runtime = runtimeDirectory(env, process.getuid?.() ?? 0);
  openStoreRoot(storePaths(root));
  const paths = storePaths(root, {
    ...places,
    ...(transient ? { transient: transientPlace(root, runtime) } : {}),
  });
  if (paths.imageRoot !== paths.root) openImageStore(paths);
  if (paths.transient !== undefined) openTransient(paths, paths.transient);
  sweepStaging(paths, fileLocks);
  const staging = new StagingArea(paths, fileLocks, spreadChildren);
  const content = new ContentStore(paths, staging, fileLocks);
  const snapshots = new SnapshotStore(paths, staging, syncFileSystem);
  const images = new ImageStore({ paths, content, snapshots, locks: fileLocks });
  let found: IdMap | undefined;
  const idMap = (): IdMap => {
    found ??= detectIdMap({ env });
    return found;
  };
  const agent = new SharedAgent(paths, idMap);
  return {
    paths,
    locks: fileLocks,
    staging,
    content,
    snapshots,
    images,
    runtime,
    idMap,
    openAgent: () => agent.open(),
    ownAgent: (memory) => agent.start(memory),
    removeTree: (path) => agent.removeTree(path),
    close: async () => {
      try {
        staging.close();
        await agent.emptyTrash();
      } finally {
        await agent.close();
      }
    },
  };
}

/** One for each root and runtime directory. */
function transientPlace(
  root: string,
  runtime: string,
): { readonly directory: string; readonly name: string } {
  const { dev, ino } = statSync(root);
  const name = crc32(Buffer.from(`${dev} ${ino} ${runtime}`))
    .toString(16)
    .padStart(8, '0');
  return { directory: join(runtime, 't', name), name };
}

function openTransient(paths: StorePaths, directory: string): void {
  for (const path of [
    join(dirname(directory)),
    directory,
    paths.containers,
    paths.names,
    join(directory, 'trash'),
  ])
    ensureDirectory(path);
  for (const path of [paths.transientLayers, paths.layers ?? '']) ensureDirectory(path);
  noteUser(paths, directory);
  // The root's own note tells whose volumes they have.
  if (paths.imageRoot !== paths.root) noteUser(storePaths(paths.root), directory);
}

/** A directory of the store as a handle of its agent. @throws INTERNAL for a path outside of the store. */
export async function openInStore(
  agent: Agent,
  paths: StorePaths,
  path: string,
  options: { readonly writable?: boolean } = {},
): Promise<Handle> {
  return agent.open(...inStore(agent, paths, path), options);
}

/** A path below one of the store's roots, as its agent takes it. */
export function inStore(
  agent: Agent,
  paths: StorePaths,
  path: string,
): readonly [root: Handle, path: string] {
  const found = agent.locate(path);
  if (found !== undefined) return found;
  throw new CoracleError('INTERNAL', `open ${path}: not below the store's root ${paths.root}`);
}
