/** Reading the files of an archive that is put together a few ahead: each by itself would cost a round trip to the file agent. */
import type { ChunkedFile } from '../chunked/layout.js';
import type { Part } from '../chunked/plan.js';
import type { KnownFiles } from './known-files.js';

/** Larger files come in pieces when their turn comes. */
const largest = 256 * 1024;
const filesAhead = 64;
const bytesAhead = 4 * 1024 * 1024;

export class ReadAhead {
  readonly #files: readonly ChunkedFile[];
  readonly #known: KnownFiles;
  readonly #begun = new Map<ChunkedFile, Promise<Buffer>>();
  #next = 0;
  #bytes = 0;

  /** The files of these parts will be asked for in their order. */
  constructor(parts: readonly Part[], known: KnownFiles) {
    this.#files = parts.flatMap((part) =>
      part.kind === 'local' && part.file.size <= largest ? [part.file] : [],
    );
    this.#known = known;
  }

  /** The next file's bytes. @throws as `KnownFiles.read` does */
  async *read(file: ChunkedFile): AsyncGenerator<Buffer, void> {
    this.#begin();
    const begun = this.#begun.get(file);
    if (begun === undefined) return yield* this.#known.read(file);
    const bytes = await begun;
    this.#begun.delete(file);
    this.#bytes -= file.size;
    yield bytes;
  }

  #begin(): void {
    while (this.#begun.size < filesAhead && this.#bytes < bytesAhead) {
      const file = this.#files[this.#next];
      if (file === undefined) return;
      this.#next++;
      this.#bytes += file.size;
      const reading = this.#whole(file);
      // told to whoever asks for the file, if anybody still does
      reading.catch(() => undefined);
      this.#begun.set(file, reading);
    }
  }

  async #whole(file: ChunkedFile): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.#known.read(file)) parts.push(part);
    return Buffer.concat(parts);
  }
}
