/** What a container changed over its image: as a layer's directory, and as the list that `diff` prints. */
import { openInStore } from '../image/stores.js';
import { applyLayer } from '../layer/apply.js';
import { type DiffSource, flattenTar } from '../layer/diff.js';
import { type Change, layerChanges } from '../layer/layer-changes.js';
import type { Agent, Handle } from '../native/agent.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import { openLayers, openTree, openUpper } from './tree.js';
import { type ContainerView, isActive } from './view.js';

/** The changes as a layer above a stack. `close` ends the agent and removes what was made for it. */
export type OpenedChanges = DiffSource & { readonly lower: Handle; close(): Promise<void> };

/** The changes, in the order of their paths; a directory counts when something in it changed. */
export async function listChanges(stores: ContainerStores, view: ContainerView): Promise<readonly Change[]> {
  const source = await openChanges(stores, view);
  try {
    return await layerChanges(source);
  } finally {
    await source.close();
  }
}

/**
 * The changes in a layer's form. The writable layer of an overlay is that already; where it is not (a copied tree, a
 * fuse-overlayfs that runs), the difference is found by comparing.
 */
export async function openChanges(stores: ContainerStores, view: ContainerView): Promise<OpenedChanges> {
  const agent = await stores.ownAgent();
  const staged: string[] = [];
  const close = async (): Promise<void> => {
    for (const path of staged) await stores.removeTree(path);
    await agent.close();
  };
  try {
    const lower = await agent.stack(await openLayers(stores, view.record, agent));
    const layer = await openLayer({ stores, view, agent, lower, staged });
    return { agent, layer, lower, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Opening = {
  readonly stores: ContainerStores;
  readonly view: ContainerView;
  readonly agent: Agent;
  readonly lower: Handle;
  /** Directories to remove in the end. */
  readonly staged: string[];
};

async function openLayer(opening: Opening): Promise<Handle> {
  const { stores, view, agent } = opening;
  if (view.record.driver === 'copy') {
    const { fs } = containerPlaces(stores, view.record.id);
    return compare(opening, await openInStore(agent, stores.paths, fs));
  }
  if (view.record.driver === 'fuse-overlayfs' && isActive(view))
    return compare(opening, await copyOut(opening));
  return openUpper(stores, view, agent);
}

/** Where the changes begin is not recorded, so every file counts as one that may have changed. */
const always = { seconds: -1, nanoseconds: 0 };

async function compare(opening: Opening, tree: Handle): Promise<Handle> {
  const target = await stage(opening, 'changes');
  await opening.agent.compare(opening.lower, tree, target, always);
  return target;
}

/** What runs as the container sees it, as a tree at rest. */
async function copyOut(opening: Opening): Promise<Handle> {
  const { stores, view, agent } = opening;
  const handle = await stage(opening, 'tree');
  const source = await openTree(stores, view, 'root');
  try {
    await applyLayer(flattenTar(source, { preciseTimes: true }), { agent, handle, idMap: stores.idMap() });
  } finally {
    await source.close();
  }
  return handle;
}

async function stage({ stores, agent, staged }: Opening, name: string): Promise<Handle> {
  const path = stores.staging.open().directory(name);
  staged.push(path);
  return openInStore(agent, stores.paths, path, { writable: true });
}
