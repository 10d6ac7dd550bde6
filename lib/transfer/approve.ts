/** Asks a source whether its images may be used. */
import { CoracleError } from '../errors.js';
import type { ImageSource, PlacedManifest } from './place.js';

/** Returns for a manifest that may be used; a signature of an index that names it counts too. @throws FORBIDDEN */
export async function approve(source: ImageSource, documents: readonly PlacedManifest[]): Promise<void> {
  const digests = documents.map(({ descriptor }) => descriptor.digest);
  await source.approve?.([...new Set(digests)]);
}

/** Returns for an index that may be used as a whole, by its own signature, else by those of all it names. @throws FORBIDDEN */
export async function approveIndex(
  source: ImageSource,
  document: PlacedManifest,
  depth: number,
): Promise<void> {
  try {
    return await approve(source, [document]);
  } catch (error) {
    const isUnsigned = error instanceof CoracleError && error.code === 'FORBIDDEN';
    if (!isUnsigned || document.manifest.kind === 'manifest' || depth === 0) throw error;
    for (const entry of document.manifest.manifests) {
      await approveIndex(source, await source.child(entry), depth - 1);
    }
  }
}
