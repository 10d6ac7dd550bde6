/** `--uidmap`, `--gidmap`, `--subuidname`, `--subgidname`, and the same inside of `--userns auto`. Pure. */
import { CoracleError } from '../errors.js';
import type { IdRange } from '../host/id-map.js';
import { toContainerId } from '../host/sub-ids.js';
import { countIds, type IdPart } from './inner-map.js';

/** A range as it was given. */
export type MapFlag = {
  readonly text: string;
  readonly container: number;
  readonly from: number;
  readonly size: number;
  /** `@`: `from` is an id of this host, not of the store. */
  readonly host: boolean;
  /** `+`: it changes the usual map instead of being a part of a new one. */
  readonly extends: boolean;
};

/** Ids as they were chosen by number, or by the owner of a range of /etc/subuid and /etc/subgid. */
export type MappedIds =
  | { readonly mode: 'map'; readonly uid: readonly MapFlag[]; readonly gid: readonly MapFlag[] }
  | { readonly mode: 'sub'; readonly uid: string; readonly gid: string };

export type MapFlags = {
  readonly uidmap?: readonly string[] | undefined;
  readonly gidmap?: readonly string[] | undefined;
  readonly subuidname?: string | undefined;
  readonly subgidname?: string | undefined;
};

/** Undefined where none is given. @throws USAGE */
export function parseMapFlags({
  uidmap = [],
  gidmap = [],
  subuidname,
  subgidname,
}: MapFlags): MappedIds | undefined {
  const named = subuidname ?? subgidname;
  const mapped = uidmap.length > 0 || gidmap.length > 0;
  if (named === undefined && !mapped) return undefined;
  if (named !== undefined && mapped) {
    throw new CoracleError('USAGE', 'use --subuidname with --uidmap: only one of them at a time');
  }
  if (named !== undefined) return { mode: 'sub', uid: subuidname ?? named, gid: subgidname ?? named };
  const [uids, gids] = [flagsOf('uidmap', uidmap), flagsOf('gidmap', gidmap)];
  const uid = [...uids.own, ...gids.other];
  const gid = [...gids.own, ...uids.other];
  return { mode: 'map', uid: uid.length > 0 ? uid : gid, gid: gid.length > 0 ? gid : uid };
}

/** With the flags `u` and `g` a range is of the one or the other kind, or of both. */
function flagsOf(
  flag: 'uidmap' | 'gidmap',
  texts: readonly string[],
): { readonly own: MapFlag[]; readonly other: MapFlag[] } {
  const [mine, theirs] = flag === 'uidmap' ? ['u', 'g'] : ['g', 'u'];
  const [own, other]: [MapFlag[], MapFlag[]] = [[], []];
  for (const text of texts) {
    const [, letters = '', rest = ''] = /^([+ug]*)(.*)$/.exec(text) ?? [];
    const parsed = { ...parseMapping(`--${flag} ${text}`, rest), text, extends: letters.includes('+') };
    if (letters.includes(mine ?? '') || !letters.includes(theirs ?? '')) own.push(parsed);
    if (letters.includes(theirs ?? '')) other.push(parsed);
  }
  return { own, other };
}

/** `CONTAINER:[@]FROM[:SIZE]`. @throws USAGE */
export function parseMapping(what: string, text: string): Omit<MapFlag, 'text' | 'extends'> {
  const match = /^(\d{1,10}):(@?)(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  const [, container = '', at = '', from = '', size = '1'] = match ?? [];
  if (match !== null && Number(size) > 0) {
    return { container: Number(container), from: Number(from), size: Number(size), host: at === '@' };
  }
  throw new CoracleError('USAGE', `use ${what}: expected CONTAINER:FROM[:SIZE]`, {
    hint: 'FROM counts your ids: 0 is you, your subordinate ids follow; @FROM is an id of this host; +CONTAINER:FROM changes the usual map',
  });
}

/** The parts of a map; what extends one, or the usual one, takes its ids from it first. @throws USAGE for ids of the host that are not the caller's */
export function mapParts(base: readonly IdRange[], flags: readonly MapFlag[]): readonly IdPart[] {
  const usual = flags.every((flag) => flag.extends) ? [{ container: 0, store: 0, size: countIds(base) }] : [];
  return flags.reduce<readonly IdPart[]>((map, flag) => {
    const part = storePart(base, flag);
    return [...(flag.extends ? without(without(map, part, 'container'), part, 'store') : map), part];
  }, usual);
}

/** A range by the store's numbers. @throws USAGE */
export function storePart(base: readonly IdRange[], flag: Omit<MapFlag, 'text' | 'extends'>): IdPart {
  const { container, size, from, host } = flag;
  if (!host) return { container, store: from, size };
  const store = toContainerId(base, from);
  if (store !== undefined && toContainerId(base, from + size - 1) === store + size - 1)
    return { container, store, size };
  throw new CoracleError(
    'USAGE',
    `map ids from @${from} on: ${from} to ${from + size - 1} of this host are not all yours to map`,
  );
}

/** A map without the ids of a part, whatever they were mapped to. */
function without(map: readonly IdPart[], part: IdPart, field: 'container' | 'store'): readonly IdPart[] {
  const [start, end] = [part[field], part[field] + part.size];
  return map.flatMap((each) => {
    const [first, last] = [each[field], each[field] + each.size];
    if (last <= start || first >= end) return [each];
    const before = { container: each.container, store: each.store, size: Math.max(start - first, 0) };
    const cut = Math.max(end - first, 0);
    const after = { container: each.container + cut, store: each.store + cut, size: Math.max(last - end, 0) };
    return [before, after].filter(({ size }) => size > 0);
  });
}
