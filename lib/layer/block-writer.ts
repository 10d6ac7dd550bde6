/**
 * An archive put together in memory shared with the file agent: headers are written here, contents by the agent, which is told
 * of a whole block's files at once.
 */
import { lend } from '../host/lent.js';
import type { Agent, FillPiece, Handle } from '../native/agent.js';
import { archiveBlock, type Block, type BlockRing } from './block-ring.js';
import type { LayerPath } from './layer-path.js';
import { padding } from './tar-entry.js';
import { encodePadding } from './tar-writer.js';

/** Blocks the agent fills while earlier ones are used. */
const ahead = 3;
/** Requests are sent when their paths have come to this many bytes: a frame has a limit. */
const requestBytes = 256 * 1024;
const pieceLimit = 4096;
/** What is smaller is copied: a block kept for it would be missing elsewhere. */
const smallest = archiveBlock / 8;

/** Where the files of an archive are, and the memory it is made in. */
export type BlockSource = { readonly agent: Agent; readonly handle: Handle; readonly ring: BlockRing };

/** What an archive has of an entry: its header, and the content of the file at `path`. */
export type ArchiveItem = { readonly bytes: Buffer; readonly path?: LayerPath; readonly size: number };

/** A block whose contents are on their way. */
type PendingBlock = { readonly block: Block; readonly size: number; readonly filled: Promise<unknown> };

export class BlockWriter {
  readonly #source: BlockSource;
  readonly #lends: boolean;
  readonly #pending: PendingBlock[] = [];
  #block: Block | undefined;
  #used = 0;
  #pieces: FillPiece[] = [];
  #pathBytes = 0;
  #requests: Promise<void>[] = [];

  /** With `lend` whoever takes a block gives it back; else blocks are copied. */
  constructor(source: BlockSource, options: { readonly lend: boolean }) {
    this.#source = source;
    this.#lends = options.lend;
  }

  /** Appends an item; false, and nothing appended, where the block in hand has no room for it. */
  add({ bytes, path, size }: ArchiveItem): boolean {
    const block = this.#block;
    const fill = padding(size);
    if (block === undefined || bytes.length + size + fill > archiveBlock - this.#used) return false;
    block.bytes.set(bytes, this.#used);
    this.#used += bytes.length;
    if (path === undefined || size === 0) return true;
    this.#reserve(block, path, 0, size);
    block.bytes.fill(0, this.#used, this.#used + fill);
    this.#used += fill;
    return true;
  }

  /** Appends an item that goes over several blocks; gives those that are ready. */
  async *span({ bytes, path, size }: ArchiveItem): AsyncGenerator<Buffer, void> {
    yield* this.#bytes(bytes);
    for (let done = 0; path !== undefined && done < size; ) {
      if (this.#room() === 0) yield* this.#turn();
      const part = Math.min(size - done, this.#room());
      if (this.#block !== undefined) this.#reserve(this.#block, path, done, part);
      done += part;
    }
    yield* this.#bytes(encodePadding(size));
  }

  /** The blocks that are left. */
  async *end(): AsyncGenerator<Buffer, void> {
    this.#close();
    while (this.#pending.length > 0) yield* this.#first();
  }

  /** Frees all memory in hand, once the agent writes there no more. */
  async abandon(): Promise<void> {
    this.#close();
    await Promise.allSettled(this.#pending.map(({ filled }) => filled));
    for (const { block } of this.#pending.splice(0)) block.release();
  }

  async *#bytes(bytes: Buffer): AsyncGenerator<Buffer, void> {
    for (let done = 0; done < bytes.length; ) {
      if (this.#room() === 0) yield* this.#turn();
      const part = bytes.subarray(done, done + this.#room());
      this.#block?.bytes.set(part, this.#used);
      this.#used += part.length;
      done += part.length;
    }
  }

  /** Begins the next block; gives those that are ready. */
  async *#turn(): AsyncGenerator<Buffer, void> {
    this.#close();
    const { ring } = this.#source;
    while (this.#pending.length > ahead || (this.#pending.length > 0 && !ring.hasFree)) yield* this.#first();
    this.#block = await ring.take();
  }

  /** A place for a part of a file. */
  #reserve(block: Block, path: LayerPath, offset: number, size: number): void {
    this.#pieces.push({ path, offset, size, at: block.at + this.#used });
    this.#pathBytes += path.length;
    this.#used += size;
    if (this.#pathBytes >= requestBytes || this.#pieces.length >= pieceLimit) this.#send();
  }

  #room(): number {
    return this.#block === undefined ? 0 : archiveBlock - this.#used;
  }

  #send(): void {
    if (this.#pieces.length === 0) return;
    const { agent, handle } = this.#source;
    this.#requests.push(agent.fill(handle, this.#pieces));
    this.#pieces = [];
    this.#pathBytes = 0;
  }

  #close(): void {
    const block = this.#block;
    if (block === undefined) return;
    this.#send();
    const filled = Promise.all(this.#requests);
    // told when the block's turn comes
    filled.catch(() => undefined);
    this.#pending.push({ block, size: this.#used, filled });
    this.#requests = [];
    this.#block = undefined;
    this.#used = 0;
  }

  async *#first(): AsyncGenerator<Buffer, void> {
    const first = this.#pending[0];
    if (first === undefined) return;
    await first.filled;
    this.#pending.shift();
    const { block, size } = first;
    const bytes = block.bytes.subarray(0, size);
    if (this.#lends && size >= smallest) return yield lend(bytes, block.release);
    const copy = Buffer.from(bytes);
    block.release();
    yield copy;
  }
}
