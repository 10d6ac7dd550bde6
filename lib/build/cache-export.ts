/** `--cache-to`: the results of a build's steps as an OCI image that other builds take them from. */
import { createHash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { LayerReader } from '../image/layer-reader.js';
import { compress } from '../layer/compression.js';
import { diffTar } from '../layer/diff.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { type Descriptor, parseDescriptor } from '../oci/descriptor.js';
import { makeDigest } from '../oci/digest.js';
import { serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import type { SnapshotId } from '../snapshot/record.js';
import { missingSnapshot } from '../snapshot/snapshot-store.js';
import { sha256 } from './cache-key.js';
import { type CacheEntry, cacheConfigType, serializeCacheConfig } from './cache-manifest.js';
import type { CacheTarget } from './cache-place.js';
import type { CacheDestination } from './cache-request.js';
import type { BuildPlan, StageBase } from './plan.js';
import type { BuildSession } from './session.js';
import type { ExecutedStep } from './step-executor.js';

const layerTypes = { gzip: ociTypes.layerGzip, zstd: ociTypes.layerZstd, none: ociTypes.layer };
const defaultLevels = { gzip: 6, zstd: 3, none: 0 };

/** The steps whose layers the target has, which is what `mode=min` exports: those of its stage and the stages below. */
export function stepsOfTarget(plan: BuildPlan, executed: readonly ExecutedStep[]): readonly ExecutedStep[] {
  const stages = new Set<number>();
  for (let index: number | undefined = plan.target; index !== undefined; ) {
    stages.add(index);
    const base: StageBase | undefined = plan.stages.get(index)?.base;
    index = base?.kind === 'stage' ? base.index : undefined;
  }
  return executed.filter(({ stage }) => stages.has(stage));
}

/** The inline cache of an image whose uppermost layers are those of `steps`, for its manifest's annotation. */
export async function inlineCache(steps: readonly ExecutedStep[]): Promise<string> {
  const entries: CacheEntry[] = [];
  for (const step of inOrder(steps)) {
    const count = (await step.result.files.top())?.lowers.length ?? 0;
    const layers = Array.from({ length: count }, (_, index) => index).slice(baseCount(step));
    entries.push(entryOf(step, layers));
  }
  return serializeCacheConfig({ diffIds: undefined, entries });
}

/** Writes a cache of `steps`, its manifest last. */
export async function exportCache(
  session: BuildSession,
  steps: readonly ExecutedStep[],
  destination: CacheDestination,
  target: CacheTarget,
): Promise<void> {
  const exporter = new CacheExporter(session, destination, target);
  try {
    const entries: CacheEntry[] = [];
    for (const step of inOrder(steps)) {
      const lowers = (await step.result.files.top())?.lowers ?? [];
      const own = [...lowers].reverse().slice(baseCount(step));
      entries.push(entryOf(step, await exporter.layers(own)));
    }
    await exporter.publish(entries);
  } finally {
    await exporter.close();
  }
}

function baseCount({ result }: ExecutedStep): number {
  return result.files.base?.config.rootfs.diff_ids.length ?? 0;
}

function entryOf({ claims, result }: ExecutedStep, layers: readonly number[]): CacheEntry {
  return { claims, result: result.files.claim, created: result.created, madeLayer: result.madeLayer, layers };
}

/** Steps finish in any order; the cache they make is the same. */
function inOrder(steps: readonly ExecutedStep[]): readonly ExecutedStep[] {
  const name = ({ claims }: ExecutedStep): string => claims.join(' ');
  return [...steps].sort((one, other) => (name(one) < name(other) ? -1 : 1));
}

type ExportedLayer = { readonly diffId: DiffId; readonly descriptor: Descriptor };

class CacheExporter {
  readonly #session: BuildSession;
  readonly #target: CacheTarget;
  readonly #encoding: { readonly kind: CacheDestination['compression']; readonly level: number };
  readonly #reader: LayerReader;
  readonly #places = new Map<SnapshotId, number>();
  readonly #layers: ExportedLayer[] = [];

  constructor(session: BuildSession, { compression: kind, level }: CacheDestination, target: CacheTarget) {
    this.#session = session;
    this.#target = target;
    this.#encoding = { kind, level: level ?? defaultLevels[kind] };
    this.#reader = new LayerReader(session.stores);
  }

  /** The places of snapshots' layers in the manifest, each written once. */
  async layers(ids: readonly SnapshotId[]): Promise<readonly number[]> {
    const places: number[] = [];
    for (const id of ids) {
      this.#session.options.signal?.throwIfAborted();
      const place = this.#places.get(id) ?? this.#layers.push(await this.#export(id)) - 1;
      this.#places.set(id, place);
      places.push(place);
    }
    return places;
  }

  async publish(entries: readonly CacheEntry[]): Promise<void> {
    const diffIds = this.#layers.map(({ diffId }) => diffId);
    const bytes = Buffer.from(serializeCacheConfig({ diffIds, entries }));
    const digest = makeDigest('sha256', sha256(bytes));
    const config: Descriptor = { mediaType: cacheConfigType, digest, size: bytes.length };
    if (!(await this.#target.has(config))) await this.#target.put(config, () => chunk(bytes));
    const layers = this.#layers.map(({ descriptor }) => descriptor);
    const mediaType = ociTypes.manifest;
    const manifest = serializeManifest({
      kind: 'manifest',
      mediaType,
      artifactType: cacheConfigType,
      config,
      layers,
    });
    await this.#target.publish(Buffer.from(manifest), mediaType);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async #export(id: SnapshotId): Promise<ExportedLayer> {
    const known = this.#remembered(id);
    if (known !== undefined && (await this.#target.has(known.descriptor))) return known;
    const path = this.#session.stores.staging.open().file('cache-layer');
    try {
      const layer = await this.#write(id, path);
      if (!(await this.#target.has(layer.descriptor)))
        await this.#target.put(layer.descriptor, () => createReadStream(path));
      this.#remember(id, layer);
      return layer;
    } finally {
      rmSync(path, { force: true });
    }
  }

  /** The layer's compressed tar in a file, and what it is. */
  async #write(id: SnapshotId, path: string): Promise<ExportedLayer> {
    const record = this.#session.stores.snapshots.get(id);
    if (record === undefined) throw missingSnapshot(id);
    const { clampMtime } = record;
    const [plain, packed] = [createHash('sha256'), createHash('sha256')];
    const tar = diffTar(await this.#reader.source(record), clampMtime === undefined ? {} : { clampMtime });
    let size = 0;
    const file = await open(path, 'wx', 0o600);
    try {
      for await (const piece of compress(hashed(tar, plain), this.#encoding)) {
        packed.update(piece);
        size += piece.length;
        await file.appendFile(piece);
      }
    } finally {
      await file.close();
    }
    const diffId = parseDiffId(`sha256:${plain.digest('hex')}`, 'diffID');
    if (record.diffId !== undefined && record.diffId !== diffId)
      throw new CoracleError(
        'INTEGRITY',
        `export layer ${record.diffId}: its files now have diffID ${diffId}`,
      );
    const digest = makeDigest('sha256', packed.digest('hex'));
    return { diffId, descriptor: { mediaType: layerTypes[this.#encoding.kind], digest, size } };
  }

  /** What a layer was when it was exported before: then it need not be read again where it lies already. */
  #remembered(id: SnapshotId): ExportedLayer | undefined {
    const value = readJson(this.#memo(id));
    if (typeof value !== 'object' || value === null || !('diffId' in value) || !('descriptor' in value))
      return undefined;
    const where = this.#memo(id);
    return {
      diffId: parseDiffId(value.diffId, where),
      descriptor: parseDescriptor(value.descriptor, where),
    };
  }

  #remember(id: SnapshotId, layer: ExportedLayer): void {
    ensureDirectory(join(this.#session.stores.paths.build, 'exported'));
    writeFileAtomic(this.#memo(id), JSON.stringify(layer));
  }

  #memo(id: SnapshotId): string {
    const { kind, level } = this.#encoding;
    return join(this.#session.stores.paths.build, 'exported', `${id}-${kind}-${level}.json`);
  }
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer, void> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

async function* chunk(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}
