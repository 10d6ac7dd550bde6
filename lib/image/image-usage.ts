/** What images take on the disk: their blobs and unpacked layers, each counted once. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../oci/digest.js';
import type { SnapshotId } from '../snapshot/record.js';
import { containerUses } from './container-use.js';
import type { ImageSummary } from './image-summary.js';
import type { Stores } from './stores.js';
import { countReferences, referencesOf } from './sweep.js';
import { diskBytes } from './tree-bytes.js';

/** An image and what it takes. Bytes on the disk. */
export type ImageUsage = {
  readonly image: ImageSummary;
  /** Ids of the containers made of it. */
  readonly containers: readonly string[];
  /** What other images need as well. */
  readonly shared: number;
  /** What it alone keeps. */
  readonly unique: number;
};

export type ImagesUsage = {
  readonly images: readonly ImageUsage[];
  /** Of all blobs, and of the layers that images and containers need. */
  readonly bytes: number;
  /** What would be free without the images that no container uses. */
  readonly reclaimable: number;
  /** Of layers that only the build cache keeps. */
  readonly cachedLayers: number;
};

type Part = Digest | SnapshotId;

/** Measures all images of a store. */
export async function measureImages(stores: Stores): Promise<ImagesUsage> {
  const sizes = await partSizes(stores);
  const uses = containerUses(stores.paths);
  const images: { image: ImageSummary; containers: string[]; parts: ReadonlySet<Part> }[] = [];
  for (const image of stores.images.list()) {
    const containers = uses.filter(({ imageId }) => imageId === image.id).map(({ container }) => container);
    const entries = stores.images.entries().filter(({ descriptor, config }) => {
      return descriptor.digest === image.digest || config?.endsWith(image.id) === true;
    });
    const { blobs, snapshots } = await referencesOf(stores, entries);
    images.push({ image, containers, parts: new Set([...blobs, ...snapshots]) });
  }
  const sum = (parts: Iterable<Part>): number =>
    [...parts].reduce((total, part) => total + (sizes.get(part) ?? 0), 0);
  const { snapshots: kept } = await countReferences(stores, { buildCache: 'drop' });
  const cached = stores.snapshots.ids().filter((id) => !kept.has(id));
  const bytes = sum(sizes.keys()) - sum(cached);
  const held = new Set<Part>(
    images.filter(({ containers }) => containers.length > 0).flatMap(({ parts }) => [...parts]),
  );
  for (const { snapshot } of uses) {
    const record = snapshot === undefined ? undefined : stores.snapshots.get(snapshot);
    for (const id of record?.lowers ?? []) held.add(id);
  }
  return {
    images: images.map(({ image, containers, parts }) => {
      const others = new Set(images.filter((one) => one.image !== image).flatMap((one) => [...one.parts]));
      const shared = sum([...parts].filter((part) => others.has(part)));
      return { image, containers, shared, unique: sum(parts) - shared };
    }),
    bytes,
    reclaimable: bytes - sum(held),
    cachedLayers: sum(cached),
  };
}

async function partSizes(stores: Stores): Promise<ReadonlyMap<Part, number>> {
  const sizes = new Map<Part, number>();
  for (const digest of stores.content.list()) {
    sizes.set(
      digest,
      (statSync(stores.content.pathOf(digest), { throwIfNoEntry: false })?.blocks ?? 0) * 512,
    );
  }
  for (const id of stores.snapshots.ids()) {
    const path = join(stores.paths.snapshots, id);
    if (existsSync(path)) sizes.set(id, await diskBytes(stores, path));
  }
  return sizes;
}
