/**
 * `--userns`: which ids of the caller a container's ids are. An image's files are never changed for it: where ids are
 * not those of the store, fuse-overlayfs shows each file with the id that is the right one in the container.
 */
import { userInfo } from 'node:os';
import { CoracleError } from '../errors.js';
import type { IdMap, IdRange } from '../host/id-map.js';

export type UsernsChoice =
  | { readonly mode: 'host' }
  | {
      readonly mode: 'keep-id';
      readonly uid?: number | undefined;
      readonly gid?: number | undefined;
      readonly size?: number | undefined;
    }
  | { readonly mode: 'container'; readonly container: string };

/** A user namespace other than the usual one. */
export type UserNamespace = {
  readonly idMap: IdMap;
  /** Of fuse-overlayfs, which has to serve the root file system then. */
  readonly fuseOptions?: string | undefined;
};

const known = 'host, keep-id[:uid=N,gid=N,size=N] or container:NAME';

/** @throws USAGE, UNSUPPORTED */
export function parseUserns(text: string): UsernsChoice {
  const colon = text.indexOf(':');
  const [mode, rest] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
  if (mode === 'host' && rest === '') return { mode: 'host' };
  if (mode === 'keep-id') return { mode, ...parseNumbers(text, rest) };
  if (mode === 'container' && rest !== '') return { mode, container: rest };
  if (['auto', 'nomap', 'ns', 'private'].includes(mode)) {
    throw new CoracleError('UNSUPPORTED', `use --userns ${text}: not supported`, { hint: known });
  }
  throw new CoracleError('USAGE', `use --userns ${text}: no such mode`, { hint: known });
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
  if (base.how === 'single') {
    throw new CoracleError('HOST', `use --userns keep-id: ${base.reason ?? 'only one id can be mapped'}`, {
      hint: 'coracle doctor tells what is missing',
    });
  }
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

function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((count, { size }) => count + size, 0);
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
