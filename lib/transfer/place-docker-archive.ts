/** `docker-archive:`: an image of a tar as `docker save` writes it. Its layers are plain tars known by their diffIDs. */
import { existsSync, rmSync, statSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import type { Stores } from '../image/stores.js';
import { decompress, detectCompression } from '../layer/compression.js';
import { writeTar } from '../layer/tar-writer.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { isImageConfig, isLayer, layerCompression, ociTypes } from '../oci/media-types.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type Archive, readFile } from './archive.js';
import { type ArchiveEntry, fileEntry, readWhole, textEntry } from './archive-entries.js';
import { openArchive } from './archive-source.js';
import { BlobFiles } from './blob-files.js';
import { archiveIndexLimit, type DockerImage, parseDockerManifest } from './docker-archive.js';
import { archiveIndex, layerName } from './docker-save.js';
import {
  type ImageSource,
  type ImageTarget,
  imageManifest,
  measured,
  type PlacedManifest,
  placedManifest,
} from './place.js';
import type { Selection } from './place-name.js';
import { documentOf } from './push.js';

/** Opens an image of an archive for reading. @throws NOT_FOUND, INVALID */
export async function dockerArchiveSource(
  stores: Pick<Stores, 'staging'>,
  path: string,
  select: Selection,
): Promise<ImageSource> {
  const { archive, close } = await openArchive(stores, path);
  let found: { readonly image: DockerImage; readonly config: Buffer } | undefined;
  const open = async (): Promise<NonNullable<typeof found>> => {
    if (found !== undefined) return found;
    const image = await selectImage(archive, path, select);
    found = { image, config: await readFile(archive, image.config, imageConfigLimit) };
    return found;
  };
  return {
    name: path,
    root: async () => {
      const { image, config } = await open();
      return describe(archive, image, config, path);
    },
    child: ({ digest }) => {
      throw new CoracleError('NOT_FOUND', `open manifest ${digest} in ${path}: archives hold no index`);
    },
    open: async function* (_blob, { layer }) {
      const { image, config } = await open();
      if (layer === undefined) yield config;
      else yield* decompress(archive.open(image.layers[layer] ?? ''), 'auto');
    },
    isMade: () => true,
    close: async () => close(),
  };
}

async function selectImage(archive: Archive, path: string, select: Selection): Promise<DockerImage> {
  if (archive.size('manifest.json') === undefined) {
    throw new CoracleError('INVALID', `open docker-archive:${path}: it has no manifest.json`);
  }
  const text = (await readFile(archive, 'manifest.json', archiveIndexLimit)).toString('utf8');
  const images = parseDockerManifest(text);
  const { name, index } = select;
  const wanted = name === undefined ? undefined : formatReference(parseReference(name));
  const found = images.filter(
    ({ references }, at) =>
      (wanted === undefined || references.includes(wanted)) && (index === undefined || index === at),
  );
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  const reason =
    first === undefined ? `it has no image ${name ?? index ?? ''}`.trimEnd() : 'it has several images';
  throw new CoracleError('NOT_FOUND', `open docker-archive:${path}: ${reason}`, {
    hint: `names there: ${images.flatMap(({ references }) => references).join(', ') || 'none'}; :@N means the one at place N`,
  });
}

/** The manifest that the archive does not have: as `load` writes it. */
async function describe(
  archive: Archive,
  image: DockerImage,
  config: Buffer,
  path: string,
): Promise<PlacedManifest> {
  const { rootfs } = parseImageConfig(config, `${path}: ${image.config}`);
  if (rootfs.diff_ids.length !== image.layers.length) {
    const counts = `${image.layers.length} layers, but its config has ${rootfs.diff_ids.length} diff_ids`;
    throw new CoracleError('INVALID', `open docker-archive:${path}: ${counts}`);
  }
  const layers: Descriptor[] = [];
  for (const [index, digest] of rootfs.diff_ids.entries()) {
    const size = await tarSize(archive, image.layers[index] ?? '');
    layers.push({ mediaType: ociTypes.layer, digest, size });
  }
  const manifest: ImageManifest = {
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config: documentOf(config, ociTypes.config).descriptor,
    layers,
  };
  return placedManifest(Buffer.from(serializeManifest(manifest)), path);
}

async function tarSize(archive: Archive, name: string): Promise<number> {
  const size = archive.size(name);
  for await (const start of archive.open(name)) {
    if (size !== undefined && detectCompression(start) === 'none') return size;
    break;
  }
  let length = 0;
  for await (const chunk of decompress(archive.open(name), 'auto')) length += chunk.length;
  return length;
}

/** Opens an archive for writing; it appears when it is complete. @throws USAGE when it is there */
export function dockerArchiveTarget(
  stores: Pick<Stores, 'staging'>,
  path: string,
  references: readonly string[],
): ImageTarget {
  if (path !== '-' && existsSync(path) && statSync(path).isFile() && statSync(path).size > 0) {
    throw new CoracleError('USAGE', `write docker-archive:${path}: the file exists`, {
      hint: 'archives are not changed: remove it, or name another one',
    });
  }
  const names = references.map((text) => formatReference(parseReference(text)));
  const files = new BlobFiles(stores.staging.open().directory('copy'), digestHex);
  /** What each blob of the source is here. */
  const stored = new Map<Digest, { readonly digest: Digest; readonly size: number }>();
  const refuse = (): never => {
    throw new CoracleError('UNSUPPORTED', `write docker-archive:${path}: an archive holds no index`);
  };
  return {
    name: path,
    compresses: false,
    takesIndex: false,
    has: async (blob) => stored.has(blob.digest),
    put: async (blob, open) => {
      const isConfig = isImageConfig(blob.mediaType);
      if (!isConfig && !isLayer(blob.mediaType)) throw noArtifact(path);
      const kind = isConfig ? 'none' : layerCompression(blob.mediaType);
      stored.set(blob.digest, await files.make(() => measured(decompress(open(), kind))));
    },
    make: refuse,
    putChild: refuse,
    putRoot: async (document) => {
      await writeOutput(path, writeTar(archiveEntries(files, stored, document, names)));
    },
    close: async () => rmSync(files.directory, { recursive: true, force: true }),
  };
}

function noArtifact(path: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `write docker-archive:${path}: it holds no artifact`, {
    hint: 'write an oci-archive:, oci: or dir:',
  });
}

async function* archiveEntries(
  files: BlobFiles,
  stored: ReadonlyMap<Digest, { readonly digest: Digest; readonly size: number }>,
  document: PlacedManifest,
  references: readonly string[],
): AsyncGenerator<ArchiveEntry, void> {
  const manifest = imageManifest(document);
  const bytes: Buffer[] = [];
  for await (const chunk of readWhole(files.pathOf(manifest.config.digest))) bytes.push(chunk);
  const config = Buffer.concat(bytes);
  const { rootfs } = parseImageConfig(config, 'image config');
  const written = new Set<Digest>();
  for (const [index, diffId] of rootfs.diff_ids.entries()) {
    const layer = manifest.layers[index];
    const tar = layer === undefined ? undefined : stored.get(layer.digest);
    if (tar === undefined || tar.digest !== diffId) {
      throw new CoracleError(
        'INTEGRITY',
        `write layer ${diffId}: the manifest's layer is ${tar?.digest ?? 'missing'}`,
      );
    }
    if (written.has(diffId)) continue;
    written.add(diffId);
    yield fileEntry(layerName(diffId), tar.size, () => readWhole(files.pathOf(diffId)));
  }
  const id = digestHex(manifest.config.digest);
  yield textEntry(`${id}.json`, config);
  yield* archiveIndex([{ id, diffIds: rootfs.diff_ids, references }]);
}
