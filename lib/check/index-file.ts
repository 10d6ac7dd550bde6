/** The store's index and marker: readable, or made again of the manifests that are here and the containers' records. */
import { existsSync, renameSync } from 'node:fs';
import { ContainerStore } from '../container/container-store.js';
import { CoracleError, ioError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { layoutMarker } from '../host/store-version.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { type Manifest, manifestLimit, parseManifest } from '../oci/manifest.js';
import { type Detected, left, type Mended, repaired } from './finding.js';

/** Without a readable index nothing else can be said of images. */
export function* checkIndex(stores: Stores): Generator<Detected> {
  const { ociLayout } = stores.paths;
  if (!existsSync(ociLayout)) {
    yield {
      kind: 'layout-missing',
      level: 'error',
      object: 'oci-layout',
      problem: 'it is not there',
      meaning: 'other programs do not take the store for an OCI image layout',
      repair: 'it is written again',
      mend: async () => {
        writeFileAtomic(ociLayout, layoutMarker, { durable: true, mode: 0o644 });
        return repaired('written again');
      },
    };
  }
  const problem = problemOfIndex(stores);
  if (problem === undefined) return;
  yield {
    kind: 'index-damaged',
    level: 'error',
    object: 'index.json',
    problem,
    meaning: 'no image has a name, and nothing that is unreferenced can be freed',
    repair:
      'it is kept as index.json.damaged and made again of the manifests in the store; names come back where containers tell them',
    mend: async () => rebuildIndex(stores),
  };
}

/** What is wrong with index.json; undefined when it can be read. */
export function problemOfIndex(stores: Stores): string | undefined {
  try {
    stores.images.entries();
    return undefined;
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return error.message;
    throw error;
  }
}

function rebuildIndex(stores: Stores): Mended {
  const { index } = stores.paths;
  const found = documents(stores);
  const children = new Set<Digest>(
    found.flatMap(({ manifest }) =>
      (manifest.kind === 'index' ? manifest.manifests : []).map(({ digest }) => digest),
    ),
  );
  const roots = found.filter(({ descriptor }) => !children.has(descriptor.digest));
  try {
    renameSync(index, `${index}.damaged`);
  } catch (error) {
    throw ioError(`move ${index}`, error);
  }
  for (const { descriptor } of roots) stores.images.add(descriptor);
  const named = giveNames(stores);
  if (roots.length === 0) return left('no manifest is left in the store; pull or load the images again');
  return repaired(`made again with ${roots.length} images, ${named} of them by name`);
}

type Document = { readonly descriptor: Descriptor; readonly manifest: Manifest };

/** Every blob that is a manifest or an index. */
function documents({ content }: Stores): readonly Document[] {
  return content.list().flatMap((digest) => {
    const size = content.size(digest) ?? 0;
    if (size === 0 || size > manifestLimit) return [];
    const bytes = content.readTrusted(digest, manifestLimit);
    // A layer's first byte is hardly ever a brace, and to parse one is cheap enough.
    if (bytes[0] !== openingBrace || !bytes.includes('"schemaVersion"')) return [];
    try {
      const manifest = parseManifest(bytes, `manifest ${digest}`);
      return [{ descriptor: { mediaType: manifest.mediaType, digest, size }, manifest }];
    } catch (error) {
      if (error instanceof CoracleError) return [];
      throw error;
    }
  });
}

const openingBrace = 0x7b;

/** Containers know the name of the image they were made of. */
function giveNames({ images, paths }: Stores): number {
  let named = 0;
  for (const { record } of new ContainerStore(paths).list()) {
    const image = images.find(record.imageId, { nearest: true });
    const name = record.imageReference;
    if (image === undefined || name === undefined || images.find(name) !== undefined) continue;
    try {
      images.tag(image, name);
      named++;
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
    }
  }
  return named;
}
