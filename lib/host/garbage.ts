/**
 * Memory of buffers that nobody uses any more. The engine sees their small objects and collects them at its leisure; meanwhile a
 * stream of some hundred megabytes, on a busy machine, leaves that much behind.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Buffers of this many bytes may lie about. */
const garbageBytes = 64 * 1024 * 1024;

/** Counts the bytes of a stream's buffers, and has them collected before they are too many. */
export class GarbageLimit {
  readonly #collect: () => void;
  #bytes = 0;

  constructor(collect: () => void = collectGarbage) {
    this.#collect = collect;
  }

  /** Says that buffers of so many bytes were made, and used. */
  used(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < garbageBytes) return;
    this.#bytes = 0;
    this.#collect();
  }
}

let collector: unknown;

function collectGarbage(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    // only contexts that are made from now on have the function
    collector = runInNewContext('gc');
  }
  if (typeof collector === 'function') collector();
}
