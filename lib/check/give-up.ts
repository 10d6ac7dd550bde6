/** What is removed under `--force`: images and containers that cannot work any more, each by name. */
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { left, listed, type Mended, repaired } from './finding.js';

/** Removes images by name, unless a container uses them: that is for the check of containers. */
export function removeImages(stores: Stores, images: readonly string[], reason: string): Mended {
  const kept: string[] = [];
  for (const image of images) {
    try {
      stores.images.remove(image);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      if (error.code !== 'NOT_FOUND') kept.push(`${image} (${error.message})`);
    }
  }
  return kept.length > 0
    ? left(`${reason}; not removed: ${listed(kept)}`)
    : repaired(`${reason}; removed ${listed(images)}`);
}
