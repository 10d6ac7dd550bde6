/** A control connection to a container's supervisor: native/PROTOCOL.md section 3. */
import type { Socket } from 'node:net';
import { CoracleError, hasErrno, ioError } from '../errors.js';

/** Frame types used here. */
const frames = {
  signal: 6,
  hello: 16,
  stop: 18,
  wait: 19,
  pause: 23,
  processes: 25,
  health: 26,
  update: 27,
  networks: 28,
  exit: 33,
  error: 34,
  done: 35,
} as const;
const controlOnly = 4;
const headerLength = 8;
const largestPayload = 64 * 1024;

type Frame = { readonly type: number; readonly payload: Buffer };

/** One connection. Requests are answered in order; `exit` may come at any time. */
export class SupervisorLink {
  readonly #socket: Socket;
  readonly #name: string;
  #received: Buffer = Buffer.alloc(0);
  #answers: { readonly verb: string; resolve(payload: string): void; reject(error: Error): void }[] = [];
  #exit: string | undefined;
  #ended: (() => void) | undefined;
  #over = false;

  private constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.#name = name;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => this.#close());
    socket.on('close', () => this.#close());
  }

  /** Connects; undefined when nobody listens. */
  static async open(path: string, name: string): Promise<SupervisorLink | undefined> {
    // Loaded here: most commands import this and connect to nobody.
    const { createConnection } = await import('node:net');
    const socket = createConnection({ path });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
      });
    } catch (error) {
      socket.destroy();
      if (hasErrno(error, 'ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'ENOTDIR')) return undefined;
      throw ioError(`connect to the supervisor of ${name}`, error);
    }
    const link = new SupervisorLink(socket, name);
    link.#send(frames.hello, Uint8Array.of(controlOnly));
    link.#send(frames.wait, Uint8Array.of());
    return link;
  }

  /** Sends a signal to the first process. @throws CONFLICT when it does not run. */
  async signal(number: number): Promise<void> {
    await this.#request('kill', frames.signal, words(number));
  }

  /** Begins a stop: the signal, and SIGKILL after the time. Resolves at once. */
  async stop(signal: number | undefined, timeoutMs: number | undefined): Promise<void> {
    await this.#request('stop', frames.stop, words(signal ?? 0xffffffff, timeoutMs ?? 0xffffffff));
  }

  /** Stops all processes, or lets them go on; resolves when they do. @throws CONFLICT when there is nothing to do. */
  async pause(pause: boolean): Promise<void> {
    await this.#request(pause ? 'pause' : 'unpause', frames.pause, Uint8Array.of(pause ? 1 : 0));
  }

  /** Changes what it was started with, by a plan of kind update. @throws CONFLICT */
  async update(plan: Uint8Array): Promise<void> {
    await this.#request('update', frames.update, plan);
  }

  /**
   * Has its networks made what its plan of them says now; `hold` is that record of a plan, for a container started without.
   * @throws CONFLICT
   */
  async networks(hold: readonly string[]): Promise<void> {
    const text = hold.map((path) => `${path}\0`).join('');
    await this.#request('change networks of', frames.networks, Buffer.from(text));
  }

  /** Checks its health now; the check's exit code. @throws CONFLICT when it does not run or has no check. */
  async checkHealth(): Promise<number> {
    return Number.parseInt(await this.#request('check health of', frames.health, Uint8Array.of()), 10);
  }

  /** The pids, as this host sees them, of all processes. @throws CONFLICT when it does not run. */
  async processes(): Promise<readonly number[]> {
    const text = await this.#request('list processes of', frames.processes, Uint8Array.of());
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  }

  /** The exit record's text when the container ends; undefined when the supervisor vanished without one. */
  async ended(): Promise<string | undefined> {
    if (!this.#over) {
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
    }
    return this.#exit;
  }

  close(): void {
    this.#socket.destroy();
  }

  #request(verb: string, type: number, payload: Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#over) reject(this.#refusal(verb, 'it has ended'));
      this.#answers.push({ verb, resolve, reject });
      this.#send(type, payload);
    });
  }

  #send(type: number, payload: Uint8Array): void {
    const header = Buffer.alloc(headerLength);
    header.writeUInt8(type, 0);
    header.writeUInt32BE(payload.length, 4);
    this.#socket.write(Buffer.concat([header, payload]));
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) this.#handle(frame);
  }

  #take(): Frame | undefined {
    const bytes = this.#received;
    if (bytes.length < headerLength) return undefined;
    const length = bytes.readUInt32BE(4);
    if (length > largestPayload) {
      this.close();
      return undefined;
    }
    if (bytes.length < headerLength + length) return undefined;
    this.#received = bytes.subarray(headerLength + length);
    return { type: bytes.readUInt8(0), payload: bytes.subarray(headerLength, headerLength + length) };
  }

  #handle({ type, payload }: Frame): void {
    if (type === frames.exit) {
      this.#exit = payload.toString('utf8');
      this.#close();
    } else if (type === frames.done || type === frames.processes || type === frames.health) {
      this.#answers.shift()?.resolve(payload.toString('latin1'));
    } else if (type === frames.error) {
      const asked = this.#answers.shift();
      asked?.reject(this.#refusal(asked.verb, payload.toString('utf8', 4)));
    }
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    for (const { verb, reject } of this.#answers.splice(0)) reject(this.#refusal(verb, 'it has ended'));
    this.#ended?.();
  }

  #refusal(verb: string, reason: string): CoracleError {
    return new CoracleError('CONFLICT', `${verb} container ${this.#name}: ${reason}`);
  }
}

function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * i);
  return bytes;
}
