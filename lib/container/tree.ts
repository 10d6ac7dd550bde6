/** A container's files for those who read and change them from outside: through a file agent, running or not. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CoracleError } from '../errors.js';
import { openInStore } from '../image/stores.js';
import { type Agent, type Handle, openContainerAgent } from '../native/agent.js';
import { rootLayers } from '../snapshot/init-layer.js';
import { ContainerStore } from './container-store.js';
import type { ContainerRecord } from './record.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import { type ContainerView, isActive } from './view.js';

/** The container's root directory as a writable handle, and the container as it was then. `close` ends the agent. */
export type ContainerTree = {
  readonly agent: Agent;
  readonly handle: Handle;
  readonly view: ContainerView;
  close(): Promise<void>;
};

/**
 * `root`: the files of the image and what the container changed. `mounts`: what a process in it sees, /proc, /sys and /dev
 * left out; of a container that does not run, mounts are not there.
 */
export async function openTree(
  stores: ContainerStores,
  view: ContainerView,
  what: 'root' | 'mounts',
  deadline = Date.now() + changePatience,
): Promise<ContainerTree> {
  if (!isActive(view)) return treeAtRest(stores, view);
  const agent = openContainerAgent(containerPlaces(stores, view.record.id).socket, what);
  try {
    await agent.sync();
    return { agent, handle: 0, view, close: () => agent.close() };
  } catch (error) {
    await agent.close();
    if (!isNotRunning(error) || Date.now() > deadline) throw error;
  }
  await sleep(25);
  const now = new ContainerStore(stores.paths).get(view.record.id);
  if (now !== undefined) return openTree(stores, now, what, deadline);
  throw new CoracleError('NOT_FOUND', `open container ${view.record.name}: it was removed meanwhile`);
}

/** Milliseconds for which one that runs may not be reached: it starts, or it ends. */
const changePatience = 5000;

function isNotRunning(error: unknown): boolean {
  return error instanceof CoracleError && error.code === 'CONFLICT';
}

async function treeAtRest(stores: ContainerStores, view: ContainerView): Promise<ContainerTree> {
  const agent = await stores.ownAgent();
  try {
    return { agent, handle: await rootAtRest(stores, view, agent), view, close: () => agent.close() };
  } catch (error) {
    await agent.close();
    throw error;
  }
}

async function rootAtRest(stores: ContainerStores, view: ContainerView, agent: Agent): Promise<Handle> {
  const { record } = view;
  const top = await openUpper(stores, view, agent);
  if (record.driver === 'copy') return top;
  return agent.stack([top, ...(await openLayers(stores, record, agent))], { writable: true });
}

/** The writable layer of a container, in the kernel's form if it does not run: fuse-overlayfs reads that as well. */
export async function openUpper(stores: ContainerStores, view: ContainerView, agent: Agent): Promise<Handle> {
  const { fs } = containerPlaces(stores, view.record.id);
  const handle = await openInStore(agent, stores.paths, fs, { writable: true });
  if (view.record.driver === 'fuse-overlayfs' && !isActive(view)) await agent.normalise(handle);
  return handle;
}

/** The layers below the writable one, topmost first. */
export async function openLayers(
  stores: ContainerStores,
  record: ContainerRecord,
  agent: Agent,
): Promise<readonly Handle[]> {
  const top = record.snapshot === undefined ? undefined : stores.snapshots.get(record.snapshot);
  return Promise.all(rootLayers(stores, top).map((path) => openInStore(agent, stores.paths, path)));
}

/** The copy driver's root file system: the image's layers as one tree. */
export async function copyRoot(stores: ContainerStores, record: ContainerRecord): Promise<void> {
  const agent = await stores.openAgent();
  const layers = await openLayers(stores, record, agent);
  const source = await agent.stack(layers);
  const { fs } = containerPlaces(stores, record.id);
  const target = await openInStore(agent, stores.paths, fs, { writable: true });
  await agent.flatten(source, target);
  await agent.sync();
  for (const handle of [target, source, ...layers]) await agent.release(handle);
}
