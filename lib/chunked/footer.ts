/**
 * Tables of contents that no manifest speaks of: the last bytes of a zstd:chunked blob say where its table is, those of an eStargz blob
 * too. Nothing of it is believed before the archive has the diffID.
 */
import type { Descriptor } from '../oci/descriptor.js';
import { layerCompression } from '../oci/media-types.js';
import { estargzFooter, tocOffset } from './estargz.js';
import { type ReadBlob, skippableHeader, zstdChunkedNames } from './zstd-chunked.js';

/** Older writers put four numbers there, newer ones tar-split's place too; each is eight bytes, as is what ends them. */
const numbersOf = { old: 4, new: 7 } as const;
const magic = Buffer.from('GNUlInUx');

/** Layers smaller than this are fetched as fast as their last bytes are looked at. */
const worthLooking = 512 * 1024;

/** Whether it is worth looking at a layer's last bytes: those of a kind that never has a table are not asked for. */
export function mayHaveFooter({ mediaType, size }: Descriptor): boolean {
  return size >= worthLooking && layerCompression(mediaType) !== 'none';
}

/** What a zstd:chunked blob's end says, as annotations of a manifest would; undefined where it is another kind of blob. */
export async function zstdFooter(
  size: number,
  read: ReadBlob,
): Promise<Readonly<Record<string, string>> | undefined> {
  const length = 8 * (numbersOf.new + 1) + skippableHeader;
  if (size < length) return undefined;
  const end = await read(size - length, length);
  if (end.length !== length || !end.subarray(-magic.length).equals(magic)) return undefined;
  for (const count of [numbersOf.new, numbersOf.old]) {
    const bytes = 8 * (count + 1);
    const at = length - bytes;
    // the frame's own length tells which form it is
    if (end.readUInt32LE(at - 4) !== bytes) continue;
    const numbers = Array.from({ length: count }, (_, index) => end.readBigUInt64LE(at + 8 * index));
    const [start = 0n, packed = 0n, plain = 0n, kind = 0n, ...split] = numbers;
    if (kind !== 1n) return undefined;
    const position = { [zstdChunkedNames.position]: `${start}:${packed}:${plain}:1` };
    const hasSplit = (split[0] ?? 0n) > 0n;
    return hasSplit ? { ...position, [zstdChunkedNames.tarSplit]: split.join(':') } : position;
  }
  return undefined;
}

/** Whether a gzip blob ends as eStargz does. */
export async function hasEstargzFooter(size: number, read: ReadBlob): Promise<boolean> {
  if (size < estargzFooter) return false;
  return tocOffset(await read(size - estargzFooter, estargzFooter)) !== undefined;
}
