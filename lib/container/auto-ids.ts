/**
 * `--userns auto`: a part of the store's ids that no other such container has. What is taken is read from the containers' records, so
 * it is free again when they are gone; whoever chooses holds the lock until its own record is written.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import { toContainerId, toHostId } from '../host/sub-ids.js';
import { countIds, type IdPart, innerNamespace, requireRange, type UserNamespace } from './inner-map.js';

/** What is asked for; parts are given to the container besides, others may have them too. */
export type AutoIds = {
  readonly mode: 'auto';
  readonly size?: number | undefined;
  readonly uids: readonly IdPart[];
  readonly gids: readonly IdPart[];
};

/** A part of the store's ids. */
export type Block = { readonly start: number; readonly size: number };

const smallest = 1024;
/** nobody, which is no account that has files. */
const nobody = 65_534;

/** @throws HOST when no block of the size is free */
export function autoNamespace(
  choice: AutoIds,
  base: IdMap,
  taken: readonly UserNamespace[],
  wanted: number,
): UserNamespace {
  const what = 'use --userns auto';
  requireRange(base, what);
  const size = Math.max(choice.size ?? Math.max(wanted, smallest), 1);
  const start = freeBlock(
    base,
    taken.flatMap(({ allotted }) => blockIn(base, allotted)),
    size,
  );
  const parts = { uid: around(choice.uids, start, size), gid: around(choice.gids, start, size) };
  const host = toHostId(base.uid, start) ?? 0;
  return { ...innerNamespace(base, parts, what), allotted: { start: host, size } };
}

/** Recorded by the host's numbers: the store's are others when /etc/subuid is. */
function blockIn(base: IdMap, allotted: UserNamespace['allotted']): readonly Block[] {
  const start = allotted === undefined ? undefined : toContainerId(base.uid, allotted.start);
  return allotted === undefined || start === undefined ? [] : [{ start, size: allotted.size }];
}

/** The first gap that is large enough; the caller's own id, 0, is nobody's. A block lies in one range of the host's ids. */
function freeBlock(base: IdMap, taken: readonly Block[], size: number): number {
  const limit = Math.min(countIds(base.uid), countIds(base.gid));
  const sorted = [...taken].sort((a, b) => a.start - b.start);
  for (const range of base.uid) {
    let next = Math.max(range.container, 1);
    const end = Math.min(range.container + range.size, limit);
    for (const block of [...sorted, { start: end, size: 0 }]) {
      if (Math.min(block.start, end) - next >= size) return next;
      next = Math.max(next, block.start + block.size);
    }
  }
  throw new CoracleError('HOST', `use --userns auto: no ${size} ids are free`, {
    hint: `${limit - 1} are there, ${taken.length} containers have some: remove those that are not needed, give a smaller size=N, or get more in /etc/subuid and /etc/subgid`,
  });
}

/** The block fills the container's ids that no part has. */
function around(parts: readonly IdPart[], start: number, size: number): readonly IdPart[] {
  const all = [...parts];
  let [next, store] = [0, start];
  for (const part of [...parts].sort((a, b) => a.container - b.container)) {
    const gap = Math.min(part.container, size) - next;
    if (gap > 0) all.push({ container: next, store, size: gap });
    if (gap > 0) store += gap;
    next = Math.max(next, part.container + part.size);
  }
  if (next < size) all.push({ container: next, store, size: size - next });
  return all;
}

/** One past the highest id that the accounts of an image have: `layers` are its directories, topmost first. */
export function accountIds(layers: readonly string[], user = ''): number {
  const numbers = ['passwd', 'group'].flatMap((name) => {
    const text = layers.map((layer) => readAccounts(layer, name)).find((each) => each !== undefined) ?? '';
    return text.split('\n').flatMap((line) => line.split(':').slice(2, name === 'passwd' ? 4 : 3));
  });
  const ids = [...numbers, ...user.split(':')]
    .filter((text) => /^\d{1,9}$/.test(text))
    .map(Number)
    .filter((id) => id !== nobody);
  return Math.max(0, ...ids) + 1;
}

/** Links of the image lead nowhere; a file that cannot be read says nothing. */
function readAccounts(layer: string, name: string): string | undefined {
  let descriptor: number | undefined;
  try {
    if (!lstatSync(join(layer, 'etc')).isDirectory()) return undefined;
    descriptor = openSync(
      join(layer, 'etc', name),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const status = fstatSync(descriptor);
    return status.isFile() && status.size <= 1 << 20 ? readFileSync(descriptor, 'latin1') : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO')) return undefined;
    throw ioError(`read etc/${name} of ${layer}`, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
