/** Entries of a walk as the blocks of an archive: headers, contents, padding, the end. */
import type { Entry } from '../native/agent-entry.js';
import type { DiffOptions } from './diff.js';
import type { LayerPath } from './layer-path.js';
import { padding, type TarHeader } from './tar-entry.js';
import { encodeMarker, TarHeaders } from './tar-headers.js';
import { checkWritten, encodeHeader, encodePadding, encodeTrailer } from './tar-writer.js';

/** Small pieces are joined up to this size, so that what follows is not called once a header. */
const joinSize = 256 * 1024;
/** Pieces from this size on are handed on as they are: a copy would cost more than a call. */
const largePiece = 16 * 1024;

/** One archive being written. Each method gives the blocks that are ready. */
export class TarStream {
  readonly #headers: TarHeaders;
  readonly #pieces: Buffer[] = [];
  #joined = 0;
  #open: TarHeader | undefined;
  #written = 0;
  #skipping = false;

  constructor(options: DiffOptions) {
    this.#headers = new TarHeaders(options);
  }

  /** Begins the entry of a file; its content, if any, follows by `data`. */
  *entry(entry: Entry): Generator<Buffer, void> {
    yield* this.#close();
    const header = this.#headers.of(entry);
    // the content of a further name came with the first one
    this.#skipping = header === undefined || header.type === 'link';
    if (header === undefined) return;
    yield* this.#put(encodeHeader(header));
    this.#open = header;
  }

  /** Takes content of the entry begun last. */
  *data(chunk: Buffer): Generator<Buffer, void> {
    if (this.#skipping) return;
    this.#written += chunk.length;
    yield* this.#put(chunk);
  }

  /** An empty file at `path` that stands for something hidden; without a time, so that it is the same each time. */
  *marker(path: LayerPath): Generator<Buffer, void> {
    yield* this.#close();
    yield* this.#put(encodeMarker(path));
  }

  /** The last blocks. */
  *end(): Generator<Buffer, void> {
    yield* this.#close();
    this.#pieces.push(encodeTrailer());
    yield* this.#flush();
  }

  /** Ends the entry before: checks its length and fills its last block. */
  *#close(): Generator<Buffer, void> {
    const header = this.#open;
    const written = this.#written;
    this.#open = undefined;
    this.#written = 0;
    this.#skipping = false;
    if (header === undefined) return;
    checkWritten(header, written);
    if (padding(header.size) > 0) yield* this.#put(encodePadding(header.size));
  }

  *#put(piece: Buffer): Generator<Buffer, void> {
    if (piece.length >= largePiece) {
      yield* this.#flush();
      yield piece;
      return;
    }
    this.#pieces.push(piece);
    this.#joined += piece.length;
    if (this.#joined >= joinSize) yield* this.#flush();
  }

  *#flush(): Generator<Buffer, void> {
    if (this.#pieces.length > 0) yield Buffer.concat(this.#pieces);
    this.#pieces.length = 0;
    this.#joined = 0;
  }
}
