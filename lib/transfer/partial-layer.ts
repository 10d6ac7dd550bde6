/**
 * A layer put together from files the store has and from ranges of its blob. The archive is made once to be compared with the
 * diffID, and once more to be unpacked: what does not come out right never gets near a snapshot.
 */
import { createHash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ChunkedLayout } from '../chunked/layout.js';
import { openLayout } from '../chunked/open-layout.js';
import { type Part, type Plan, planArchive } from '../chunked/plan.js';
import { CoracleError, ioError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { decompress } from '../layer/compression.js';
import { defaultTarLimits } from '../layer/tar-entry.js';
import { asBuffer } from '../layer/tar-reader.js';
import type { DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { readBlobRange } from '../registry/blob-range.js';
import type { BlobOrigin } from './download.js';
import type { KnownFiles } from './known-files.js';
import { runParallel } from './parallel.js';
import { ReadAhead } from './read-ahead.js';

/** A layer whose tar can be read as often as it is wanted. */
export type PartialLayer = {
  readonly tar: () => AsyncIterable<Buffer>;
  readonly layout: ChunkedLayout;
  /** Bytes that came from the registry for it. */
  readonly fetched: number;
  readonly close: () => void;
};

export type PartialOptions = {
  readonly known: KnownFiles;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number, total: number) => void;
};

/** A range is not begun anew for less than this: the files in it are fetched once more. */
const gapBytes = 32 * 1024;
const rangeLimit = 256;
/** Ranges fetched at a time for one layer. */
const requests = 4;

/**
 * The layer, verified. Undefined where fetching it whole is as good.
 * @throws INVALID and INTEGRITY for what does not fit, UNSUPPORTED where the registry knows no ranges.
 */
export async function openPartialLayer(
  stores: Stores,
  origin: BlobOrigin,
  layer: Descriptor,
  diffId: DiffId,
  options: PartialOptions,
): Promise<PartialLayer | undefined> {
  let tocBytes = 0;
  const read = async (start: number, length: number): Promise<Buffer> => {
    tocBytes += length;
    return readRange(origin, layer, start, length);
  };
  const layout = await openLayout(layer, read);
  const isLocal = options.known.has.bind(options.known);
  const plan = planArchive(layout, { isLocal, gap: gapBytes, ranges: rangeLimit });
  const fetched = plan.fetched + tocBytes;
  if (fetched > layer.size * 0.9) return undefined;
  const path = stores.staging.open().file('ranges');
  const close = (): void => rmSync(path, { force: true });
  try {
    await fetchRanges(origin, layer, plan, path, options);
    const tar = (): AsyncIterable<Buffer> => assemble(plan, layout, path, options);
    await verify(tar(), diffId);
    return { tar, layout, fetched, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readRange(
  { client, repository }: BlobOrigin,
  layer: Descriptor,
  start: number,
  length: number,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of readBlobRange(client, repository, layer, { start, end: start + length }))
    parts.push(chunk);
  return Buffer.concat(parts);
}

/** Fetches the ranges to their places in a file that has holes elsewhere. */
async function fetchRanges(
  { client, repository }: BlobOrigin,
  layer: Descriptor,
  plan: Plan,
  path: string,
  { signal, onProgress }: PartialOptions,
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  let current = 0;
  try {
    const ranges = plan.parts.filter((part) => part.kind === 'remote');
    const tasks = ranges.map((range) => async (ended: AbortSignal): Promise<void> => {
      let position = range.start;
      for await (const chunk of readBlobRange(client, repository, layer, range)) {
        if (ended.aborted) throw new CoracleError('ABORTED', `fetch layer ${layer.digest}: aborted`);
        await writeAt(file, chunk, position);
        position += chunk.length;
        current += chunk.length;
        onProgress(current, plan.fetched);
      }
    });
    await runParallel(tasks, { limit: requests, signal });
    if (signal.aborted) throw new CoracleError('ABORTED', `fetch layer ${layer.digest}: aborted`);
  } finally {
    await file.close();
  }
}

async function writeAt(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  try {
    for (let done = 0; done < chunk.length; ) {
      done += (await file.write(chunk, done, chunk.length - done, position + done)).bytesWritten;
    }
  } catch (error) {
    throw ioError('store a part of a layer', error);
  }
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
