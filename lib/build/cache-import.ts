/**
 * Results of steps that others exported. A record gives what its key says to builds that named its source, and nothing else:
 * its layers are verified, and what is built on them is known by their content, not by its claim (S33, CVE-2024-24557).
 */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { LayerChain } from '../image/layer-chain.js';
import type { DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import type { ImageManifest } from '../oci/manifest.js';
import { isImageConfig, layerCompression } from '../oci/media-types.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { CacheKey } from './cache-key.js';
import {
  type CacheEntry,
  type CacheManifest,
  cacheConfigLimit,
  cacheConfigType,
  inlineCacheAnnotation,
  parseCacheConfig,
} from './cache-manifest.js';
import { type CacheOrigin, readVerifiedBlob, verified } from './cache-place.js';
import type { BuildSession } from './session.js';
import { layersIdentity, rootKey, type StageFiles } from './stage-files.js';

type Source = { readonly origin: CacheOrigin; readonly cache: CacheManifest };

/** A result found in an imported cache. */
export type ImportedResult = CacheEntry & { readonly source: Source; readonly diffIds: readonly DiffId[] };

export class ImportedCaches {
  readonly #origins: readonly CacheOrigin[];
  readonly #known = new Map<CacheKey, { readonly source: Source; readonly entry: CacheEntry }>();

  private constructor(origins: readonly CacheOrigin[]) {
    this.#origins = origins;
  }

  /** Reads what the origins hold, in order; one that has nothing, or nothing sound, is told of and passed over. */
  static async open(origins: readonly CacheOrigin[], warn: (text: string) => void): Promise<ImportedCaches> {
    const caches = new ImportedCaches(origins);
    for (const origin of origins) {
      try {
        const cache = await readCache(origin);
        if (cache === undefined) warn(`import cache ${origin.name}: there is none`);
        else caches.#add({ origin, cache });
      } catch (error) {
        if (!(error instanceof CoracleError) || error.code === 'ABORTED') throw error;
        warn(`import cache ${origin.name}: ${error.message}`);
      }
    }
    return caches;
  }

  /** The result that any machine knows by `claim`, for a stage on `base`. */
  find(claim: CacheKey, base: ImageRecord | undefined): ImportedResult | undefined {
    const found = this.#known.get(claim);
    if (found === undefined) return undefined;
    const { source, entry } = found;
    const own = entry.layers.map((place) => source.cache.diffIds[place]).filter((id) => id !== undefined);
    return { ...entry, source, diffIds: [...(base?.config.rootfs.diff_ids ?? []), ...own] };
  }

  /** Fetches and unpacks a result's layers above its stage's base. @throws INTEGRITY when they are not what was promised. */
  async unpack(
    session: BuildSession,
    { source, diffIds, layers }: ImportedResult,
    { base }: StageFiles,
    filesTime: number | undefined,
  ): Promise<SnapshotRecord | undefined> {
    const below = base === undefined ? undefined : await session.unpacked(base);
    if (layers.length === 0) return below;
    const own = layers.map((place) => source.cache.layers[place]);
    const chain = await LayerChain.open(session.stores, diffIds, session.options.signal);
    try {
      for (let next = chain.next; next !== undefined; next = chain.next) {
        await apply(chain, source, own[next - (diffIds.length - own.length)]);
      }
      const top = await chain.finish();
      if (top !== undefined) keep(session, top, diffIds, filesTime);
      return top;
    } finally {
      await chain.abandon();
    }
  }

  async close(): Promise<void> {
    for (const origin of this.#origins) await origin.close();
  }

  /** Whoever was named first wins. */
  #add(source: Source): void {
    for (const entry of source.cache.entries)
      for (const claim of entry.claims)
        if (!this.#known.has(claim)) this.#known.set(claim, { source, entry });
  }
}

async function apply(chain: LayerChain, { origin }: Source, layer: Descriptor | undefined): Promise<void> {
  if (layer === undefined)
    throw new CoracleError(
      'INVALID',
      `import from cache ${origin.name}: a layer of the base image is missing`,
    );
  await chain.apply({ bytes: verified(origin, layer), compression: layerCompression(layer.mediaType) });
}

/** A record by content keeps the layers from the next sweep. */
function keep(
  session: BuildSession,
  top: SnapshotRecord,
  diffIds: readonly DiffId[],
  filesTime: number | undefined,
): void {
  const key = rootKey(layersIdentity(diffIds), filesTime);
  session.cache.put({
    version: 1,
    key,
    parent: '',
    result: key,
    instruction: 'imported cache',
    inputs: {},
    created: new Date().toISOString(),
    madeLayer: true,
    snapshot: top.id,
  });
}

/** @throws INVALID, INTEGRITY, and what the origin throws. */
async function readCache(origin: CacheOrigin): Promise<CacheManifest | undefined> {
  const manifest = await origin.manifest();
  if (manifest === undefined) return undefined;
  const where = `cache ${origin.name}`;
  if (manifest.kind === 'index') throw new CoracleError('INVALID', `read ${where}: it is an index of images`);
  const { config, layers } = manifest;
  if (config.mediaType !== cacheConfigType) return readInline(origin, manifest, where);
  const text = (await readVerifiedBlob(origin, config, cacheConfigLimit)).toString();
  const { diffIds = [], entries } = parseCacheConfig(text, where, layers.length);
  if (diffIds.length !== layers.length) throw new CoracleError('INVALID', `read ${where}: it has no diffIds`);
  return { layers, diffIds, entries };
}

async function readInline(
  origin: CacheOrigin,
  { annotations = {}, config, layers }: ImageManifest,
  where: string,
): Promise<CacheManifest | undefined> {
  const text = annotations[inlineCacheAnnotation];
  if (text === undefined || !isImageConfig(config.mediaType)) return undefined;
  const { entries } = parseCacheConfig(text, where, layers.length);
  const { rootfs } = parseImageConfig(await readVerifiedBlob(origin, config, imageConfigLimit), where);
  if (rootfs.diff_ids.length !== layers.length)
    throw new CoracleError('INVALID', `read ${where}: its config and manifest differ in their layers`);
  return { layers, diffIds: rootfs.diff_ids, entries };
}
