/**
 * Archives of plain files, which image archives are: a tar file or a directory, read by name in any order.
 * Names come from outside: none leads out of the archive (native.md S29).
 */
import { createReadStream, realpathSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { layerPath } from '../layer/layer-path.js';
import { defaultTarLimits, printablePath, type TarHeader } from '../layer/tar-entry.js';
import { TarParser } from '../layer/tar-parser.js';
import { asBuffer } from '../layer/tar-reader.js';

/** Files by name. */
export type Archive = {
  /** Bytes of the file, undefined when there is none. */
  size(name: string): number | undefined;
  /** The file's content in pieces. Throws NOT_FOUND. */
  open(name: string, options?: ReadOptions): AsyncIterable<Buffer>;
};

/** `reuse`: the memory of a piece is used again when the next one is asked for. */
export type ReadOptions = { readonly reuse?: boolean };

const chunkSize = 1024 * 1024;
const headerChunk = 64 * 1024;

/** A small file's content. Throws NOT_FOUND, INVALID when it is larger than `limit`. */
export async function readFile(archive: Archive, name: string, limit: number): Promise<Buffer> {
  const size = archive.size(name);
  if (size !== undefined && size > limit) {
    throw new CoracleError('INVALID', `read ${show(name)}: ${size} bytes, more than the ${limit} allowed`);
  }
  const parts: Buffer[] = [];
  for await (const chunk of archive.open(name)) parts.push(chunk);
  return Buffer.concat(parts);
}

/** A directory as an archive. Links may not lead out of it. */
export function openDirectory(directory: string): Archive {
  const root = realpathSync(directory);
  const place = (name: string): string | undefined => {
    const path = resolveInside(root, cleanName(name));
    return path !== undefined && statSync(path).isFile() ? path : undefined;
  };
  return {
    size: (name) => {
      const path = place(name);
      return path === undefined ? undefined : statSync(path).size;
    },
    open: (name, options) => {
      const path = place(name);
      if (path === undefined) throw missing(name);
      return options?.reuse === true ? readReusing(path, 0, Infinity) : readRange(path, 0, undefined);
    },
  };
}

function resolveInside(root: string, name: string): string | undefined {
  try {
    const path = realpathSync(`${root}${sep}${name}`);
    if (path.startsWith(`${root}${sep}`)) return path;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw ioError(`read ${show(name)}`, error);
  }
  throw new CoracleError('INVALID', `read ${show(name)}: the link leads out of the archive`);
}

type Place =
  | { readonly kind: 'file'; readonly offset: number; readonly size: number }
  | { readonly kind: 'link'; readonly target: string };

/** A tar file as an archive: read once for its table of contents. The file must not change meanwhile. */
export async function openTar(path: string): Promise<Archive> {
  const places = new Map<string, Place>();
  const parser = new TarParser({
    entry: (header, offset) => {
      const name = layerPath(header.path).toString('utf8');
      const place = placeOf(header, offset);
      if (place === undefined) places.delete(name);
      else places.set(name, place);
    },
    data: () => undefined,
    end: () => undefined,
  });
  try {
    await readHeaders(path, parser);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  }
  parser.finish();
  const find = (name: string): Extract<Place, { kind: 'file' }> | undefined =>
    findPlace(places, cleanName(name));
  return {
    size: (name) => find(name)?.size,
    open: (name, options) => {
      const place = find(name);
      if (place === undefined) throw missing(name);
      const { offset, size } = place;
      return options?.reuse === true
        ? readReusing(path, offset, offset + size)
        : readRange(path, offset, size);
    },
  };
}

/** Reads a tar file without the contents of its large files. */
async function readHeaders(path: string, parser: TarParser): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let position = 0; position < size; ) {
      // the parser may keep parts of it
      const chunk = Buffer.allocUnsafe(headerChunk);
      const { bytesRead } = await file.read(chunk, 0, headerChunk, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      parser.push(chunk.subarray(0, bytesRead));
      const skipped = Math.min(parser.skippable, size - position);
      parser.skip(skipped);
      position += skipped;
    }
  } finally {
    await file.close();
  }
}

function placeOf(header: TarHeader, offset: number | undefined): Place | undefined {
  switch (header.type) {
    case 'file':
      if (offset === undefined)
        throw new CoracleError('INVALID', `read ${printablePath(header.path)}: a sparse file`);
      return { kind: 'file', offset, size: header.size };
    case 'link':
      return { kind: 'link', target: header.linkTarget.toString('utf8') };
    case 'symlink': {
      // Docker shares layers between images this way: `../ID/layer.tar`
      const directory = posix.dirname(layerPath(header.path).toString('utf8'));
      return { kind: 'link', target: posix.join(directory, header.linkTarget.toString('utf8')) };
    }
    default:
      return undefined;
  }
}

function findPlace(
  places: ReadonlyMap<string, Place>,
  name: string,
): Extract<Place, { kind: 'file' }> | undefined {
  let place = places.get(name);
  for (let links = 0; place?.kind === 'link'; links++) {
    if (links === 8) throw new CoracleError('INVALID', `read ${show(name)}: too many links`);
    place = places.get(cleanName(place.target));
  }
  return place;
}

/** Refuses names that lead out; the same cleaning for what is looked up and what is there. */
function cleanName(name: string): string {
  return layerPath(Buffer.from(name), defaultTarLimits).toString('utf8');
}

async function* readRange(
  path: string,
  start: number,
  size: number | undefined,
): AsyncGenerator<Buffer, void> {
  if (size === 0) return;
  const end = size === undefined ? {} : { end: start + size - 1 };
  const stream = createReadStream(path, { start, ...end, highWaterMark: chunkSize });
  try {
    for await (const chunk of stream) yield asBuffer(chunk);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  }
}

/** Reads from `start` to `end`, or that of the file, by turns into two buffers: one is read into while the other one is used. */
async function* readReusing(path: string, start: number, end: number): AsyncGenerator<Buffer, void> {
  const buffers = [Buffer.allocUnsafeSlow(chunkSize), Buffer.allocUnsafeSlow(chunkSize)] as const;
  const file = await open(path, 'r').catch((error: unknown) => {
    throw ioError(`read ${path}`, error);
  });
  const read = async (buffer: Buffer, position: number): Promise<Buffer> => {
    const { bytesRead } = await file.read(buffer, 0, Math.min(chunkSize, end - position), position);
    return buffer.subarray(0, bytesRead);
  };
  try {
    let [current, other] = buffers;
    let piece = await read(current, start);
    for (let position = start + piece.length; piece.length > 0; position += piece.length) {
      const next = read(other, position);
      // met where it is waited for
      next.catch(() => undefined);
      try {
        yield piece;
      } finally {
        await next.catch(() => undefined);
      }
      piece = await next;
      [current, other] = [other, current];
    }
  } catch (error) {
    throw ioError(`read ${path}`, error);
  } finally {
    await file.close();
  }
}

function missing(name: string): CoracleError {
  return new CoracleError('NOT_FOUND', `read ${show(name)}: not in the archive`, {
    hint: 'the archive is incomplete; make it again',
  });
}

function show(name: string): string {
  return printablePath(Buffer.from(name));
}
