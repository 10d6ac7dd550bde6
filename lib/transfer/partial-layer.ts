/**
 * A layer put together from files the store has and from ranges of its blob. The archive is made once to be compared with the
 * diffID, and once more to be unpacked: what does not come out right never gets near a snapshot.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { ChunkedLayout } from '../chunked/layout.js';
import { openLayout } from '../chunked/open-layout.js';
import { type Part, type Plan, planArchive } from '../chunked/plan.js';
import type { Extent, PartialRanges } from '../content/partial-ranges.js';
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { decompress } from '../layer/compression.js';
import { defaultTarLimits } from '../layer/tar-entry.js';
import { asBuffer } from '../layer/tar-reader.js';
import type { DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { readBlobRanges } from '../registry/blob-range.js';
import type { BlobOrigin } from './download.js';
import type { KnownFiles } from './known-files.js';
import { runParallel } from './parallel.js';
import { ReadAhead } from './read-ahead.js';

/** A layer whose tar can be read as often as it is wanted. Ends with exactly one of `discard` and `suspend`. */
export type PartialLayer = {
  readonly tar: () => AsyncIterable<Buffer>;
  readonly layout: ChunkedLayout;
  /** Bytes that came from the registry for it. */
  readonly fetched: number;
  /** What was fetched is needed no more. */
  readonly discard: () => Promise<void>;
  /** What was fetched stays for a later attempt. */
  readonly suspend: () => Promise<void>;
};

export type PartialOptions = {
  readonly known: KnownFiles;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, total: number) => void;
};

/** A range is not begun anew for less than this: the files in it are fetched once more. */
const gapBytes = 32 * 1024;
const rangeLimit = 256;
/** Requests at a time for one layer, and the bytes and ranges of one. */
const requests = 4;
const requestLimits = { bytes: 8 * 1024 * 1024, ranges: 64 };

/**
 * The layer, verified. Undefined where fetching it whole is as good. What an earlier attempt has fetched is not fetched again.
 * @throws INVALID and INTEGRITY for what does not fit, UNSUPPORTED where the registry knows no ranges. What was fetched
 * when it ends for another reason stays for a later attempt.
 */
export async function openPartialLayer(
  stores: Stores,
  origin: BlobOrigin,
  layer: Descriptor,
  diffId: DiffId,
  options: PartialOptions,
): Promise<PartialLayer | undefined> {
  const staged = await stores.content.ranges(layer);
  try {
    const opened = await openStaged({ origin, layer, staged }, diffId, options);
    if (opened === undefined) await staged.discard();
    return opened;
  } catch (error) {
    if (!isDamage(error)) {
      await staged.suspend();
      throw error;
    }
    await staged.discard();
    // it may be what was kept that is bad, after a crash of the machine
    if (staged.resumed) return openPartialLayer(stores, origin, layer, diffId, options);
    throw error;
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof CoracleError && ['INTEGRITY', 'INVALID'].includes(error.code);
}

type StagedLayer = {
  readonly origin: BlobOrigin;
  readonly layer: Descriptor;
  readonly staged: PartialRanges;
};

async function openStaged(
  source: StagedLayer,
  diffId: DiffId,
  options: PartialOptions,
): Promise<PartialLayer | undefined> {
  const { layer, staged } = source;
  let fetched = 0;
  const onBytes = (bytes: number): void => {
    fetched += bytes;
  };
  let tocBytes = 0;
  const layout = await openLayout(layer, async (start, length) => {
    tocBytes += length;
    const range = { start, end: start + length };
    await fetchRanges(source, [range], { signal: options.signal, onBytes });
    return staged.read(range);
  });
  if (layout === undefined) return undefined;
  const isLocal = options.known.has.bind(options.known);
  const plan = planArchive(layout, { isLocal, gap: gapBytes, ranges: rangeLimit });
  if (plan.fetched + tocBytes > layer.size * 0.9) return undefined;
  const ranges = plan.parts.filter((part) => part.kind === 'remote');
  let current = plan.fetched - bytesOf(ranges.flatMap((range) => staged.missing(range)));
  await fetchRanges(source, ranges, {
    signal: options.signal,
    onBytes: (bytes) => {
      onBytes(bytes);
      current += bytes;
      options.onProgress(current, plan.fetched);
    },
  });
  const tar = (): AsyncIterable<Buffer> => assemble(plan, layout, staged.path, options);
  await verify(tar(), diffId);
  const [discard, suspend] = [() => staged.discard(), () => staged.suspend()];
  return { tar, layout, fetched, discard, suspend };
}

type FetchOptions = { readonly signal: AbortSignal; readonly onBytes: (bytes: number) => void };

/** Fetches what is not there of ranges to their places. */
async function fetchRanges(
  { origin: { client, repository }, layer, staged }: StagedLayer,
  ranges: readonly Extent[],
  { signal, onBytes }: FetchOptions,
): Promise<void> {
  const groups = requestGroups(ranges.flatMap((range) => staged.missing(range)));
  const tasks = groups.map((group) => async (ended: AbortSignal): Promise<void> => {
    const writer = staged.writer();
    try {
      for await (const { position, bytes } of readBlobRanges(client, repository, layer, group)) {
        if (ended.aborted) throw new CoracleError('ABORTED', `fetch layer ${layer.digest}: aborted`);
        await writer.write(position, bytes);
        onBytes(bytes.length);
      }
    } finally {
      await writer.end();
    }
  });
  await runParallel(tasks, { limit: requests, signal });
  if (signal.aborted) throw new CoracleError('ABORTED', `fetch layer ${layer.digest}: aborted`);
}

/** Ranges as they are asked for together: few to a request while there are requests to spare. */
export function requestGroups(ranges: readonly Extent[]): readonly (readonly Extent[])[] {
  const most = Math.min(requestLimits.ranges, Math.ceil(ranges.length / requests));
  const groups: Extent[][] = [];
  for (const range of ranges) {
    const group = groups.at(-1);
    const fits = group !== undefined && group.length < most;
    if (fits && bytesOf(group) + bytesOf([range]) <= requestLimits.bytes) group.push(range);
    else groups.push([range]);
  }
  return groups;
}

function bytesOf(ranges: readonly Extent[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** The archive's bytes. */
async function* assemble(
  { parts }: Plan,
  { compression }: ChunkedLayout,
  path: string,
  { known, signal }: PartialOptions,
): AsyncGenerator<Buffer, void> {
  const local = new ReadAhead(parts, known);
  for (const part of parts) {
    if (signal.aborted) throw new CoracleError('ABORTED', 'put layer together: aborted');
    if (part.kind === 'literal') yield part.bytes;
    else if (part.kind === 'local') yield* local.read(part.file);
    else yield* decompress(fileRange(path, part), compression);
  }
}

async function* fileRange(
  path: string,
  { start, end }: Extract<Part, { kind: 'remote' }>,
): AsyncGenerator<Buffer, void> {
  const stream = createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 });
  for await (const chunk of stream) yield asBuffer(chunk);
}

async function verify(tar: AsyncIterable<Buffer>, diffId: DiffId): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of tar) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes > defaultTarLimits.bytes)
      throw new CoracleError('INVALID', 'put layer together: it is too large');
  }
  if (`sha256:${hash.digest('hex')}` === diffId) return;
  throw new CoracleError('INTEGRITY', 'put layer together: its table of contents does not describe it');
}
