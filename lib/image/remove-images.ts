/** `rmi`: names away, then what they alone kept. */
import { CoracleError } from '../errors.js';
import type { RemovedImage } from './remove-entries.js';
import type { Stores } from './stores.js';
import { sweep } from './sweep.js';

export type RemoveImagesResult = RemovedImage & {
  /** Names that could not be removed, each with its reason; the others were. */
  readonly failures: readonly { readonly name: string; readonly error: CoracleError }[];
  /** Bytes of blobs freed; 0 while work in progress keeps the sweep away. */
  readonly freed: number;
  /** Damaged records that keep unreferenced files from being freed. */
  readonly problems: readonly string[];
};

/**
 * Removes images by name or id. Snapshots the build cache would reuse stay until it is pruned, so that a
 * rebuild after `rmi` is fast; the rest is freed at once.
 */
export async function removeImages(
  stores: Stores,
  names: readonly string[],
  options: { readonly force?: boolean } = {},
): Promise<RemoveImagesResult> {
  const untagged: string[] = [];
  const deleted: string[] = [];
  const failures: { name: string; error: CoracleError }[] = [];
  for (const name of names) {
    try {
      const removed = stores.images.remove(name, options);
      untagged.push(...removed.untagged);
      deleted.push(...removed.deleted);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      failures.push({ name, error });
    }
  }
  const swept = deleted.length === 0 ? undefined : await sweep(stores, { buildCache: 'keep' });
  return { untagged, deleted, failures, freed: swept?.bytes ?? 0, problems: swept?.problems ?? [] };
}
