/** Answers of many frames: listings, walks and file contents, with the pipe paused while the consumer is behind. */
import type { CoracleError } from '../errors.js';
import type { AgentChannel } from './agent-channel.js';
import { type AgentPath, type Entry, readEntry } from './agent-entry.js';
import { FrameReader, type FrameWriter, type Reply, replyKinds } from './agent-frames.js';

export type WalkOptions = {
  /** The top directory alone, with its whiteouts and opaque marks, instead of the merged view. */
  readonly raw?: boolean;
  /** Send file contents. */
  readonly contents?: boolean;
  /** Levels below the start; 0 is all. */
  readonly depth?: number;
};

/** Where a walk in parts goes on, and how far. */
export type WalkPart = {
  readonly most: number;
  /** The path of the last entry that came; the walk begins without. */
  readonly after?: Uint8Array | undefined;
};

export type WalkEvent =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'data'; readonly bytes: Buffer };

const pauseAt = 256;

/** Sends a request answered by entries and data up to an end, and yields them. */
export async function* walkTree(
  channel: AgentChannel,
  operation: number,
  fill: (writer: FrameWriter) => void,
): AsyncGenerator<WalkEvent> {
  const tag = channel.nextTag();
  const queue = new ReplyQueue(channel);
  channel.expect(tag, operation === 31 ? 'list' : operation === 33 ? 'read' : 'walk', {
    onReply: (reply) => queue.push(reply),
    onError: (error) => queue.fail(error),
  });
  try {
    await channel.write(operation, 0, tag, fill);
    for (let reply = await queue.next(); reply.kind !== replyKinds.end; reply = await queue.next()) {
      if (reply.kind === replyKinds.entry)
        yield { kind: 'entry', entry: readEntry(new FrameReader(reply.payload)) };
      else yield { kind: 'data', bytes: reply.payload };
    }
    const failure = channel.takeFailure();
    if (failure !== undefined) throw failure;
  } finally {
    await queue.drain();
    channel.forget(tag);
  }
}

/** The request of a walk. */
export function walkRequest(
  handle: number,
  path: AgentPath,
  options: WalkOptions & Partial<WalkPart>,
): (frame: FrameWriter) => void {
  const { after, most = 0, depth = 0 } = options;
  return (frame) => {
    frame
      .u32(handle)
      .bytes(path)
      .u8(options.raw ? 1 : 0)
      .u8(options.contents ? 1 : 0);
    frame
      .u32(depth)
      .u32(most)
      .u8(after === undefined ? 0 : 1)
      .bytes(after ?? '');
  };
}

/** Sends a request answered by entries up to an end; all of them, so few that they need not wait for whoever asked. */
export function collectEntries(
  channel: AgentChannel,
  operation: number,
  fill: (writer: FrameWriter) => void,
): Promise<readonly Entry[]> {
  const tag = channel.nextTag();
  const entries: Entry[] = [];
  return new Promise((resolve, reject) => {
    channel.expect(tag, 'walk', {
      onReply: (reply) => {
        if (reply.kind !== replyKinds.end) entries.push(readEntry(new FrameReader(reply.payload)));
        else {
          channel.forget(tag);
          resolve(entries);
        }
      },
      onError: (error) => {
        channel.forget(tag);
        reject(error);
      },
    });
    void channel.write(operation, 0, tag, fill);
  });
}

/** Up to `length` bytes of a file from `offset`. */
export async function readRange(
  channel: AgentChannel,
  handle: number,
  path: AgentPath,
  offset: number,
  length: number,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const events = walkTree(channel, 33, (frame) => frame.u32(handle).bytes(path).u64(offset).u64(length));
  for await (const event of events) if (event.kind === 'data') chunks.push(event.bytes);
  return Buffer.concat(chunks);
}

/** Replies that arrived and were not taken yet. */
class ReplyQueue {
  readonly #channel: AgentChannel;
  #replies: Reply[] = [];
  #head = 0;
  #failure: CoracleError | undefined;
  #wake: (() => void) | undefined;
  #paused = false;
  #isDone = false;

  constructor(channel: AgentChannel) {
    this.#channel = channel;
  }

  push(reply: Reply): void {
    if (reply.kind === replyKinds.end) this.#isDone = true;
    this.#replies.push(reply);
    if (this.#replies.length - this.#head >= pauseAt && !this.#paused) {
      this.#paused = true;
      this.#channel.pause();
    }
    this.#wake?.();
  }

  fail(error: CoracleError): void {
    this.#failure = error;
    this.#isDone = true;
    this.#wake?.();
  }

  async next(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies[this.#head];
      if (reply !== undefined) {
        this.#head++;
        if (this.#head === this.#replies.length) this.#refill();
        return reply;
      }
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /** An abandoned walk is still being answered: take what comes, so that the pipe does not fill up. */
  async drain(): Promise<void> {
    while (!this.#isDone) {
      this.#refill();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#refill();
  }

  #refill(): void {
    this.#replies = [];
    this.#head = 0;
    if (!this.#paused) return;
    this.#paused = false;
    this.#channel.resume();
  }
}
