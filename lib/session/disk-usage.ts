/** `system df`: what images, containers, volumes and the build cache take on the disk. */
import { existsSync } from 'node:fs';
import { listCacheUnits } from '../build/cache-units.js';
import { allContainers, filesOf } from '../container/all-containers.js';
import { summarizeContainer } from '../container/listing.js';
import { isActive } from '../container/view.js';
import { type ImageUsage, measureImages } from '../image/image-usage.js';
import { diskBytes } from '../image/tree-bytes.js';
import { VolumeStore } from '../volume/volume-store.js';
import type { Session } from './session.js';

/** One kind of thing. Bytes as du(1) counts them. */
export type UsageTotal = {
  readonly total: number;
  /** How many are in use. */
  readonly active: number;
  readonly bytes: number;
  /** What would be free without those that are not in use. */
  readonly reclaimable: number;
};

export type ContainerDisk = ReturnType<typeof summarizeContainer> & {
  readonly bytes: number;
  readonly volumes: number;
};

export type VolumeDisk = { readonly name: string; readonly containers: number; readonly bytes: number };

export type DiskUsage = {
  readonly images: UsageTotal & { readonly items: readonly ImageUsage[] };
  readonly containers: UsageTotal & { readonly items: readonly ContainerDisk[] };
  readonly volumes: UsageTotal & { readonly items: readonly VolumeDisk[] };
  readonly buildCache: UsageTotal;
  /** Bytes of the store's own: its index, its reserve, work in progress. */
  readonly own: number;
};

/** Measures the store. */
export async function diskUsage(session: Session): Promise<DiskUsage> {
  const stores = await session.stores();
  const images = await measureImages(stores);
  const parts = {
    images: {
      total: images.images.length,
      active: images.images.filter(({ containers }) => containers.length > 0).length,
      bytes: images.bytes,
      reclaimable: images.reclaimable,
      items: images.images,
    },
    containers: await containerUsage(stores),
    volumes: await volumeUsage(stores),
    buildCache: await cacheUsage(stores, images.cachedLayers),
  };
  const whole = (await (await stores.openAgent()).usage(0, '.')).bytes;
  const known = Object.values(parts).reduce((total, { bytes }) => total + bytes, 0);
  return { ...parts, own: Math.max(0, whole - known) };
}

type OpenStores = Awaited<ReturnType<Session['stores']>>;

async function containerUsage(stores: OpenStores): Promise<DiskUsage['containers']> {
  const items: (ContainerDisk & { readonly active: boolean })[] = [];
  for (const view of allContainers(stores.paths)) {
    if (!existsSync(view.directory)) continue;
    const bytes = await diskBytes(stores, filesOf(stores.paths, view));
    const { length: volumes } = view.record.volumes;
    items.push({ ...summarizeContainer(view), bytes, volumes, active: isActive(view) });
  }
  return { ...totals(items), items };
}

async function volumeUsage(stores: OpenStores): Promise<DiskUsage['volumes']> {
  const users = allContainers(stores.paths).flatMap(({ record }) => record.volumes);
  const items: (VolumeDisk & { readonly active: boolean })[] = [];
  for (const { name, directory } of new VolumeStore(stores.paths).list()) {
    const containers = users.filter((use) => use.name === name).length;
    items.push({ name, containers, bytes: await diskBytes(stores, directory), active: containers > 0 });
  }
  return { ...totals(items), items };
}

async function cacheUsage(stores: OpenStores, cachedLayers: number): Promise<UsageTotal> {
  const { length: total } = await listCacheUnits(stores);
  // Empty directories are nothing that a prune takes.
  const own = total === 0 ? 0 : await diskBytes(stores, stores.paths.build);
  return { total, active: 0, bytes: own + cachedLayers, reclaimable: own + cachedLayers };
}

function totals(items: readonly { readonly bytes: number; readonly active: boolean }[]): UsageTotal {
  const sum = (all: typeof items): number => all.reduce((total, { bytes }) => total + bytes, 0);
  const active = items.filter((one) => one.active);
  return {
    total: items.length,
    active: active.length,
    bytes: sum(items),
    reclaimable: sum(items) - sum(active),
  };
}
