/** ADD of a local archive: recognised by its content, unpacked into the destination. It is no layer: nothing in it hides anything. */
import { CoracleError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import { decompress, detectCompression } from '../layer/compression.js';
import { LayerExtractor } from '../layer/layer-extractor.js';
import { isReservedName } from '../layer/layer-path.js';
import { defaultTarLimits, printablePath, type TarEntry } from '../layer/tar-entry.js';
import { readTar } from '../layer/tar-reader.js';
import type { Agent, Handle } from '../native/agent.js';
import { pathBytes } from './copy-source.js';
import type { Owner } from './owner.js';

export type ArchiveFile = { readonly agent: Agent; readonly handle: Handle; readonly path: string };

export type ArchiveTarget = {
  readonly handle: Handle;
  /** In the image, latin1. */
  readonly directory: string;
  readonly owner: Owner | undefined;
  readonly idMap: IdMap;
};

/** What must be known of a stream to tell. */
export const blockSize = 512;
const checksumStart = 148;
const checksumEnd = 156;
const readSize = 1 << 20;

/** Whether the file is a tar, plain or compressed with gzip, bzip2, xz or zstd. */
export async function isArchive(file: ArchiveFile): Promise<boolean> {
  const start = await file.agent.read(file.handle, pathBytes(file.path), 0, blockSize);
  const kind = detectCompression(start);
  if (kind === 'none') return isTarBlock(start);
  try {
    for await (const chunk of decompress(readFile(file), kind)) return isTarBlock(chunk);
  } catch (error) {
    // Something that only begins like a compressed file is copied as it is.
    if (error instanceof CoracleError && (error.code === 'INTEGRITY' || error.code === 'INVALID'))
      return false;
    throw error;
  }
  return false;
}

/** Unpacks with the archive's owners, or --chown's. @throws INVALID for hostile or damaged archives. */
export function unpackArchive(
  file: ArchiveFile,
  target: ArchiveTarget,
  onWarning: (text: string) => void,
): Promise<void> {
  return unpackStream(file.agent, readFile(file), target, onWarning);
}

/** The same of an archive that comes from elsewhere. */
export async function unpackStream(
  agent: Agent,
  archive: AsyncIterable<Uint8Array>,
  target: ArchiveTarget,
  onWarning: (text: string) => void,
): Promise<void> {
  const extractor = new LayerExtractor(
    { agent, handle: target.handle, idMap: target.idMap },
    defaultTarLimits,
  );
  for await (const entry of readTar(decompress(archive, 'auto'), defaultTarLimits)) {
    const pending = extractor.apply(relocate(entry, target));
    if (pending !== undefined) await pending;
  }
  await extractor.finish();
  for (const warning of extractor.warnings) onWarning(warning);
}

/** Whether a stream that begins like this is to be read as an archive: compressed, or a tar. Needs 512 bytes. */
export function beginsArchive(start: Buffer): boolean {
  return detectCompression(start) !== 'none' || isTarBlock(start.subarray(0, blockSize));
}

/** A header whose checksum adds up; as Docker has it, the magic word does not count. */
function isTarBlock(block: Buffer): boolean {
  if (block.length < blockSize) return false;
  const field = /^[ \0]*([0-7]+)[ \0]*$/.exec(block.toString('latin1', checksumStart, checksumEnd))?.[1];
  let sum = (checksumEnd - checksumStart) * 0x20;
  for (let at = 0; at < blockSize; at++) {
    if (at < checksumStart || at >= checksumEnd) sum += block[at] ?? 0;
  }
  return field !== undefined && Number.parseInt(field, 8) === sum;
}

/** The entry below the destination. Names that mean deletions in a layer mean nothing here and are refused. */
function relocate(entry: TarEntry, { directory, owner }: ArchiveTarget): TarEntry {
  if (isReservedName(entry.path)) {
    throw new CoracleError(
      'INVALID',
      `unpack ${printablePath(entry.path)}: names that begin with .wh. are reserved for layers`,
    );
  }
  const prefix = directory === '.' ? Buffer.alloc(0) : Buffer.from(`${directory}/`, 'latin1');
  return {
    ...entry,
    path: Buffer.concat([prefix, stripRoot(entry.path)]),
    ...(entry.type === 'link' ? { linkTarget: Buffer.concat([prefix, stripRoot(entry.linkTarget)]) } : {}),
    ...(owner === undefined ? {} : owner),
    content: () => entry.content(),
  };
}

function stripRoot(path: Buffer): Buffer {
  let start = 0;
  while (path[start] === 0x2f) start++;
  return path.subarray(start);
}

async function* readFile(file: ArchiveFile): AsyncGenerator<Buffer> {
  for (let offset = 0; ; offset += readSize) {
    const chunk = await file.agent.read(file.handle, pathBytes(file.path), offset, readSize);
    if (chunk.length > 0) yield chunk;
    if (chunk.length < readSize) return;
  }
}
