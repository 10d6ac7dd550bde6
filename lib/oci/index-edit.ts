/** Changes of an index, one image of it at a time. Pure. */
import { CoracleError } from '../errors.js';
import type { Descriptor } from './descriptor.js';
import type { Digest } from './digest.js';
import type { ImageIndex } from './manifest.js';
import { ociTypes } from './media-types.js';
import type { Platform } from './platform.js';

/** An index without images. */
export const emptyIndex: ImageIndex = { kind: 'index', mediaType: ociTypes.index, manifests: [] };

/** What is said of an entry; the rest stays. */
export type EntryChange = {
  readonly platform?: Partial<Platform> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
};

/** The index with an entry, in place of one of the same digest. */
export function putEntry(index: ImageIndex, entry: Descriptor): ImageIndex {
  const known = index.manifests.findIndex(({ digest }) => digest === entry.digest);
  const manifests = known < 0 ? [...index.manifests, entry] : index.manifests.with(known, entry);
  return { ...index, manifests };
}

/** The index without an entry. @throws NOT_FOUND */
export function dropEntry(index: ImageIndex, digest: Digest): ImageIndex {
  requireEntry(index, digest);
  return { ...index, manifests: index.manifests.filter((entry) => entry.digest !== digest) };
}

/** The index with more said of an entry. @throws NOT_FOUND */
export function changeEntry(index: ImageIndex, digest: Digest, change: EntryChange): ImageIndex {
  requireEntry(index, digest);
  const manifests = index.manifests.map((entry) =>
    entry.digest === digest ? changedEntry(entry, change) : entry,
  );
  return { ...index, manifests };
}

/** A descriptor with more said of it. */
export function changedEntry(
  entry: Descriptor,
  { platform = {}, annotations = {} }: EntryChange,
): Descriptor {
  return {
    ...entry,
    ...(Object.keys(platform).length === 0
      ? {}
      : { platform: { architecture: '', os: '', ...entry.platform, ...platform } }),
    ...(Object.keys(annotations).length === 0
      ? {}
      : { annotations: { ...entry.annotations, ...annotations } }),
  };
}

function requireEntry({ manifests }: ImageIndex, digest: Digest): void {
  if (manifests.some((entry) => entry.digest === digest)) return;
  throw new CoracleError('NOT_FOUND', `open ${digest} of the list: it is not in it`, {
    hint: `in it: ${manifests.map((entry) => entry.digest).join(', ') || 'nothing'}`,
  });
}
