/** The layout of a layer whose manifest says that it has a table of contents. */
import type { Descriptor } from '../oci/descriptor.js';
import { estargzDigest, readEstargz } from './estargz.js';
import type { ChunkedLayout } from './layout.js';
import { isTocKey, isZstdChunked, type ReadBlob, readZstdChunked } from './zstd-chunked.js';

/** Whether a layer has a table of contents. */
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

/** Reads a layer's table of contents. @throws INVALID, INTEGRITY for one that cannot be */
export function openLayout(layer: Descriptor, read: ReadBlob): Promise<ChunkedLayout> {
  const { annotations = {}, size } = layer;
  const digest = annotations[estargzDigest];
  if (digest !== undefined && !isZstdChunked(annotations)) return readEstargz(digest, size, read);
  return readZstdChunked(annotations, size, read);
}
