/** The bytes of something that is uploaded, given out in parts. */
import { CoracleError } from '../errors.js';

/** A source shorter or longer than announced is INTEGRITY, so that a registry never gets padding or a cut. */
export class ByteSource {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #size: number;
  readonly #action: string;
  #left: Uint8Array = new Uint8Array();
  #given = 0;

  constructor(source: AsyncIterable<Uint8Array>, size: number, action: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#size = size;
    this.#action = action;
  }

  /** The next `length` bytes. */
  async *take(length: number): AsyncGenerator<Uint8Array, void> {
    for (let wanted = length; wanted > 0; ) {
      if (this.#left.length === 0 && !(await this.#more())) throw this.#short();
      const part = this.#left.subarray(0, wanted);
      this.#left = this.#left.subarray(part.length);
      this.#given += part.length;
      wanted -= part.length;
      yield part;
    }
  }

  /** Passes bytes over. */
  async skip(length: number): Promise<void> {
    for await (const part of this.take(length)) part.length;
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array, void> {
    yield* this.take(this.#size - this.#given);
    await this.finish();
  }

  /** Nothing may be left. */
  async finish(): Promise<void> {
    while (this.#left.length === 0 && (await this.#more()));
    if (this.#left.length === 0) return;
    throw new CoracleError('INTEGRITY', `${this.#action}: more than ${this.#size} bytes to send`);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    this.#left = value;
    return true;
  }

  #short(): CoracleError {
    const reason = `only ${this.#given} of ${this.#size} bytes to send`;
    return new CoracleError('INTEGRITY', `${this.#action}: ${reason}`);
  }
}
