/** What a check of the store finds, and how it is mended. */
import type { Stores } from '../image/stores.js';
import type { RegistryAccess } from '../transfer/registry-access.js';

export type FindingKind =
  | 'index-damaged'
  | 'layout-missing'
  | 'blob-damaged'
  | 'blob-missing'
  | 'image-incomplete'
  | 'layer-damaged'
  | 'layer-missing'
  | 'layer-changed'
  | 'link-dangling'
  | 'container-damaged'
  | 'container-incomplete'
  | 'record-damaged'
  | 'leftover'
  | 'lock-stale'
  | 'unreferenced';

/** One thing that is not as it should be. */
export type StoreFinding = {
  readonly kind: FindingKind;
  /** An error keeps something from working; a notice only takes room. */
  readonly level: 'error' | 'notice';
  /** What it is about: `blob sha256:...`, `container web`. */
  readonly object: string;
  readonly problem: string;
  /** What follows of it. */
  readonly meaning: string;
  /** What `--repair` does about it, or what a person can do. */
  readonly repair: string;
  /** Names of images and containers that it touches. */
  readonly images: readonly string[];
  readonly containers: readonly string[];
  /** `found` without `--repair`; else whether it was mended. */
  readonly outcome: 'found' | 'repaired' | 'left';
  /** What was done, or why nothing was. */
  readonly done?: string;
};

/** What came of mending: what was done, or why it was left. */
export type Mended = { readonly outcome: 'repaired' | 'left'; readonly done: string };

/** A finding before anything is done about it; one that only a person can mend has no `mend`. */
export type Detected = Pick<StoreFinding, 'kind' | 'level' | 'object' | 'problem' | 'meaning' | 'repair'> & {
  readonly images?: readonly string[];
  readonly containers?: readonly string[];
  readonly mend?: () => Promise<Mended>;
};

/** How thorough a check is: looks at sizes and records; also hashes blobs; also compares files of layers. */
export type Depth = 'quick' | 'usual' | 'deep';

/** What a check may do. */
export type CheckSettings = {
  readonly depth: Depth;
  /** Remove images and containers that cannot be mended. */
  readonly force: boolean;
  /** Milliseconds for which unreferenced things may lie about. */
  readonly maxAge: number;
  readonly now: number;
  /** How registries are reached for what is fetched again. */
  readonly access: RegistryAccess;
};

/** What was looked at. */
export type Tally = { blobs: number; bytes: number; layers: number; images: number; containers: number };

/** What each part of a check works with. */
export type CheckContext = {
  readonly stores: Stores;
  readonly settings: CheckSettings;
  readonly tally: Tally;
};

/** `repaired`, with what was done. */
export function repaired(done: string): Mended {
  return { outcome: 'repaired', done };
}

/** `left`, with the reason. */
export function left(done: string): Mended {
  return { outcome: 'left', done };
}

/** Names for a sentence: the first few, and how many more. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(', ');
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}
