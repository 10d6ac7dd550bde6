/** The platforms an image is there for: what the index of its name says, in the store or at its registry. */
import type { Stores } from '../image/stores.js';
import { isIndex } from '../oci/media-types.js';
import { formatPlatform, type Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { ImageSource } from '../transfer/place.js';
import { registrySource } from '../transfer/place-registry.js';
import { storeSource } from '../transfer/place-store.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { isPullable, namesToFind } from './image-names.js';
import { storedImage } from './image-source.js';

/** @throws NOT_FOUND, and as a pull does */
export async function imagePlatforms(
  stores: Stores,
  text: string,
  access: RegistryAccess,
): Promise<readonly Platform[]> {
  const entry = namesToFind(text)
    .map((name) => stores.images.entries().find(({ reference }) => reference === canonical(name)))
    .find((found) => found !== undefined);
  const source =
    entry !== undefined && (isIndex(entry.descriptor.mediaType) || !isPullable(entry.reference ?? ''))
      ? storeSource(stores, entry)
      : isPullable(text)
        ? registrySource(parseReference(text), access, () => undefined)
        : undefined;
  const listed = source === undefined ? [] : await platformsIn(source);
  if (listed.length > 0) return listed;
  const { os, architecture, variant } = storedImage(stores, text).config;
  return [{ os, architecture, ...(variant === undefined ? {} : { variant }) }];
}

/** Empty for what is no index. Attestations are for no platform. */
async function platformsIn(source: ImageSource): Promise<readonly Platform[]> {
  try {
    const { manifest } = await source.root();
    if (manifest.kind !== 'index') return [];
    const found = manifest.manifests.flatMap(({ platform }) =>
      platform === undefined || platform.os === 'unknown' ? [] : [platform],
    );
    return [...new Map(found.map((platform) => [formatPlatform(platform), platform])).values()];
  } finally {
    await source.close();
  }
}

function canonical(name: string): string {
  return formatReference(parseReference(name));
}
