/**
 * Maps of a user namespace that lies inside of the store's: the container gets some of the store's ids under numbers of its own,
 * and fuse-overlayfs, outside of it, shows each file with the id that is the right one inside. Pure.
 *
 * Three kinds of numbers meet: those of the host, those of the *store* (0 is the caller, then the subordinate ids), by which image
 * files are owned on disk, and those of the container. An image's id N is N in every container, whatever store id that is there.
 */
import { CoracleError } from '../errors.js';
import type { IdMap, IdRange } from '../host/id-map.js';
import { toContainerId } from '../host/sub-ids.js';

/** `size` ids of the container from `container` on are the store's from `store` on. */
export type IdPart = { readonly container: number; readonly store: number; readonly size: number };

/** A user namespace other than the usual one. */
export type UserNamespace = {
  readonly idMap: IdMap;
  /** Of fuse-overlayfs, which has to serve the root file system then. */
  readonly fuseOptions?: string | undefined;
  /** The map of the user namespace around it, in whose numbers that of `idMap` is. */
  readonly outer?: IdMap | undefined;
  /** The store's ids, as the host has them, that no other container with such a namespace gets. */
  readonly allotted?: { readonly start: number; readonly size: number } | undefined;
  /** One that is there already: /proc/PID/ns/user. */
  readonly path?: string | undefined;
  /** What that leads to. */
  readonly target?: string | undefined;
};

/** The kernel's limit of a map's lines. */
const maxRanges = 340;

/** @throws USAGE for ids that are not the store's, overlap, or leave the container without root; HOST with one id alone. */
export function innerNamespace(
  base: IdMap,
  parts: { readonly uid: readonly IdPart[]; readonly gid: readonly IdPart[] },
  what: string,
): UserNamespace {
  requireRange(base, what);
  const [uid, gid] = [
    innerRanges(base.uid, parts.uid, `${what}: uid`),
    innerRanges(base.gid, parts.gid, `${what}: gid`),
  ];
  const shown = (own: readonly IdPart[], ranges: readonly IdRange[]): string =>
    shownAs(own, countIds(ranges))
      .map(({ container, store, size }) => `${container}:${store}:${size}`)
      .join(':');
  return {
    idMap: { how: 'direct', uid, gid },
    outer: base,
    fuseOptions: `uidmapping=${shown(parts.uid, base.uid)},gidmapping=${shown(parts.gid, base.gid)}`,
  };
}

/** @throws HOST */
export function requireRange(base: IdMap, what: string): void {
  if (base.how !== 'single') return;
  throw new CoracleError('HOST', `${what}: ${base.reason ?? 'only one id can be mapped'}`, {
    hint: 'coracle doctor tells what is missing',
  });
}

export function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((count, { size }) => count + size, 0);
}

/** A line of a map may not span two of the map around it. */
function innerRanges(base: readonly IdRange[], parts: readonly IdPart[], what: string): readonly IdRange[] {
  const total = countIds(base);
  checkParts(parts, total, what);
  const ranges = inOrder(parts, 'container').flatMap((part) =>
    base.flatMap(({ container, size }) => {
      const first = Math.max(container, part.store);
      const end = Math.min(container + size, part.store + part.size);
      return first >= end
        ? []
        : [{ container: part.container + first - part.store, host: first, size: end - first }];
    }),
  );
  if (ranges.length <= maxRanges) return ranges;
  throw new CoracleError('USAGE', `${what}: more than ${maxRanges} ranges`);
}

function checkParts(parts: readonly IdPart[], total: number, what: string): void {
  for (const { store, size } of parts) {
    if (store + size <= total) continue;
    throw new CoracleError('USAGE', `${what} ${store + size - 1} is not among the ${total} that you have`, {
      hint: '0 is you, your subordinate ids follow; @ID is an id of this host',
    });
  }
  if (overlap(parts, 'container') || overlap(parts, 'store')) {
    throw new CoracleError('USAGE', `${what}: two ranges overlap`);
  }
  if (!parts.some(({ container }) => container === 0)) {
    throw new CoracleError('USAGE', `${what} 0 of the container is not mapped: nobody could set it up`);
  }
}

function inOrder(parts: readonly IdPart[], field: 'container' | 'store'): readonly IdPart[] {
  return [...parts].sort((a, b) => a[field] - b[field]);
}

function overlap(parts: readonly IdPart[], field: 'container' | 'store'): boolean {
  const sorted = inOrder(parts, field);
  return sorted.some((part, index) => {
    const next = sorted[index + 1];
    return next !== undefined && part[field] + part.size > next[field];
  });
}

/**
 * How files are shown: by the parts, and what is left over by what is left over, so that nothing is shown twice. Ids of the container
 * beyond all of the store's are kept on disk by one that is left over.
 */
function shownAs(all: readonly IdPart[], total: number): readonly IdPart[] {
  const parts = all.flatMap((part) => {
    const size = Math.min(part.size, total - part.container);
    return size > 0 ? [{ ...part, size }] : [];
  });
  return [...parts, ...pair(gaps(parts, 'container', total), gaps(parts, 'store', total))];
}

type Span = { readonly start: number; readonly size: number };

function gaps(parts: readonly IdPart[], field: 'container' | 'store', total: number): readonly Span[] {
  const spans: Span[] = [];
  let next = 0;
  for (const part of inOrder(parts, field)) {
    if (part[field] > next) spans.push({ start: next, size: part[field] - next });
    next = part[field] + part.size;
  }
  if (next < total) spans.push({ start: next, size: total - next });
  return spans;
}

/** Two lists of as many ids, one after the other. */
function pair(containers: readonly Span[], stores: readonly Span[]): readonly IdPart[] {
  const parts: IdPart[] = [];
  let [i, j, fromContainer, fromStore] = [0, 0, 0, 0];
  for (;;) {
    const [container, store] = [containers[i], stores[j]];
    if (container === undefined || store === undefined) return parts;
    const size = Math.min(container.size - fromContainer, store.size - fromStore);
    parts.push({ container: container.start + fromContainer, store: store.start + fromStore, size });
    fromContainer += size;
    fromStore += size;
    if (fromContainer === container.size) [i, fromContainer] = [i + 1, 0];
    if (fromStore === store.size) [j, fromStore] = [j + 1, 0];
  }
}

/** All ids of the store but the caller's own. */
export function withoutCaller(base: readonly IdRange[]): readonly IdPart[] {
  return [{ container: 0, store: 1, size: countIds(base) - 1 }];
}

/** Ids of the host as those of the container from 0 on. @throws USAGE for those that are not the caller's to give */
export function hostParts(
  base: readonly IdRange[],
  ranges: readonly { readonly start: number; readonly size: number }[],
  what: string,
): readonly IdPart[] {
  let container = 0;
  return ranges.map(({ start, size }) => {
    const [store, last] = [toContainerId(base, start), toContainerId(base, start + size - 1)];
    if (store === undefined || last !== store + size - 1) {
      throw new CoracleError(
        'USAGE',
        `${what}: ${start} to ${start + size - 1} of this host are not all yours to map`,
      );
    }
    const part = { container, store, size };
    container += size;
    return part;
  });
}
