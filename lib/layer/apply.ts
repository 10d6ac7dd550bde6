/**
 * Applying a changeset: tar bytes in, operations of the file agent out, the diffID from the same pass.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets
 */
import type { IdMap } from '../host/id-map.js';
import { giveBack, isLent } from '../host/lent.js';
import type { Agent } from '../native/agent.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { CanonicalTar, type TarForm } from './canonical-tar.js';
import { EntryFeed } from './entry-feed.js';
import { type LayerBytes, plainBytes } from './layer-bytes.js';
import { LayerExtractor } from './layer-extractor.js';
import { defaultTarLimits, type TarLimits } from './tar-entry.js';

/** Where a layer goes: a handle whose top directory is the new, empty layer and whose rest are the layers below. */
export type ApplyTarget = {
  /** Used by nobody else meanwhile: a failed operation surfaces at whoever waits next. */
  readonly agent: Agent;
  readonly handle: number;
  readonly idMap: IdMap;
};

export type ApplyOptions = {
  readonly limits?: TarLimits;
  /** Called after each chunk with the tar bytes so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Find out whether the files alone give the tar again. */
  readonly compare?: boolean;
  /** With `compare`: told as soon as they are known not to. */
  readonly onForeign?: () => void;
};

export type AppliedLayer = {
  /** Digest of every byte of the stream, those after the end marker included. */
  readonly diffId: DiffId;
  /** Bytes of the stream. */
  readonly size: number;
  readonly entries: number;
  /** What could not be kept, such as device nodes; for the user. */
  readonly warnings: readonly string[];
  /** Whether `diffTar` makes these very bytes of the files; `uncertain` also where that was not asked. */
  readonly form: TarForm;
};

/**
 * Extracts a layer. When it throws, the target holds a part of it and must be discarded. Throws INVALID for
 * hostile or damaged archives, HOST for owners outside the id map, IO and NO_SPACE from the agent.
 */
export function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  return applyBytes(plainBytes(tar), target, options);
}

/** The same for a layer in pieces; of memory shared with the target's agent, or not shared at all. */
export async function applyBytes(
  layer: LayerBytes,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const limits = options.limits ?? defaultTarLimits;
  const extractor = new LayerExtractor(target, limits);
  const canonical = options.compare === true ? new CanonicalTar() : undefined;
  const feed = new EntryFeed(extractor, limits, canonical);
  const returns = new Returns(target.agent);
  let size = 0;
  let isToldForeign = false;
  for await (const bytes of layer.pieces) {
    const pending = feed.push(bytes);
    if (canonical?.isForeign === true && !isToldForeign) {
      isToldForeign = true;
      options.onForeign?.();
    }
    size += bytes.length;
    options.onProgress?.(size);
    if (pending !== undefined) await pending;
    if (!isLent(bytes)) continue;
    extractor.detach();
    canonical?.detach();
    returns.giveBack(bytes);
  }
  feed.finish();
  await extractor.finish();
  returns.check();
  const diffId = parseDiffId(layer.digest(), 'diffID');
  const { entries, warnings } = extractor;
  return { diffId, size, entries, warnings, form: canonical?.finish() ?? 'uncertain' };
}

/** Gives back what the agent reads from: that may change when a request after the last one that speaks of it was answered. */
class Returns {
  readonly #agent: Agent;
  #failure: unknown;

  constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** @throws what the agent told since the last call. */
  giveBack(bytes: Buffer): void {
    this.check();
    this.#agent
      .sync()
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => giveBack(bytes));
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
