/** `mount` and `umount`: the files of a container that does not run, for programs of this host. */
import { CoracleError } from '../errors.js';
import { type MountPlaces, mountAt, mountState, refuseMounted, unmountAt } from '../image/mount-point.js';
import { rootRecords } from './launch.js';
import type { ContainerRecord } from './record.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import { openUpper } from './tree.js';
import { type ContainerView, isActive } from './view.js';

/** Pure. */
export function mountPlaces(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  { id, name }: Pick<ContainerRecord, 'id' | 'name'>,
): MountPlaces {
  const { directory } = containerPlaces(stores, id);
  return { point: `${directory}/merged`, mark: `${directory}/mount.json`, what: `container ${name}` };
}

/** Mounts it in `coracle unshare`; returns the mount point. @throws CONFLICT while it runs, HOST, IO */
export async function mountContainer(stores: ContainerStores, view: ContainerView): Promise<string> {
  const { record } = view;
  if (isActive(view)) {
    throw new CoracleError('CONFLICT', `mount container ${record.name}: it runs`, {
      hint: 'stop it first, or reach its files with coracle cp and exec',
    });
  }
  // Its files are one tree already.
  if (record.driver === 'copy') return containerPlaces(stores, record.id).fs;
  return mountAt(mountPlaces(stores, record), async () => {
    await normalise(stores, view);
    return rootRecords(stores, record).filter(([op]) => op !== 'volatile');
  });
}

/** False when it was not mounted. */
export async function unmountContainer(stores: ContainerStores, view: ContainerView): Promise<boolean> {
  const mounted = unmountAt(mountPlaces(stores, view.record));
  if (mounted) await normalise(stores, view);
  return mounted;
}

/** Whether it is mounted where this process sees it. */
export function isMountedHere(stores: ContainerStores, record: ContainerRecord): boolean {
  return mountState(mountPlaces(stores, record)) === 'here';
}

/** Two mounts of one layer would harm it. @throws CONFLICT */
export function refuseStart(stores: ContainerStores, record: ContainerRecord): void {
  const places = mountPlaces(stores, record);
  refuseMounted(places, 'start');
  if (mountState(places) === 'none') return;
  throw new CoracleError('CONFLICT', `start container ${record.name}: it is mounted at ${places.point}`, {
    hint: `unmount it first: coracle umount ${record.name}`,
  });
}

async function normalise(stores: ContainerStores, view: ContainerView): Promise<void> {
  if (view.record.driver !== 'fuse-overlayfs') return;
  const agent = await stores.ownAgent();
  try {
    await openUpper(stores, view, agent);
  } finally {
    await agent.close();
  }
}
