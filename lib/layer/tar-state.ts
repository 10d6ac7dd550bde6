/** Where the tar parser stands in an archive, and where its findings go. */
import type { PaxMapReader, SparseSegment } from './sparse.js';
import type { TarHeader } from './tar-entry.js';
import type { RawHeader } from './tar-header.js';

/** Where the parser's findings go. For each entry: `entry`, then `data` as often as needed, then `end`. */
export type TarSink = {
  /** `offset`: where the content begins in the archive; undefined for sparse files, which are not stored in one piece. */
  entry(header: TarHeader, offset: number | undefined): void;
  data(chunk: Buffer): void;
  end(): void;
  /** Everything that is no content, in its place: headers, padding, and what follows the last entry; `bytes` from `start` to `end`. */
  raw?(bytes: Buffer, start: number, end: number): void;
};

/** What the next bytes are. */
export type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'extended'; readonly raw: RawHeader }
  | {
      readonly kind: 'gnu-sparse';
      readonly raw: RawHeader;
      readonly segments: SparseSegment[];
      readonly size: number;
    }
  | {
      readonly kind: 'pax-sparse';
      readonly header: TarHeader;
      readonly size: number;
      readonly map: PaxMapReader;
    }
  | { readonly kind: 'content' }
  | { readonly kind: 'padding' }
  | { readonly kind: 'done' };
