/** Answers that hold several parts of one document. https://www.rfc-editor.org/rfc/rfc9110#section-14.6 */
import { CoracleError } from '../errors.js';

/** Bytes and where they belong. */
export type RangePiece = { readonly position: number; readonly bytes: Buffer };

/** What is said before the parts, and of each part. */
const lineLimit = 4096;
const linesLimit = 64;

/** The boundary of an answer with several parts; undefined for any other. */
export function partsBoundary(contentType: string | undefined): string | undefined {
  const found = /^multipart\/byteranges\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
    contentType ?? '',
  );
  return found?.[1] ?? found?.[2];
}

/** The parts' bytes as they come. @throws REGISTRY for what follows no grammar; ends early where the answer does */
export async function* readParts(
  chunks: AsyncIterable<Buffer>,
  boundary: string,
): AsyncGenerator<RangePiece, void> {
  const input = new Input(chunks);
  try {
    for (;;) {
      const { start, end } = (await readHead(input, boundary)) ?? {};
      if (start === undefined || end === undefined) return;
      for (let position = start; position < end; ) {
        const bytes = await input.bytes(end - position);
        if (bytes === undefined) return;
        yield { position, bytes };
        position += bytes.length;
      }
    }
  } finally {
    await input.close();
  }
}

/** A part's place, `end` excluded; undefined after the last one. */
async function readHead(
  input: Input,
  boundary: string,
): Promise<{ readonly start: number; readonly end: number } | undefined> {
  let line = await input.line();
  for (let lines = 0; line !== undefined && !line.startsWith(`--${boundary}`); lines++) {
    if (lines === linesLimit) throw malformed('no boundary');
    line = await input.line();
  }
  if (line === undefined || line.startsWith(`--${boundary}--`)) return undefined;
  let place: RegExpExecArray | null = null;
  for (let lines = 0; ; lines++) {
    line = await input.line();
    if (line === undefined) return undefined;
    if (line === '') break;
    if (lines === linesLimit) throw malformed('too many headers');
    place = /^content-range:\s*bytes\s+(\d{1,15})-(\d{1,15})\//i.exec(line) ?? place;
  }
  if (place === null || Number(place[2]) < Number(place[1])) throw malformed('a part without its place');
  return { start: Number(place[1]), end: Number(place[2]) + 1 };
}

/** Lines and bytes of a stream. */
class Input {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#source = chunks[Symbol.asyncIterator]();
  }

  /** The next line without its end; undefined at the end of the input. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n');
      if (end >= 0) {
        const text = this.#rest.toString('latin1', 0, end);
        this.#rest = this.#rest.subarray(end + 2);
        return text;
      }
      if (this.#rest.length > lineLimit) throw malformed('a line without an end');
      if (await this.#more()) continue;
      const last = this.#rest.toString('latin1');
      this.#rest = Buffer.alloc(0);
      return last === '' ? undefined : last;
    }
  }

  /** Some bytes, at most `limit`; undefined at the end of the input. */
  async bytes(limit: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0 && !(await this.#more())) return undefined;
    const bytes = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    return true;
  }
}

function malformed(reason: string): CoracleError {
  return new CoracleError('REGISTRY', `read parts of an answer: ${reason}`);
}
