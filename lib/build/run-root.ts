/** A RUN's root file system: the stage's stack, the step's layer on top of it, mount points the stage lacks below it. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../host/id-map.js';
import { moveToTrash } from '../host/trash.js';
import { inStore, openInStore } from '../image/stores.js';
import type { Handle, Time } from '../native/agent.js';
import type { PlanRecord } from '../native/plan.js';
import type { StorageDriver } from '../snapshot/driver.js';
import { rootLayers } from '../snapshot/init-layer.js';
import { rootPlan } from '../snapshot/root-plan.js';
import type { ActiveSnapshot } from '../snapshot/snapshot-store.js';
import type { BuildSession } from './session.js';

export type RunRoot = {
  readonly active: ActiveSnapshot;
  readonly driver: StorageDriver;
  /** A further lowest layer: what the stage lacks of mount points. */
  readonly stubs: string | undefined;
  /** The layer holds files already, which are part of the root: that of a working container. */
  readonly filled?: boolean | undefined;
  /** Where all of it is mounted already. */
  readonly mounted?: string | undefined;
};

/** Runs `action` with the plan's records of the root; afterwards the step's layer is in the kernel's form. */
export async function withRoot(
  session: BuildSession,
  root: RunRoot,
  action: (records: readonly PlanRecord[]) => Promise<void>,
): Promise<void> {
  if (root.mounted !== undefined) return action(rootPlan('copy', [], { rootdir: root.mounted }));
  const since = root.driver === 'copy' ? await flattenRoot(session, root) : undefined;
  await action(rootRecords(session, root));
  if (root.driver === 'fuse-overlayfs') await normalise(session, root.active);
  if (since !== undefined) await compareRoot(session, root, since);
}

function rootRecords(session: BuildSession, root: RunRoot): readonly PlanRecord[] {
  const { stores } = session;
  const { active, driver } = root;
  if (driver === 'copy') return rootPlan(driver, [], { rootdir: treeOf(active) });
  const fuse = driver === 'fuse-overlayfs' ? findProgram('fuse-overlayfs', stores.env) : undefined;
  return rootPlan(driver, lowerLayers(session, root), {
    upper: active.fs,
    work: active.work,
    volatile: true,
    ...(fuse === undefined ? {} : { fuseProgram: fuse }),
  });
}

function lowerLayers(session: BuildSession, { active, stubs }: RunRoot): readonly string[] {
  const { stores } = session;
  return [...rootLayers(stores, active.parent), ...(stubs === undefined ? [] : [stubs])];
}

/** The copy driver's whole tree; it goes with the staging directory. */
function treeOf(active: ActiveSnapshot): string {
  return join(active.work, 'tree');
}

async function flattenRoot(session: BuildSession, root: RunRoot): Promise<Time> {
  const agent = session.agent();
  const tree = treeOf(root.active);
  mkdirSync(tree, { mode: 0o755 });
  const target = await openInStore(agent, session.stores.paths, tree, { writable: true });
  return agent.flatten(await rootStack(session, root), target);
}

/** Every file counts as one that may have changed. */
const always = { seconds: -1, nanoseconds: 0 };

/** A layer that held files before is made anew: a file that is gone must not be found in it. */
async function emptied(session: BuildSession, { active, filled }: RunRoot): Promise<string> {
  if (filled !== true) return active.fs;
  const { paths, snapshots } = session.stores;
  const former = moveToTrash(paths, active.fs);
  mkdirSync(active.fs);
  chmodSync(active.fs, snapshots.rootMode(active.parent));
  if (former !== undefined) await session.stores.removeTree(former);
  return active.fs;
}

async function compareRoot(session: BuildSession, root: RunRoot, since: Time): Promise<void> {
  const agent = session.agent();
  const { paths } = session.stores;
  const tree = await openInStore(agent, paths, treeOf(root.active));
  const target = await openInStore(agent, paths, await emptied(session, root), { writable: true });
  const lower = await stackOf(session, lowerLayers(session, root));
  await agent.compare(lower, tree, target, root.filled === true ? always : since);
  await agent.remove(...inStore(agent, paths, treeOf(root.active)), { recursive: true });
}

/** A handle of all the step begins with: everything below its layer, and what that holds already. */
export async function rootStack(session: BuildSession, root: RunRoot): Promise<Handle> {
  const filled = root.filled === true ? [root.active.fs] : [];
  return stackOf(session, [...filled, ...lowerLayers(session, root)]);
}

async function stackOf(session: BuildSession, layers: readonly string[]): Promise<Handle> {
  const agent = session.agent();
  const { paths } = session.stores;
  return agent.stack(await Promise.all(layers.map((path) => openInStore(agent, paths, path))));
}

async function normalise(session: BuildSession, active: ActiveSnapshot): Promise<void> {
  const agent = session.agent();
  await agent.normalise(await openInStore(agent, session.stores.paths, active.fs, { writable: true }));
}
