/** gzip by libdeflate, a third of zlib's time for the same size. native/PROTOCOL.md section 5. */
import { loadAddon } from './addon.js';

export type Gzip = {
  /** The block as one gzip member, made on another thread. @throws EINVAL for a level that is not 0 to 12. */
  readonly gzip: (block: Uint8Array, level: number) => Promise<Buffer>;
  /** Of libdeflate. The same version, level and block give the same bytes on every machine. */
  readonly version: string;
};

let loaded: Gzip | undefined;

/** The compressor. @throws HOST when it is missing or does not load. */
export function gzip(): Gzip {
  // The tests of compression hold it to this type.
  loaded ??= loadAddon('coracle-gzip.node') as Gzip;
  return loaded;
}
