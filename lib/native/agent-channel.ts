/**
 * The pipe to a file agent: batches requests, matches replies by tag, keeps the number of unanswered bytes bounded.
 * A request without an answer that fails is remembered and surfaces at the next call that waits.
 */
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { CoracleError } from '../errors.js';
import { descriptorsHint } from '../host/child.js';
import { present } from '../oci/guards.js';
import {
  FrameReader,
  FrameWriter,
  flushBytes,
  type Reply,
  ReplySplitter,
  replyKinds,
} from './agent-frames.js';
import { errnoName, errnoText } from './status.js';

export const requestFlags = { ack: 1, follow: 2, parents: 4 } as const;

type Waiter = { readonly onReply: (reply: Reply) => void; readonly onError: (error: CoracleError) => void };

/** Of this many requests the names are kept for messages: more are hardly on their way. */
const postedLimit = 16384;

export class AgentChannel {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  readonly #writer = new FrameWriter();
  readonly #splitter = new ReplySplitter();
  readonly #waiters = new Map<number, Waiter & { readonly name: string }>();
  /** What the last requests without an answer were, by their tags' low bits. */
  readonly #posted: (string | undefined)[] = [];
  #tag = 0;
  #scheduled = false;
  #drained: Promise<void> | undefined;
  /** Settles when the pipe takes more; undefined while it does. */
  #full: Promise<void> | undefined;
  #failure: CoracleError | undefined;
  #ended: CoracleError | undefined;
  #closing = false;
  #stderr = '';

  constructor(child: ChildProcess, input: Writable, output: Readable) {
    this.#child = child;
    this.#input = input;
    this.#output = output;
    output.on('data', (chunk: Buffer) => this.#receive(chunk));
    // an agent that broke off ends, and its end says why
    input.on('error', () => undefined);
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4096);
    });
    child.once('error', (error) => this.#end(error.message));
    child.once('close', (code, signal) =>
      this.#end(signal === null ? `it exited with ${code}` : `it was killed by ${signal}`, code),
    );
  }

  /** Sends a request whose success is not answered. Resolves at once unless the pipe is full. */
  post(
    operation: readonly [number, string],
    flags: number,
    fill: (writer: FrameWriter) => void,
  ): Promise<void> | undefined {
    const tag = this.nextTag();
    this.#posted[tag % postedLimit] = operation[1];
    return this.write(operation[0], flags, tag, fill);
  }

  /** Sends a request and waits for its one answer. Rejects with an earlier unanswered failure first. */
  request(
    operation: readonly [number, string],
    flags: number,
    fill: (writer: FrameWriter) => void,
  ): Promise<FrameReader> {
    return new Promise((resolve, reject) => {
      const tag = this.nextTag();
      this.expect(tag, operation[1], {
        onReply: (reply) => {
          this.#waiters.delete(tag);
          const failure = this.takeFailure();
          if (failure === undefined) resolve(new FrameReader(reply.payload));
          else reject(failure);
        },
        onError: (error) => {
          this.#waiters.delete(tag);
          reject(this.takeFailure() ?? error);
        },
      });
      void this.write(operation[0], flags | requestFlags.ack, tag, fill);
    });
  }

  nextTag(): number {
    this.#tag = (this.#tag + 1) >>> 0;
    this.#posted[this.#tag % postedLimit] = undefined;
    return this.#tag;
  }

  /** Routes every reply to `tag` to `waiter` until `forget`. */
  expect(tag: number, name: string, waiter: Waiter): void {
    if (this.#ended !== undefined) return waiter.onError(this.#ended);
    this.#waiters.set(tag, { ...waiter, name });
  }

  forget(tag: number): void {
    this.#waiters.delete(tag);
  }

  /** Appends one frame; undefined when the pipe takes more, else resolves when it does. */
  write(
    operation: number,
    flags: number,
    tag: number,
    fill: (writer: FrameWriter) => void,
  ): Promise<void> | undefined {
    if (this.#ended !== undefined) {
      const refusal = Promise.reject(this.#ended);
      refusal.catch(() => undefined); // a request hears of the end through its waiter
      return refusal;
    }
    fill(this.#writer.begin(operation, flags, tag));
    this.#writer.end();
    if (this.#writer.length >= flushBytes) return this.#flush();
    // what is gathered goes out with the next frame once the pipe is free again
    if (this.#full !== undefined) return this.#full.then(() => this.#flush());
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => void this.#flush());
    }
    return undefined;
  }

  pause(): void {
    this.#output.pause();
  }

  resume(): void {
    this.#output.resume();
  }

  /** The first failure among requests without an answer; asking takes it. */
  takeFailure(): CoracleError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) return undefined;
    // Wrapped: the errno is not that of the call it surfaces at, which may take an ENOENT of its own for an answer.
    const hint = failure.hint === undefined ? {} : { hint: failure.hint };
    return new CoracleError(failure.code, failure.message, { cause: failure, ...hint });
  }

  /** Ends the agent after what was sent, and waits for it. */
  async close(): Promise<void> {
    await this.#flush();
    this.#closing = true;
    this.#input.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once('close', resolve));
    }
  }

  /** Lets Node exit although the agent is still there; it ends with its pipe. */
  unref(): void {
    this.#child.unref();
  }

  #flush(): Promise<void> | undefined {
    this.#scheduled = false;
    if (this.#writer.length === 0 || this.#ended !== undefined) return this.#full;
    const bytes = this.#writer.take();
    if (this.#input.write(bytes, () => this.#writer.recycle(bytes))) return undefined;
    this.#drained ??= new Promise((resolve) => {
      const done = (): void => {
        this.#input.off('drain', done);
        this.#input.off('close', done);
        this.#drained = undefined;
        resolve();
      };
      this.#input.once('drain', done);
      this.#input.once('close', done);
    });
    return this.#drained;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const reply of this.#splitter.push(chunk)) this.#dispatch(reply);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  #dispatch(reply: Reply): void {
    const waiter = this.#waiters.get(reply.tag);
    if (reply.kind !== replyKinds.error) return waiter?.onReply(reply);
    const error = this.#errorOf(reply);
    if (waiter === undefined) this.#failure ??= error;
    else waiter.onError(error);
  }

  #errorOf(reply: Reply): CoracleError {
    const reader = new FrameReader(reply.payload);
    const errno = reader.u32();
    const stage = reader.bytes().toString();
    const path = reader.bytes().toString();
    const name = this.#waiters.get(reply.tag)?.name ?? this.#posted[reply.tag % postedLimit] ?? stage;
    const code = errnoName(errno);
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    // The errno stays readable through hasErrno on the cause.
    const cause = Object.assign(new Error(`${stage}: ${code}`), { code, errno, syscall: stage });
    return new CoracleError(
      full ? 'NO_SPACE' : 'IO',
      `${[name, path].filter((word) => word !== '').join(' ')}: ${full ? 'no space left on the device' : errnoText(errno)}`,
      { cause, ...present('hint', hintOf(code)) },
    );
  }

  #endError(reason: string, notRunning: boolean): CoracleError {
    const said = this.#stderr.trim().replace(/^coracle: /, '');
    if (notRunning) return new CoracleError('CONFLICT', said);
    return new CoracleError('HOST', said === '' ? `use file agent: ${reason}` : said, {
      hint: said.endsWith('too many open files')
        ? descriptorsHint
        : 'coracle doctor says what user namespaces need on this host',
    });
  }

  #end(reason: string, code?: number | null): void {
    if (this.#ended !== undefined) return;
    this.#ended = this.#endError(reason, code === containerNotRunning);
    if (this.#closing && this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters.values()]) waiter.onError(this.#ended);
    this.#waiters.clear();
  }
}

/** What an agent exits with when the container that it was to enter does not run. */
const containerNotRunning = 124;

/** What is to be done; images have files of several owners, with attributes, which not every file system keeps. */
function hintOf(code: string): string | undefined {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'free space on the file system of the store';
  if (code === 'EMFILE' || code === 'ENFILE') return descriptorsHint;
  if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP'].includes(code)) return undefined;
  return 'if the file system there keeps no owners and attributes of files, put the store on ext4, xfs, btrfs or a tmpfs with --root; coracle doctor tells';
}
