/** What is added to a list: images of the store, or of another place, whose blobs are fetched then. */
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import type { EntryChange } from '../oci/index-edit.js';
import { isImageConfig } from '../oci/media-types.js';
import { formatPlatform, hostPlatform, type Platform, selectPlatform } from '../oci/platform.js';
import { copyImage } from '../transfer/copy.js';
import { ignoreEvents } from '../transfer/events.js';
import type { ImageSource, PlacedManifest } from '../transfer/place.js';
import { type PlaceName, parsePlace } from '../transfer/place-name.js';
import { storeTarget } from '../transfer/place-store.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { openSource } from './copy-image.js';
import { namesToFind } from './image-names.js';
import type { Session } from './session.js';

export type EntryRequest = {
  readonly all?: boolean | undefined;
  readonly access?: RegistryAccess | undefined;
  /** Which image of a list is meant without `all`. */
  readonly platform?: Platform | undefined;
};

/** The descriptors of an image, or of all images of a list, with their platforms. Their blobs are in the store then. Hold a lease. */
export async function collectEntries(
  session: Session,
  text: string,
  { all = false, access = {}, platform }: EntryRequest,
): Promise<readonly Descriptor[]> {
  const stores = await session.stores();
  const place = placeOf(stores, text);
  const opened = await openSource(stores, place, access, ignoreEvents);
  try {
    // Asked once: a tag may move meanwhile.
    const root = await opened.root();
    const source: ImageSource = { ...opened, root: async () => root };
    if (place.kind !== 'store') {
      const multiArch = all ? 'all' : 'system';
      await copyImage(source, storeTarget(stores, undefined), { multiArch, platform, onEvent: ignoreEvents });
    }
    return await describe(source, text, { all, platform });
  } finally {
    await opened.close();
  }
}

/** An image of the store where it has one of the name, else of a registry. */
function placeOf(stores: Stores, text: string): PlaceName {
  if (/^(docker:\/\/|oci:|oci-archive:|docker-archive:|dir:|store:|containers-storage:)/.test(text))
    return parsePlace(text);
  const isStored = namesToFind(text).some((name) => stores.images.findEntry(name) !== undefined);
  return isStored ? { kind: 'store', name: text } : parsePlace(`docker://${text}`);
}

async function describe(
  source: ImageSource,
  text: string,
  { all, platform = hostPlatform() }: { readonly all: boolean; readonly platform?: Platform | undefined },
): Promise<readonly Descriptor[]> {
  const root = await source.root();
  const { manifest } = root;
  if (manifest.kind === 'manifest') return [await described(source, root)];
  if (all) {
    const entries: Descriptor[] = [];
    for (const entry of manifest.manifests) {
      entries.push(
        entry.platform === undefined
          ? { ...(await described(source, await source.child(entry))), ...entry }
          : entry,
      );
    }
    return entries;
  }
  const chosen = selectPlatform(manifest.manifests, platform);
  if (chosen !== undefined) return [chosen];
  throw new CoracleError('NOT_FOUND', `add ${text}: it has nothing for ${formatPlatform(platform)}`, {
    hint: '--all adds all its images',
  });
}

async function described(source: ImageSource, image: PlacedManifest): Promise<Descriptor> {
  const { manifest, descriptor } = image;
  const { artifactType } = manifest;
  const typed = artifactType === undefined ? descriptor : { ...descriptor, artifactType };
  if (manifest.kind === 'index' || !isImageConfig(manifest.config.mediaType)) return typed;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of source.open(manifest.config, { image })) {
    size += chunk.length;
    if (size > imageConfigLimit) break;
    parts.push(chunk);
  }
  const config = parseImageConfig(Buffer.concat(parts), `config ${manifest.config.digest}`);
  const { architecture, os, variant } = config;
  const { 'os.version': version, 'os.features': features } = config;
  return {
    ...typed,
    platform: {
      architecture,
      os,
      ...(version === undefined ? {} : { 'os.version': version }),
      ...(features === undefined ? {} : { 'os.features': features }),
      ...(variant === undefined ? {} : { variant }),
    },
  };
}

/** The platform that a change names, where it names enough to choose by. */
export function platformOfChange({ platform = {} }: EntryChange): Platform | undefined {
  const { architecture, os = 'linux', variant } = platform;
  if (architecture === undefined) return undefined;
  return { architecture, os, ...(variant === undefined ? {} : { variant }) };
}
