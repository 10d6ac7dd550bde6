/** How images are copied between places. */
import type { Digest } from '../oci/digest.js';
import type { Platform } from '../oci/platform.js';
import type { CompressedLayer, LayerEncoding } from './compressed-layers.js';
import type { OnTransferEvent } from './events.js';

export type CopyOptions = {
  /** Of an index: the image for a platform, all of it, or the index alone. */
  readonly multiArch?: 'system' | 'all' | 'index-only' | undefined;
  /** For `system`; this machine's by default. */
  readonly platform?: Platform | undefined;
  /** Media types of manifests; as they are by default. */
  readonly format?: 'oci' | 'v2s2' | undefined;
  /** Fail rather than change a digest. */
  readonly preserveDigests?: boolean;
  /** How layers are compressed that are. */
  readonly encoding?:
    | { readonly kind: 'gzip' | 'zstd' | 'zstd:chunked'; readonly level?: number | undefined }
    | undefined;
  /** Compress layers that the source has uncompressed. */
  readonly compress?: boolean;
  /** Compress layers again that are compressed another way. */
  readonly recompress?: boolean;
  readonly decompress?: boolean;
  /** Signatures of the source stay behind. */
  readonly removeSignatures?: boolean | undefined;
  /** What layers came out as when they were compressed before. */
  readonly memory?: CompressionMemory | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent: OnTransferEvent;
};

/** Remembers, by the digest of an uncompressed layer and the encoding, what it was compressed. */
export type CompressionMemory = {
  known(digest: Digest, encoding: LayerEncoding): CompressedLayer | undefined;
  remember(digest: Digest, encoding: LayerEncoding, blob: CompressedLayer): void;
};
