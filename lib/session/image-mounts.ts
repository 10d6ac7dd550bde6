/** `image mount` and `unmount`: the files of images for programs of this host, in `coracle unshare`. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import type { ImageRecord } from '../image/image-record.js';
import { type MountPlaces, mountAt, mountState, unmountAt } from '../image/mount-point.js';
import type { Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import { rootLayers } from '../snapshot/init-layer.js';
import { rootPlan } from '../snapshot/root-plan.js';
import { storedImage } from './image-source.js';
import type { MountedContainer } from './mounts.js';
import type { AllStores, Session } from './session.js';

/** Mounts an image, which cannot be changed there; resolves with the mount point. @throws HOST outside of `unshare` */
export async function mountImage(session: Session, name: string): Promise<string> {
  const stores = await session.allStores();
  const image = storedImage(stores, name);
  return mountAt(imageMountPlaces(stores, image.id), async () => {
    const top = await unpackImage(image, stores);
    const driver = readableDriver(stores, name);
    const fuse = driver === 'fuse-overlayfs' ? findProgram('fuse-overlayfs', stores.env) : undefined;
    // Without a writable layer it is read-only.
    return rootPlan(driver, rootLayers(stores, top), fuse === undefined ? {} : { fuseProgram: fuse });
  });
}

function readableDriver(stores: AllStores, name: string): 'overlay' | 'fuse-overlayfs' {
  const driver = stores.driver();
  if (driver !== 'copy') return driver;
  throw new CoracleError('UNSUPPORTED', `mount image ${name}: this host mounts no overlays`, {
    hint: 'coracle doctor says what is missing; copy out of a container instead: coracle create, coracle cp',
  });
}

/** False when it was not mounted. */
export async function unmountImage(session: Session, name: string): Promise<boolean> {
  const stores = await session.stores();
  return unmountAt(imageMountPlaces(stores, storedImage(stores, name).id));
}

/** The images that are mounted here. */
export async function mountedImages(session: Session): Promise<readonly MountedContainer[]> {
  const stores = await session.stores();
  return stores.images.list().flatMap(({ id, names: [name = id.slice(0, 12)] }) => {
    const places = imageMountPlaces(stores, id);
    return mountState(places) === 'here' ? [{ id, name, path: places.point }] : [];
  });
}

/** Where an image is mounted: nothing of it outlives the session. */
export function imageMountPlaces({ runtime }: Pick<Stores, 'runtime'>, id: ImageRecord['id']): MountPlaces {
  const directory = join(runtime, 'images', id);
  return {
    point: join(directory, 'merged'),
    mark: join(directory, 'mount.json'),
    what: `image ${id.slice(0, 12)}`,
  };
}
