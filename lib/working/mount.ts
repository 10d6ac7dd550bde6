/** `working mount` and `umount`: a working container's files for programs of this host. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BuildStores } from '../build/session.js';
import { CoracleError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import { type MountPlaces, mountAt, mountState, refuseMounted, unmountAt } from '../image/mount-point.js';
import { inStore } from '../image/stores.js';
import type { PlanRecord } from '../native/plan.js';
import { rootPlan } from '../snapshot/root-plan.js';
import type { WorkingRecord } from './record.js';
import { workingPlaces } from './working-store.js';
import { lowerPaths, normalise, settle } from './workshop.js';

export function placesOf(stores: BuildStores, record: WorkingRecord): MountPlaces {
  const { mountPoint: point, mount: mark } = workingPlaces(stores, record.id);
  return { point, mark, what: `working container ${record.name}` };
}

/** Mounts it in `coracle unshare`; returns the mount point. The caller holds it. */
export async function mountWorking(stores: BuildStores, record: WorkingRecord): Promise<string> {
  return mountAt(placesOf(stores, record), async () => {
    await settle(stores, record);
    return rootRecords(stores, record);
  });
}

/** The caller holds it. */
export async function unmountWorking(stores: BuildStores, record: WorkingRecord): Promise<boolean> {
  const mounted = unmountAt(placesOf(stores, record));
  if (mounted) await normalise(stores, record);
  return mounted;
}

/** Refuses to read a layer that a mount has in a form of its own. @throws CONFLICT */
export function refuseForeignForm(stores: BuildStores, record: WorkingRecord, verb: string): void {
  if (stores.driver() !== 'fuse-overlayfs' || mountState(placesOf(stores, record)) === 'none') return;
  throw new CoracleError(
    'CONFLICT',
    `${verb} working container ${record.name}: fuse-overlayfs has it mounted`,
    {
      hint: `unmount it first: coracle working umount ${record.name}`,
    },
  );
}

/** Where it is mounted, for this process to work in; undefined where it is not. @throws CONFLICT where it is mounted elsewhere */
export function mountedHere(stores: BuildStores, record: WorkingRecord, verb: string): string | undefined {
  const places = placesOf(stores, record);
  refuseMounted(places, verb);
  return mountState(places) === 'here' ? places.point : undefined;
}

async function rootRecords(stores: BuildStores, record: WorkingRecord): Promise<readonly PlanRecord[]> {
  const driver = stores.driver();
  if (driver === 'copy') {
    throw new CoracleError(
      'UNSUPPORTED',
      `mount working container ${record.name}: this host mounts no overlays`,
      {
        hint: 'coracle doctor says what is missing; working copy and run do without',
      },
    );
  }
  const { fs, directory } = workingPlaces(stores, record.id);
  const fuse = driver === 'fuse-overlayfs' ? findProgram('fuse-overlayfs', stores.env) : undefined;
  return rootPlan(driver, lowerPaths(stores, record), {
    upper: fs,
    work: await freshWork(stores, join(directory, 'work')),
    ...(fuse === undefined ? {} : { fuseProgram: fuse }),
  });
}

/** What another mount left in it keeps some kernels from a new one. */
async function freshWork(stores: BuildStores, work: string): Promise<string> {
  if (existsSync(work)) {
    const agent = await stores.openAgent();
    await agent.remove(...inStore(agent, stores.paths, work), { recursive: true });
  }
  mkdirSync(work, { mode: 0o700 });
  return work;
}
