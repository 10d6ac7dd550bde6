/** Streams expanded and hashed on other threads, into memory that may be shared. native/PROTOCOL.md section 5. */
import { loadAddon } from './addon.js';

/** One stream, opaque. */
export type Expansion = { readonly expansion: unique symbol };

export type Expand = {
  /** @throws ENOSYS where this Node does not export what it needs. */
  readonly begin: (gzip: boolean) => Expansion;
  /**
   * Takes what `from` has from an offset on and fits into `to` from an offset on. `open`: inside a gzip member. Neither Buffer
   * may change meanwhile. Rejects with zlib's words for damage.
   */
  readonly expand: (
    stream: Expansion,
    from: Buffer,
    fromAt: number,
    to: Buffer,
    toAt: number,
  ) => Promise<readonly [used: number, made: number, open: boolean]>;
  /** SHA-256 of everything made; asked for once. */
  readonly digest: (stream: Expansion) => Buffer;
};

let loaded: Expand | undefined;

/** The addon. @throws HOST when it is missing or does not load. */
export function expandAddon(): Expand {
  // The tests of shared layers hold it to this type.
  loaded ??= loadAddon('coracle-expand.node') as Expand;
  return loaded;
}
