/**
 * tar-split: an archive without the contents of its files, one JSON object a line. Type 2 is bytes of the archive, type 1 the place of
 * a file's content. https://github.com/vbatts/tar-split
 */
import { CoracleError } from '../errors.js';
import { parseJson, requireObject } from '../oci/guards.js';
import type { ChunkedFile } from './layout.js';

/**
 * What the archive has before each of these files and after the last one.
 * @throws INVALID when it speaks of other files.
 */
export async function readTarSplit(
  source: AsyncIterable<Buffer>,
  files: readonly Pick<ChunkedFile, 'size'>[],
): Promise<readonly Buffer[]> {
  const literals: Buffer[] = [];
  let pieces: Buffer[] = [];
  for await (const line of linesOf(source)) {
    const record = requireObject(parseJson(line, 'tar-split'), 'tar-split');
    if (record.type === 2 && typeof record.payload === 'string') {
      pieces.push(Buffer.from(record.payload, 'base64'));
    } else if (record.type === 1) {
      const size = record.size ?? 0;
      if (size === 0) continue;
      if (size !== files[literals.length]?.size) throw otherFiles();
      literals.push(Buffer.concat(pieces));
      pieces = [];
    } else throw new CoracleError('INVALID', 'read tar-split: an entry of unknown type');
  }
  if (literals.length !== files.length) throw otherFiles();
  return [...literals, Buffer.concat(pieces)];
}

/** Line by line: all of it at once would be several times the headers of the archive. */
async function* linesOf(source: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
      if (end > at) yield bytes.toString('utf8', at, end);
      at = end + 1;
    }
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) yield rest.toString('utf8');
}

function otherFiles(): CoracleError {
  return new CoracleError('INVALID', 'read tar-split: it has other files than the table of contents');
}

/** Writes tar-split while an archive passes. */
export class TarSplitWriter {
  readonly #lines: string[] = [];
  #position = 0;

  /** Bytes of the archive that are no content. */
  segment(bytes: Buffer): void {
    this.#line({ type: 2, payload: bytes.toString('base64') });
  }

  /** An entry of the archive, after the bytes of its header. `check` is the CRC-64 of its content. */
  file(name: Buffer, size: number, check: Buffer | undefined): void {
    const text = name.toString('utf8');
    const named = Buffer.from(text).equals(name) ? { name: text } : { name_raw: name.toString('base64') };
    const content = size === 0 ? {} : { size };
    this.#line({ type: 1, ...named, ...content, payload: check?.toString('base64') ?? null });
  }

  /** All of it. */
  finish(): Buffer {
    return Buffer.from(this.#lines.join(''));
  }

  #line(fields: Record<string, unknown>): void {
    this.#lines.push(`${JSON.stringify({ ...fields, position: this.#position })}\n`);
    this.#position++;
  }
}
