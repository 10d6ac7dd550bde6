/**
 * Applying a changeset: tar bytes in, operations of the file agent out, the diffID from the same pass.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#applying-changesets
 */
import { createHash } from 'node:crypto';
import type { IdMap } from '../host/id-map.js';
import type { Agent } from '../native/agent.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { CanonicalTar } from './canonical-tar.js';
import { LayerExtractor } from './layer-extractor.js';
import { defaultTarLimits, type TarLimits } from './tar-entry.js';
import { readTar } from './tar-reader.js';

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
};

export type AppliedLayer = {
  /** Digest of every byte of the stream, those after the end marker included. */
  readonly diffId: DiffId;
  /** Bytes of the stream. */
  readonly size: number;
  readonly entries: number;
  /** What could not be kept, such as device nodes; for the user. */
  readonly warnings: readonly string[];
  /** `diffTar` makes these very bytes of the files; false where that is not certain, or was not asked. */
  readonly canonical: boolean;
};

/**
 * Extracts a layer. When it throws, the target holds a part of it and must be discarded. Throws INVALID for
 * hostile or damaged archives, HOST for owners outside the id map, IO and NO_SPACE from the agent.
 */
export async function applyLayer(
  tar: AsyncIterable<Uint8Array>,
  target: ApplyTarget,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const limits = options.limits ?? defaultTarLimits;
  const hash = createHash('sha256');
  const extractor = new LayerExtractor(target, limits);
  let size = 0;
  async function* hashed(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of tar) {
      hash.update(chunk);
      size += chunk.length;
      options.onProgress?.(size);
      yield chunk;
    }
  }
  const canonical = options.compare === true ? new CanonicalTar() : undefined;
  for await (const entry of readTar(hashed(), limits, canonical)) {
    const pending = extractor.apply(entry);
    if (pending !== undefined) await pending;
  }
  await extractor.finish();
  const diffId = parseDiffId(`sha256:${hash.digest('hex')}`, 'diffID');
  const { entries, warnings } = extractor;
  return { diffId, size, entries, warnings, canonical: canonical?.finish() === true };
}
