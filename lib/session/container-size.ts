/** What a container's files amount to, as `ps --size` and `inspect --size` count: bytes of the files themselves. */
import { containerPlaces } from '../container/stores.js';
import type { ContainerView } from '../container/view.js';
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { treeBytes } from '../image/tree-bytes.js';
import type { Session } from './session.js';

export type ContainerSize = {
  /** Bytes that it wrote over its image. */
  readonly written: number;
  /** These and the image's. */
  readonly whole: number;
};

/** Measures a container. With the copy driver all its files are its own. */
export async function containerSize(session: Session, view: ContainerView): Promise<ContainerSize> {
  const stores = await session.stores();
  const written = await treeBytes(stores, containerPlaces(stores, view.record.id).fs);
  if (view.record.driver === 'copy') return { written, whole: written };
  return { written, whole: written + imageBytes(stores, view.record.imageId) };
}

/** None of an image that is gone or damaged. */
function imageBytes({ images }: Stores, id: string): number {
  try {
    const image = images.find(id, { nearest: true });
    return image === undefined ? 0 : images.bytesOf(image);
  } catch (error) {
    if (error instanceof CoracleError) return 0;
    throw error;
  }
}
