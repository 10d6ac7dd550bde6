/** `store:`: an image of this store. Layers made here have no blob; they are read from their snapshots on the way. */
import { CoracleError } from '../errors.js';
import { readImage } from '../image/image-record.js';
import type { IndexEntry } from '../image/index-file.js';
import { readLayerTar } from '../image/layer-reader.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { manifestLimit } from '../oci/manifest.js';
import { isForeignLayer, isImageConfig, isLayer, layerCompression } from '../oci/media-types.js';
import { keepSignatures, keptSignatures } from './kept-signatures.js';
import { originOf } from './partial-origin.js';
import { type ImageSource, type ImageTarget, type PlacedManifest, placedManifest } from './place.js';
import { restoreBlob } from './restore-blobs.js';

/** Opens what an entry of the store points at for reading. Hold a lease. */
export function storeSource(stores: Stores, { descriptor, reference }: IndexEntry): ImageSource {
  const { content } = stores;
  const name = reference ?? descriptor.digest;
  const read = async (wanted: Descriptor): Promise<PlacedManifest> => {
    if (!content.has(wanted.digest)) {
      throw new CoracleError('NOT_FOUND', `open manifest ${wanted.digest} of ${name}: not in the store`, {
        hint: 'only some of the index was pulled: copy one image of it, without --all, or copy from the registry',
      });
    }
    const bytes = await content.read(wanted.digest, manifestLimit);
    return placedManifest(bytes, `manifest ${wanted.digest}`, wanted);
  };
  return {
    name,
    root: () => read(descriptor),
    child: read,
    open: (blob, { image, layer }) => {
      if (layer === undefined || content.has(blob.digest)) return content.open(blob.digest);
      if (originOf(stores.paths, blob) !== undefined) return restored(stores, blob);
      return readLayerTar(readImage({ descriptor: image.descriptor }, content), layer, stores);
    },
    signatures: async (digest) => keptSignatures(stores, digest),
    isMade: ({ digest, mediaType }) =>
      isLayer(mediaType) &&
      !isForeignLayer(mediaType) &&
      layerCompression(mediaType) === 'none' &&
      !content.has(digest),
    close: async () => undefined,
  };
}

/**
 * Opens the store for writing. Nothing is unpacked: that is done when the image is first used. Without a name nothing
 * refers to what was written when the lease ends. Hold a lease.
 */
export function storeTarget(stores: Stores, reference: string | undefined): ImageTarget {
  const { content, images } = stores;
  const putManifest = async ({ bytes, descriptor }: PlacedManifest): Promise<void> => {
    await content.ingest(one(bytes), descriptor);
  };
  return {
    name: reference ?? 'the store',
    compresses: false,
    takesIndex: true,
    has: async ({ digest, size }) => content.size(digest) === size,
    put: async ({ digest, size }, open) => {
      await content.ingest(open(), { digest, size });
    },
    make: async (open) => content.ingest(open().chunks),
    putChild: putManifest,
    putRoot: async (document) => {
      await putManifest(document);
      if (reference !== undefined) images.tag(keptDescriptor(document), reference);
    },
    putSignatures: async (digest, signatures) => keepSignatures(stores, digest, signatures),
    close: async () => undefined,
  };
}

/** The descriptor that stays in index.json: an artifact's says of which type it is, and so keeps it out of the list of images. */
export function keptDescriptor({ descriptor, manifest }: PlacedManifest): Descriptor {
  const { artifactType } = manifest;
  if (manifest.kind === 'index') return descriptor;
  if (artifactType === undefined && isImageConfig(manifest.config.mediaType)) return descriptor;
  return { ...descriptor, artifactType: artifactType ?? manifest.config.mediaType };
}

/** A layer that was put together has its blob elsewhere. */
async function* restored(stores: Stores, blob: Descriptor): AsyncGenerator<Buffer, void> {
  await restoreBlob(stores, blob);
  yield* stores.content.open(blob.digest);
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}
