/** `--cache-to`: the results of a build's steps as an OCI image that other builds take them from. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { LayerReader } from '../image/layer-reader.js';
import { diffTar } from '../layer/diff.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { type Descriptor, parseDescriptor } from '../oci/descriptor.js';
import type { SnapshotId } from '../snapshot/record.js';
import { missingSnapshot } from '../snapshot/snapshot-store.js';
import { type CacheEntry, cacheConfigType, serializeCacheConfig } from './cache-manifest.js';
import type { CacheTarget } from './cache-place.js';
import type { CacheDestination } from './cache-request.js';
import { type LayerEncoding, LayerFile, levelOf, publishArtifact } from './layer-file.js';
import type { BuildPlan, StageBase } from './plan.js';
import type { BuildSession } from './session.js';
import type { ExecutedStep } from './step-executor.js';

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
  readonly #encoding: LayerEncoding;
  readonly #reader: LayerReader;
  readonly #places = new Map<SnapshotId, number>();
  readonly #layers: ExportedLayer[] = [];

  constructor(session: BuildSession, encoding: LayerEncoding, target: CacheTarget) {
    this.#session = session;
    this.#target = target;
    this.#encoding = encoding;
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
    const layers = this.#layers.map(({ descriptor }) => descriptor);
    const bytes = Buffer.from(serializeCacheConfig({ diffIds, entries }));
    await publishArtifact(this.#target, cacheConfigType, bytes, layers);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }

  async #export(id: SnapshotId): Promise<ExportedLayer> {
    const known = this.#remembered(id);
    if (known !== undefined && (await this.#target.has(known.descriptor))) return known;
    const file = await this.#write(id);
    try {
      const { diffId, descriptor } = file;
      if (!(await this.#target.has(descriptor))) await this.#target.put(descriptor, () => file.read());
      this.#remember(id, { diffId, descriptor });
      return { diffId, descriptor };
    } finally {
      file.remove();
    }
  }

  /** The layer's compressed tar. */
  async #write(id: SnapshotId): Promise<LayerFile> {
    const { stores } = this.#session;
    const record = stores.snapshots.get(id);
    if (record === undefined) throw missingSnapshot(id);
    const { clampMtime, diffId } = record;
    const tar = diffTar(await this.#reader.source(record), clampMtime === undefined ? {} : { clampMtime });
    const file = await LayerFile.write(stores, tar, this.#encoding);
    if (diffId === undefined || diffId === file.diffId) return file;
    file.remove();
    throw new CoracleError('INTEGRITY', `export layer ${diffId}: its files now have diffID ${file.diffId}`);
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
    const { kind, level } = levelOf(this.#encoding);
    return join(this.#session.stores.paths.build, 'exported', `${id}-${kind}-${level}.json`);
  }
}
