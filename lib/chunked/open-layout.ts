/** The layout of a layer that has a table of contents: its manifest says so, or its last bytes do. */
import type { Descriptor } from '../oci/descriptor.js';
import { layerCompression } from '../oci/media-types.js';
import { estargzDigest, readEstargz } from './estargz.js';
import { hasEstargzFooter, mayHaveFooter, zstdFooter } from './footer.js';
import type { ChunkedLayout } from './layout.js';
import { isTocKey, isZstdChunked, type ReadBlob, readZstdChunked } from './zstd-chunked.js';

/** Whether a layer's manifest says that it has a table of contents. */
export function hasToc({ annotations }: Descriptor): boolean {
  return isZstdChunked(annotations) || annotations?.[estargzDigest] !== undefined;
}

/** The descriptor of another form of a layer: what it said of its table of contents is dropped. */
export function withAnnotations(layer: Descriptor, added: Descriptor['annotations']): Descriptor {
  const { annotations = {}, ...bare } = layer;
  const kept = Object.entries(annotations).filter(([key]) => !isTocKey(key) && key !== estargzDigest);
  const all = { ...Object.fromEntries(kept), ...added };
  return Object.keys(all).length === 0 ? bare : { ...bare, annotations: all };
}

/** Whether a layer has a table of contents, or could have one of which its manifest does not speak. */
export function mayHaveToc(layer: Descriptor): boolean {
  return hasToc(layer) || mayHaveFooter(layer);
}

/** Reads a layer's table of contents; undefined for a layer without one. @throws INVALID, INTEGRITY for one that cannot be */
export async function openLayout(layer: Descriptor, read: ReadBlob): Promise<ChunkedLayout | undefined> {
  const { annotations = {}, size, mediaType } = layer;
  if (isZstdChunked(annotations)) return readZstdChunked(annotations, size, read);
  const digest = annotations[estargzDigest];
  if (digest !== undefined) return readEstargz(digest, size, read);
  if (layerCompression(mediaType) === 'zstd') {
    const found = await zstdFooter(size, read);
    return found === undefined ? undefined : readZstdChunked(found, size, read);
  }
  return (await hasEstargzFooter(size, read)) ? readEstargz(undefined, size, read) : undefined;
}
