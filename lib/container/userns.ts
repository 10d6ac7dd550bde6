/**
 * `--userns`: which ids of the caller a container's ids are. An image's files are never changed for it: where ids are
 * not those of the store, fuse-overlayfs shows each file with the id that is the right one in the container.
 */
import { userInfo } from 'node:os';
import { CoracleError } from '../errors.js';
import type { IdMap, IdRange } from '../host/id-map.js';
import { countIds, requireRange, type UserNamespace } from './inner-map.js';
import { type MapFlag, type MapFlags, type MappedIds, parseMapFlags, parseMapping } from './map-flags.js';

export type UsernsChoice =
  | { readonly mode: 'host' | 'nomap' }
  | {
      readonly mode: 'keep-id';
      readonly uid?: number | undefined;
      readonly gid?: number | undefined;
      readonly size?: number | undefined;
    }
  | AutoChoice
  | MappedIds
  | { readonly mode: 'container'; readonly container: string }
  | { readonly mode: 'ns'; readonly path: string };

/** `auto`, before the numbers of the host in it are looked up. */
export type AutoChoice = {
  readonly mode: 'auto';
  readonly size?: number | undefined;
  readonly uids: readonly MapFlag[];
  readonly gids: readonly MapFlag[];
};

const known =
  'host, keep-id[:uid=N,gid=N,size=N], auto[:size=N,uidmapping=C:F:N,gidmapping=C:F:N], nomap, container:NAME or ns:/proc/PID/ns/user';

/** @throws USAGE, UNSUPPORTED */
export function parseUserns(text: string): UsernsChoice {
  const colon = text.indexOf(':');
  const [mode, rest] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  if (mode === 'host' && rest === '') return { mode: 'host' };
  if (mode === 'nomap' && rest === '') return { mode };
  if (mode === 'auto') return parseAuto(text, rest);
  if (mode === 'keep-id') return { mode, ...parseNumbers(text, rest) };
  if (mode === 'container' && rest !== '') return { mode, container: rest };
  if (mode === 'ns' && rest.startsWith('/')) return { mode, path: rest };
  throw new CoracleError('USAGE', `use --userns ${text}: no such mode`, { hint: known });
}

/** `--userns` and the flags that say the same by numbers. @throws USAGE where both are given */
export function parseUserIds(
  flags: MapFlags & { readonly userns?: string | undefined },
): UsernsChoice | undefined {
  const mapped = parseMapFlags(flags);
  if (!flags.userns) return mapped;
  if (mapped === undefined) return parseUserns(flags.userns);
  throw new CoracleError(
    'USAGE',
    'use --userns with --uidmap, --gidmap or --subuidname: only one of them at a time',
  );
}

function parseAuto(text: string, options: string): AutoChoice {
  const [uids, gids]: [MapFlag[], MapFlag[]] = [[], []];
  let size: number | undefined;
  for (const option of options === '' ? [] : options.split(',')) {
    const [, key, value = ''] = /^(size|uidmapping|gidmapping)=(.+)$/.exec(option) ?? [];
    if (key === 'size' && /^[1-9]\d{0,8}$/.test(value)) size = Number(value);
    else if (key === 'uidmapping' || key === 'gidmapping')
      (key === 'uidmapping' ? uids : gids).push({
        ...parseMapping(`--userns ${text}`, value),
        text: value,
        extends: false,
      });
    else
      throw new CoracleError(
        'USAGE',
        `use --userns ${text}: "${option}" is not size=N, uidmapping= or gidmapping=`,
      );
  }
  return { mode: 'auto', size, uids, gids };
}

function parseNumbers(text: string, options: string): Partial<Record<'uid' | 'gid' | 'size', number>> {
  const values: Partial<Record<'uid' | 'gid' | 'size', number>> = {};
  for (const option of options === '' ? [] : options.split(',')) {
    const [, key, value] = /^(uid|gid|size)=(\d{1,9})$/.exec(option) ?? [];
    if ((key !== 'uid' && key !== 'gid' && key !== 'size') || (key === 'size' && Number(value) === 0)) {
      throw new CoracleError('USAGE', `use --userns ${text}: "${option}" is not uid=N, gid=N or size=N`);
    }
    values[key] = Number(value);
  }
  return values;
}

/** What keep-id comes to, and the user that the caller is in the container. */
export type KeptId = { readonly namespace: UserNamespace; readonly uid: number; readonly gid: number };

/** @throws HOST where only one id can be mapped, USAGE for ids that are not mapped. */
export function keepId(
  choice: Extract<UsernsChoice, { mode: 'keep-id' }>,
  base: IdMap,
  own: { readonly uid: number; readonly gid: number } = userInfo(),
): KeptId {
  requireRange(base, 'use --userns keep-id');
  const { uid = own.uid, gid = own.gid, size } = choice;
  const [uids, gids] = [keptRanges(base.uid, uid, size), keptRanges(base.gid, gid, size)];
  const idMap = { how: base.how, uid: uids, gid: gids };
  if (uid === 0 && gid === 0) return { namespace: { idMap }, uid, gid };
  const fuseOptions = `uidmapping=${shown(uids, uid)},gidmapping=${shown(gids, gid)}`;
  return { namespace: { idMap, fuseOptions }, uid, gid };
}

/** The base's id 0, the caller's own, becomes `kept`; those up to it move down by one, those above stay. */
function keptRanges(base: readonly IdRange[], kept: number, size = countIds(base)): readonly IdRange[] {
  const total = Math.min(size, countIds(base));
  if (kept >= total) {
    throw new CoracleError(
      'USAGE',
      `use --userns keep-id: id ${kept} is not among the ${total} that are mapped`,
      {
        hint: 'keep-id:uid=N,gid=N chooses which ids of the container are yours',
      },
    );
  }
  return [
    ...slice(base, 1, kept, 0),
    ...slice(base, 0, 1, kept),
    ...slice(base, kept + 1, total - kept - 1, kept + 1),
  ];
}

/** `count` ids of the base from `from` on, as those of the container from `to` on. */
function slice(base: readonly IdRange[], from: number, count: number, to: number): readonly IdRange[] {
  return base.flatMap(({ container, host, size }) => {
    const first = Math.max(container, from);
    const end = Math.min(container + size, from + count);
    if (first >= end) return [];
    return [{ container: first - from + to, host: host + first - container, size: end - first }];
  });
}

/** `ON-DISK:SHOWN:SIZE` in the numbers of the container, in which fuse-overlayfs runs: the inverse of what the map does. */
function shown(ranges: readonly IdRange[], kept: number): string {
  const above = countIds(ranges) - kept - 1;
  const parts = [
    [kept, 0, 1],
    [0, 1, kept],
    [kept + 1, kept + 1, above],
  ];
  return parts
    .filter(([, , size]) => size !== 0)
    .map((part) => part.join(':'))
    .join(':');
}
