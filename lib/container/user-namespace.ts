/** Looks up what `--userns` comes to. Loaded where a user namespace is asked for, or comes with another container's. */
import { readFileSync, readlinkSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { IdMap, IdRange } from '../host/id-map.js';
import { parseIdMap, parseSubIds } from '../host/sub-ids.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { accountIds, autoNamespace } from './auto-ids.js';
import { ContainerStore } from './container-store.js';
import {
  countIds,
  hostParts,
  innerNamespace,
  requireRange,
  type UserNamespace,
  withoutCaller,
} from './inner-map.js';
import { type MappedIds, mapParts, storePart } from './map-flags.js';
import type { ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';
import type { ContainerStores } from './stores.js';
import { keepId, type UsernsChoice } from './userns.js';

/** What a container is made from besides its options. */
export type UserNamespaceFacts = {
  readonly config: ContainerConfig;
  /** Directories of the image, topmost first; empty for none. */
  readonly layers: () => readonly string[];
  /** Id of the container whose network, or other namespace, is used. */
  readonly lender: string | undefined;
};

export type ResolvedUser = {
  readonly userContainer?: string | undefined;
  readonly userNamespace?: UserNamespace | undefined;
  /** The process's user that comes with it. */
  readonly user?: string | undefined;
};

type Steps = Pick<ContainerStores, 'paths' | 'idMap'>;

/** @throws USAGE, NOT_FOUND, HOST, UNSUPPORTED */
export function resolveUserNamespace(
  stores: Steps,
  options: RunOptions,
  facts: UserNamespaceFacts,
): ResolvedUser {
  const { lender } = facts;
  const choice: UsernsChoice = options.userns ?? { mode: 'host' };
  if (lender !== undefined && options.groups?.includes('keep-groups')) {
    throw new CoracleError(
      'UNSUPPORTED',
      'use --group-add keep-groups: not with namespaces of another container',
    );
  }
  if (choice.mode === 'container') {
    const { record } = new ContainerStore(stores.paths).resolve(choice.container);
    return { userContainer: record.id, ...lent(record) };
  }
  if (lender !== undefined) {
    const { record } = new ContainerStore(stores.paths).resolve(lender);
    // `host` is the usual namespace: what a container has that was given none.
    const fits = choice.mode === 'host' && record.userNamespace === undefined;
    if (options.userns === undefined || fits) return lent(record);
    throw new CoracleError('USAGE', 'use --userns with namespaces of another container: it comes with them', {
      hint: `leave --userns out, or say --userns container:${record.name}`,
    });
  }
  const made = makeNamespace(stores, choice, options, facts);
  if (
    made.userNamespace?.fuseOptions !== undefined &&
    ['overlay', 'copy'].includes(options.storageDriver ?? '')
  ) {
    throw new CoracleError(
      'UNSUPPORTED',
      `use --userns ${choice.mode} with storage driver ${options.storageDriver}`,
      {
        hint: 'fuse-overlayfs is what shows files with other ids',
      },
    );
  }
  return made;
}

/** The ids stay those of the one they were allotted to. */
function lent({ userNamespace }: ContainerRecord): ResolvedUser {
  if (userNamespace === undefined) return {};
  const { allotted: _theirs, ...rest } = userNamespace;
  return { userNamespace: rest };
}

function makeNamespace(
  stores: Steps,
  choice: Exclude<UsernsChoice, { readonly mode: 'container' }>,
  options: RunOptions,
  { config, layers }: UserNamespaceFacts,
): ResolvedUser {
  const base = stores.idMap();
  switch (choice.mode) {
    case 'host':
      return {};
    case 'keep-id': {
      const { namespace, uid, gid } = keepId(choice, base);
      return { userNamespace: namespace, user: config.User || `${uid}:${gid}` };
    }
    case 'nomap': {
      requireRange(base, 'use --userns nomap');
      const parts = { uid: withoutCaller(base.uid), gid: withoutCaller(base.gid) };
      return { userNamespace: innerNamespace(base, parts, 'use --userns nomap') };
    }
    case 'auto': {
      const others = [...new ContainerStore(stores.paths).records().values()];
      const taken = others.flatMap((record) => record?.userNamespace ?? []);
      const wanted = choice.size === undefined ? accountIds(layers(), options.user ?? config.User) : 0;
      requireRange(base, 'use --userns auto');
      const uids = choice.uids.map((flag) => storePart(base.uid, flag));
      const gids = choice.gids.map((flag) => storePart(base.gid, flag));
      return { userNamespace: autoNamespace({ ...choice, uids, gids }, base, taken, wanted) };
    }
    case 'ns':
      return { userNamespace: namespaceAt(choice.path, base) };
    case 'map':
    case 'sub':
      return { userNamespace: mappedNamespace(choice, base) };
  }
}

function mappedNamespace(choice: MappedIds, base: IdMap): UserNamespace {
  if (choice.mode === 'map') {
    requireRange(base, 'use --uidmap');
    const parts = { uid: mapParts(base.uid, choice.uid), gid: mapParts(base.gid, choice.gid) };
    return innerNamespace(base, parts, 'use --uidmap');
  }
  requireRange(base, 'use --subuidname');
  const parts = {
    uid: namedParts(base.uid, choice.uid, '/etc/subuid'),
    gid: namedParts(base.gid, choice.gid, '/etc/subgid'),
  };
  return innerNamespace(base, parts, 'use --subuidname');
}

function namedParts(base: readonly IdRange[], name: string, file: string): ReturnType<typeof hostParts> {
  const ranges = parseSubIds(readText(file), name, -1);
  if (ranges.length > 0) return hostParts(base, ranges, `use ids of ${name} in ${file}`);
  throw new CoracleError('NOT_FOUND', `use ids of ${name}: ${file} has no range for it`);
}

/** A user namespace of a process of the caller. Ids that it lacks are nobody's there. @throws HOST for one that lacks the caller or root */
function namespaceAt(path: string, base: IdMap): UserNamespace {
  const process = /^(\/proc\/[1-9]\d*)\/ns\/user$/.exec(path)?.[1];
  if (process === undefined) {
    throw new CoracleError('UNSUPPORTED', `use --userns ns:${path}: not /proc/PID/ns/user`, {
      hint: 'its map is read from there',
    });
  }
  const target = userNamespaceTarget(path);
  if (target === undefined)
    throw new CoracleError('NOT_FOUND', `use --userns ns:${path}: no such process of yours`);
  if (target === userNamespaceTarget('/proc/self/ns/user')) return { idMap: base };
  const uid = parseIdMap(readText(`${process}/uid_map`));
  const gid = parseIdMap(readText(`${process}/gid_map`));
  const shown = { uid: shownIn(base.uid, uid), gid: shownIn(base.gid, gid) };
  if (shown.uid === undefined || shown.gid === undefined || uid[0]?.container !== 0) {
    throw new CoracleError('HOST', `use --userns ns:${path}: it has not you in it, and a root`, {
      hint: 'one with your ids is made by: unshare --user --map-auto --map-root-user',
    });
  }
  const same = [shown.uid, shown.gid].every((text) => text === '');
  const fuseOptions = same
    ? undefined
    : `uidmapping=${shown.uid || identity(base.uid)},gidmapping=${shown.gid || identity(base.gid)}`;
  return { idMap: { how: base.how, uid, gid }, fuseOptions, path, target };
}

function identity(base: readonly IdRange[]): string {
  return `0:0:${countIds(base)}`;
}

/** `ON-DISK:SHOWN:SIZE` of the store's ids that are there, empty where they are the same; undefined where the caller's is missing. */
function shownIn(base: readonly IdRange[], map: readonly IdRange[]): string | undefined {
  const parts = base.flatMap((store) =>
    map.flatMap((own) => {
      const first = Math.max(store.host, own.host);
      const size = Math.min(store.host + store.size, own.host + own.size) - first;
      const [disk, shown] = [own.container + first - own.host, store.container + first - store.host];
      return size <= 0 ? [] : [{ disk, shown, size }];
    }),
  );
  if (!parts.some(({ shown }) => shown === 0)) return undefined;
  if (parts.every(({ disk, shown }) => disk === shown)) return '';
  return parts.map(({ disk, shown, size }) => `${disk}:${shown}:${size}`).join(':');
}

/** `user:[NUMBER]`; undefined where there is no such process, or it is not the caller's. */
export function userNamespaceTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ESRCH')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return '';
    throw ioError(`read ${path}`, error);
  }
}
