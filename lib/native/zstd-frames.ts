/** zstd frames one by one, and the checksum tar-split has. native/PROTOCOL.md section 5. */
import { loadAddon } from './addon.js';

export type ZstdFrames = {
  /** The bytes as one frame, made on another thread. */
  readonly compress: (bytes: Uint8Array, level: number) => Promise<Buffer>;
  /** What frames hold. @throws EFBIG for more than `limit` bytes, EIO for damage. */
  readonly expand: (frames: Uint8Array, limit: number) => Promise<Buffer>;
  /** CRC-64 of the bytes after those whose sum is `before`: 8 bytes, zeros for none. */
  readonly crc64: (before: Uint8Array, bytes: Uint8Array) => Buffer;
  /** Of libzstd: another version may make other frames. */
  readonly version: string;
};

let loaded: ZstdFrames | undefined;

/** The compressor of frames. @throws HOST when it is missing or does not load. */
export function zstdFrames(): ZstdFrames {
  // The tests of compression hold it to this type.
  loaded ??= loadAddon('coracle-frames.node') as ZstdFrames;
  return loaded;
}
