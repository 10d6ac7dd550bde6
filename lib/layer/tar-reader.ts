/** Reading an archive entry by entry from an asynchronous source. */
import { CoracleError } from '../errors.js';
import { defaultTarLimits, type TarEntry, type TarHeader, type TarLimits } from './tar-entry.js';
import { TarParser } from './tar-parser.js';
import type { TarSink } from './tar-state.js';

/** Told of an archive's parts as they are parsed, ahead of whoever reads the entries. */
export type TarObserver = Pick<TarSink, 'entry'> & Required<Pick<TarSink, 'raw'>>;

type Item =
  | { readonly kind: 'entry'; readonly header: TarHeader }
  | { readonly kind: 'data'; readonly chunk: Buffer }
  | { readonly kind: 'end' };

/**
 * The archive's entries in their order. An entry's content may be read until the next entry is asked for;
 * unread content is passed over. The source is read to its end. Throws INVALID for what is no tar.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  limits: TarLimits = defaultTarLimits,
  observer?: TarObserver,
): AsyncGenerator<TarEntry, void> {
  const feed = new TarFeed(source, limits, observer);
  try {
    for (let header = await feed.nextHeader(); header !== undefined; header = await feed.nextHeader()) {
      yield { ...header, content: contentOnce(feed, header) };
    }
  } finally {
    await feed.close();
  }
}

/** All of an entry's content in one buffer. Throws INVALID when it is larger than `limit` bytes. */
export async function readContent(entry: TarEntry, limit: number): Promise<Buffer> {
  if (entry.size > limit) {
    throw new CoracleError(
      'INVALID',
      `read tar entry ${entry.path.toString()}: ${entry.size} bytes are more than ${limit}`,
    );
  }
  const parts: Buffer[] = [];
  for await (const chunk of entry.content()) parts.push(chunk);
  return Buffer.concat(parts);
}

function contentOnce(feed: TarFeed, header: TarHeader): () => AsyncIterable<Buffer> {
  return () => feed.content(header);
}

class TarFeed {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #parser: TarParser;
  #items: Item[] = [];
  #next = 0;
  #ended = false;
  #current: TarHeader | undefined;

  constructor(source: AsyncIterable<Uint8Array>, limits: TarLimits, observer: TarObserver | undefined) {
    this.#source = source[Symbol.asyncIterator]();
    this.#parser = new TarParser(
      {
        entry: (header, offset) => {
          observer?.entry(header, offset);
          this.#items.push({ kind: 'entry', header });
        },
        data: (chunk) => this.#items.push({ kind: 'data', chunk }),
        end: () => this.#items.push({ kind: 'end' }),
        raw: (bytes, start, end) => observer?.raw(bytes, start, end),
      },
      limits,
    );
  }

  async nextHeader(): Promise<TarHeader | undefined> {
    for (let item = await this.#take(); item !== undefined; item = await this.#take()) {
      if (item.kind !== 'entry') continue;
      this.#current = item.header;
      return item.header;
    }
    this.#current = undefined;
    return undefined;
  }

  async *content(header: TarHeader): AsyncGenerator<Buffer, void> {
    if (this.#current !== header)
      throw new CoracleError('INTERNAL', 'read tar entry: its content has passed');
    for (let item = await this.#take(); item?.kind === 'data'; item = await this.#take()) yield item.chunk;
    if (this.#current === header) this.#current = undefined;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #take(): Promise<Item | undefined> {
    while (this.#next === this.#items.length && !this.#ended) await this.#fill();
    const item = this.#items[this.#next];
    this.#next++;
    return item;
  }

  async #fill(): Promise<void> {
    this.#items = [];
    this.#next = 0;
    const { value, done } = await this.#source.next();
    if (done === true) {
      this.#ended = true;
      this.#parser.finish();
    } else this.#parser.push(asBuffer(value));
  }
}

/** The same bytes as a Buffer, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
