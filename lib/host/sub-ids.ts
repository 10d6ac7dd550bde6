/** Subordinate ids, subuid(5) and subgid(5): which host ids a user may map into a user namespace. */

/** Ids of one kind: `size` of them from `container` inside, `host` outside. */
export type IdRange = { readonly container: number; readonly host: number; readonly size: number };

/** A range of host ids. */
export type HostRange = { readonly start: number; readonly size: number };

/** One past the largest id a 32 bit uid_t can hold; 2^32-1 means "no id". */
const idLimit = 0xffff_ffff;

/**
 * The ranges of a user in the text of /etc/subuid or /etc/subgid, found by name or number, in file order.
 * Lines that are malformed, empty, overlap an earlier range, or hold `own` (the user's own id) or the host's
 * root are passed over: mapping them would hand out ids that are not the user's to give (S12).
 */
export function parseSubIds(text: string, user: string, uid: number, own = uid): readonly HostRange[] {
  const ranges: HostRange[] = [];
  for (const line of text.split('\n')) {
    const match = /^([^:#\s]+):(\d{1,10}):(\d{1,10})\s*$/.exec(line);
    if (match === null || (match[1] !== user && match[1] !== `${uid}`)) continue;
    const range = { start: Number(match[2]), size: Number(match[3]) };
    if (range.size === 0 || range.start === 0 || range.start + range.size > idLimit) continue;
    if (own >= range.start && own < range.start + range.size) continue;
    if (ranges.some((other) => overlaps(range, other))) continue;
    ranges.push(range);
  }
  return ranges;
}

function overlaps(one: HostRange, other: HostRange): boolean {
  return one.start < other.start + other.size && other.start < one.start + one.size;
}

/** Container id 0 is the user's own; from 1 on the ranges follow one another without gaps. */
export function concatenateRanges(own: number, ranges: readonly HostRange[]): readonly IdRange[] {
  const map: IdRange[] = [{ container: 0, host: own, size: 1 }];
  let next = 1;
  for (const { start, size } of ranges) {
    map.push({ container: next, host: start, size });
    next += size;
  }
  return map;
}

/**
 * The map of a child namespace made by root of a mapped one, from the text of our own /proc/self/uid_map: every
 * id we have, in order, without gaps. One extent may not span two extents of the parent
 * (user_namespaces(7)), so each of ours lies in one of them. At most `limit` ids are handed on.
 */
export function splitAtParentExtents(uidMap: string, limit = idLimit): readonly IdRange[] {
  const parents = parseIdMap(uidMap).map(({ container: start, size }) => ({ start, size }));
  const map: IdRange[] = [];
  let next = 0;
  for (const { start, size } of parents) {
    const taken = Math.min(size, limit - next);
    if (taken <= 0) break;
    map.push({ container: next, host: start, size: taken });
    next += taken;
  }
  return map;
}

/** The text of a uid_map or gid_map, in the order of the ids inside. */
export function parseIdMap(text: string): readonly IdRange[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((fields) => fields.length === 3 && fields.every(Number.isSafeInteger))
    .map(([container = 0, host = 0, size = 0]) => ({ container, host, size }))
    .sort((one, other) => one.container - other.container);
}

/** The ids of a namespace inside of another, by the numbers of the host; none of its ranges spans two of `outer`. */
export function throughOuter(map: readonly IdRange[], outer: readonly IdRange[]): readonly IdRange[] {
  return map.map((range) => ({ ...range, host: toHostId(outer, range.host) ?? range.host }));
}

/** The host id behind a container id, undefined when it is not mapped. */
export function toHostId(map: readonly IdRange[], id: number): number | undefined {
  const range = map.find(({ container, size }) => id >= container && id < container + size);
  return range === undefined ? undefined : range.host + id - range.container;
}

/** The container id that a host id is seen as, undefined when it is not mapped. */
export function toContainerId(map: readonly IdRange[], id: number): number | undefined {
  const range = map.find(({ host, size }) => id >= host && id < host + size);
  return range === undefined ? undefined : range.container + id - range.host;
}
