/**
 * gzip on all cores: fixed blocks, each a member of its own (RFC 1952 section 2.2 lets members follow one another),
 * so the bytes depend on the content alone, not on chunks, cores or timing.
 */
import { availableParallelism } from 'node:os';
import { giveBack } from '../host/lent.js';
import { gzip } from '../native/gzip.js';
import { archiveBlock } from './block-ring.js';

/** The fastest level whose layers are no larger than those of other tools: they come out as with zlib's 6, within a percent. */
export const defaultGzipLevel = 2;

/** Large enough that the window lost at a block's start costs well under one percent; those of an archive are taken as they come. */
const blockBytes = archiveBlock;

/** The compressed stream; at least one member, also for no input. Lent pieces are given back. */
export async function* gzipBlocks(
  source: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Buffer, void> {
  const compressor = gzip();
  const pending: Promise<Buffer>[] = [];
  const limit = availableParallelism() + 1;
  try {
    for await (const block of blocks(source)) {
      pending.push(compressor.gzip(block, level).finally(() => giveBack(block)));
      if (pending.length < limit) continue;
      const first = await pending[0];
      pending.shift();
      if (first !== undefined) yield first;
    }
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) yield await next;
  } finally {
    // what still runs when the reader leaves must not become an unhandled rejection
    await Promise.allSettled(pending);
  }
}

/** The input in blocks of exactly the block size, the last one shorter; an empty one for no input. */
async function* blocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let block: Buffer | undefined;
  let gathered = 0;
  let given = 0;
  for await (const chunk of source) {
    if (gathered === 0 && chunk.length === blockBytes) {
      yield chunk;
      given++;
      continue;
    }
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + blockBytes - gathered);
      block ??= Buffer.allocUnsafeSlow(blockBytes);
      block.set(part, gathered);
      gathered += part.length;
      at += part.length;
      if (gathered < blockBytes) continue;
      yield block;
      given++;
      block = undefined;
      gathered = 0;
    }
    giveBack(chunk);
  }
  if (gathered > 0 || given === 0) yield (block ?? Buffer.alloc(0)).subarray(0, gathered);
}

/** What its bytes depend on besides the content and the level. */
export function gzipVersion(): string {
  return `libdeflate-${gzip().version}`;
}
