/** Memory shared with a file agent, cut into blocks that are used again and again. */
import { availableParallelism } from 'node:os';

/** The archive's bytes come in blocks of this size, the last one shorter. */
export const archiveBlock = 2 * 1024 * 1024;

/** Bytes of a ring that keeps all processors busy: blocks being filled, and some for those who compress or write them. */
export function ringBytes(): number {
  return (6 + Math.min(availableParallelism(), 10)) * archiveBlock;
}

/** The same for unpacking, where one thread fills blocks and one process writes what is in them. */
export const unpackingRingBytes = 6 * archiveBlock;

/** A block in hand; `at` is its place in the memory. */
export type Block = { readonly bytes: Buffer; readonly at: number; release(): void };

export class BlockRing {
  readonly #memory: Buffer;
  readonly #size: number;
  readonly #free: number[];
  readonly #waiting: ((at: number) => void)[] = [];

  constructor(memory: Buffer, size = archiveBlock) {
    this.#memory = memory;
    this.#size = size;
    // those used last are taken first: they are in the caches, and memory never touched stays untouched
    const count = Math.floor(memory.length / size);
    this.#free = Array.from({ length: count }, (_, index) => (count - 1 - index) * size);
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /** A free block, when there is one. */
  async take(): Promise<Block> {
    const at = this.#free.pop() ?? (await new Promise<number>((resolve) => this.#waiting.push(resolve)));
    let taken = true;
    const release = (): void => {
      if (!taken) return;
      taken = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(at);
      else next(at);
    };
    return { bytes: this.#memory.subarray(at, at + this.#size), at, release };
  }
}
