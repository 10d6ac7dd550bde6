/** The OCI image layout on disk. https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
import { invalid, parseJson, requireObject } from './guards.js';
import { type ImageIndex, parseManifest, serializeManifest } from './manifest.js';
import { ociTypes } from './media-types.js';

/** Names of files and directories in a layout. */
export const layoutNames = { marker: 'oci-layout', index: 'index.json', blobs: 'blobs' } as const;

/** The content of `oci-layout`. */
export const layoutMarker = '{"imageLayoutVersion":"1.0.0"}';

/** Annotation keys of the specification and of containerd. https://github.com/opencontainers/image-spec/blob/main/annotations.md */
export const annotationNames = {
  /** In index.json: the tag, or as this store writes it, the whole reference. */
  refName: 'org.opencontainers.image.ref.name',
  /** In archives and index.json: the whole reference. */
  containerdImageName: 'io.containerd.image.name',
  created: 'org.opencontainers.image.created',
  authors: 'org.opencontainers.image.authors',
  title: 'org.opencontainers.image.title',
  source: 'org.opencontainers.image.source',
  revision: 'org.opencontainers.image.revision',
  version: 'org.opencontainers.image.version',
  baseDigest: 'org.opencontainers.image.base.digest',
  baseName: 'org.opencontainers.image.base.name',
} as const;

/** Checks the text of an `oci-layout` file: version 1.x. */
export function parseLayoutMarker(text: string, where: string): void {
  const { imageLayoutVersion } = requireObject(parseJson(text, where), where);
  if (typeof imageLayoutVersion === 'string' && /^1\.\d+\.\d+$/.test(imageLayoutVersion)) return;
  throw invalid(where, `imageLayoutVersion ${JSON.stringify(imageLayoutVersion)}, expected 1.x`);
}

/** Reads index.json. */
export function parseLayoutIndex(text: string, where: string): ImageIndex {
  const index = parseManifest(text, where);
  if (index.kind === 'index') return index;
  throw invalid(where, 'a manifest where an index belongs');
}

/** The text of index.json. */
export function serializeLayoutIndex(manifests: ImageIndex['manifests']): string {
  return serializeManifest({ kind: 'index', mediaType: ociTypes.index, manifests });
}
