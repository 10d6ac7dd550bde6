/** One thing that the build cache holds and that can be taken away. */
/** BuildKit's names of the kinds. */
export const cacheUnitKinds = ['regular', 'exec.cachemount', 'source.local'] as const;

export type CacheUnit = {
  /** A snapshot's id, or the name of a directory or file below the store's `build`. */
  readonly id: string;
  readonly kind: (typeof cacheUnitKinds)[number];
  /** The instruction that made it, or what it is for. */
  readonly description: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly created: number;
  /** Of a layer: when it, or one that lies on it, was used last. */
  readonly lastUsed: number;
  /** Layers below it; what lies higher goes first. */
  readonly depth: number;
  /** Whether nothing but the cache keeps it, so that taking it away frees its space. */
  readonly reclaimable: boolean;
};
