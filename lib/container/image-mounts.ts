/** Images that a container mounts: unpacked when it is made, and copied where directories cannot be stacked. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { openInStore } from '../image/stores.js';
import { present } from '../oci/guards.js';
import type { MountRequest } from '../sandbox/mount.js';
import type { ContainerRecord, ImageUse } from './record.js';
import type { ContainerStores } from './stores.js';

/** The images that mounts name, by what they are called there. */
export type MountedImages = ReadonlyMap<string, ImageRecord>;

/** What the record says of them. Unpacks those that are not. */
export async function imageUses(
  stores: ContainerStores,
  requests: readonly MountRequest[],
  images: MountedImages,
): Promise<readonly ImageUse[]> {
  const uses: ImageUse[] = [];
  for (const request of requests) {
    if (request.type !== 'image') continue;
    const image = images.get(request.image);
    if (image === undefined)
      throw new CoracleError('INTERNAL', `mount image ${request.image}: nobody looked for it`);
    const top = stores.snapshots.topOfImage(image.configDigest) ?? (await stores.unpack(image));
    if (top === undefined)
      throw new CoracleError('INVALID', `mount image ${request.image}: it has no layers`);
    uses.push({ destination: request.destination, imageId: image.id, ...present('snapshot', top.id) });
  }
  return uses;
}

/** Where the copy for a destination is. */
export function copiedImage(directory: string, destination: string): string {
  return join(directory, 'mounts', encodeURIComponent(destination), 'copy');
}

/** Copies the images of a container whose driver does not stack directories. */
export async function copyImages(
  stores: ContainerStores,
  { driver, images = [] }: Pick<ContainerRecord, 'driver' | 'images'>,
  directory: string,
): Promise<void> {
  if (driver !== 'copy') return;
  for (const { destination, snapshot } of images) {
    const path = copiedImage(directory, destination);
    makeDirectory(path);
    const top = snapshot === undefined ? undefined : stores.snapshots.get(snapshot);
    const agent = await stores.openAgent();
    const paths = top === undefined ? [] : stores.snapshots.layerPaths(top);
    const layers = await Promise.all(paths.map((layer) => openInStore(agent, stores.paths, layer)));
    const source = await agent.stack(layers);
    const target = await openInStore(agent, stores.paths, path, { writable: true });
    await agent.flatten(source, target);
    await agent.sync();
    for (const handle of [target, source, ...layers]) await agent.release(handle);
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    throw ioError(`create ${path}`, error);
  }
}
