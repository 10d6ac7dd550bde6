/** Reading docker-archive: `manifest.json` names each image's config, its layers base first, and its tags. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import {
  optional,
  parseJson,
  requireArray,
  requireObject,
  requireString,
  requireStrings,
} from '../oci/guards.js';
import { imageConfigLimit } from '../oci/image-config.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type Archive, readFile } from './archive.js';
import { type LoadedImage, type Loading, storeLoadedImage } from './loaded-image.js';

/** The most bytes of manifest.json and repositories. */
export const archiveIndexLimit = 16 * 1024 * 1024;

/** An image as manifest.json has it. */
export type DockerImage = {
  readonly config: string;
  readonly layers: readonly string[];
  readonly references: readonly string[];
};

/** Loads every image of the archive. Hold a lease. */
export async function loadDockerArchive(
  stores: Stores,
  archive: Archive,
  loading: Loading,
): Promise<readonly ImageRecord[]> {
  const text = (await readFile(archive, 'manifest.json', archiveIndexLimit)).toString('utf8');
  const images = parseDockerManifest(text);
  if (images.length === 0) throw new CoracleError('INVALID', 'load archive: manifest.json names no image');
  const loaded: ImageRecord[] = [];
  for (const { config, layers, references } of images) {
    const configBytes = await readFile(archive, config, imageConfigLimit);
    const openLayer: LoadedImage['openLayer'] = (index, options) =>
      archive.open(layers[index] ?? '', options);
    const image = { configBytes, openLayer, layerCount: layers.length, references };
    loaded.push(await storeLoadedImage(stores, image, loading));
  }
  return loaded;
}

/** Reads manifest.json. Throws INVALID, also for tags that are no references. */
export function parseDockerManifest(text: string): readonly DockerImage[] {
  const where = 'manifest.json';
  return requireArray(parseJson(text, where), where).map((item, index) => {
    const place = `${where}[${index}]`;
    const record = requireObject(item, place);
    const tags = optional(record.RepoTags, `${place}.RepoTags`, requireStrings) ?? [];
    return {
      config: requireString(record.Config, `${place}.Config`),
      layers: optional(record.Layers, `${place}.Layers`, requireStrings) ?? [],
      references: tags.map((tag) => formatReference(parseReference(tag))),
    };
  });
}
