/**
 * Which ids containers get: the ladder from a full range by newuidmap, over maps written by root of a
 * namespace we are already in, down to the one id every user has.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Environment } from './paths.js';
import {
  concatenateRanges,
  type IdRange,
  parseSubIds,
  splitAtParentExtents,
  throughOuter,
} from './sub-ids.js';

export { type HostRange, type IdRange, parseSubIds, toContainerId, toHostId } from './sub-ids.js';

/** How the maps of a container's user namespace are written. */
export type IdMapMethod = 'newuidmap' | 'direct' | 'single';

export type IdMap = {
  readonly how: IdMapMethod;
  readonly uid: readonly IdRange[];
  readonly gid: readonly IdRange[];
  /** Why it is not a better one, and what would make it one. */
  readonly reason?: string;
};

/** What the ladder looks at. Texts are those of the files, empty where there is none. */
export type IdFacts = {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly subuid: string;
  readonly subgid: string;
  /** /proc/self/uid_map and gid_map. */
  readonly uidMap: string;
  readonly gidMap: string;
  /** The helpers of the set-up that were not found. */
  readonly missingHelpers: readonly string[];
  readonly noNewPrivs: boolean;
};

/**
 * The best map this process can give a container.
 * @throws HOST when `forced` cannot be had here.
 */
export function detectIdMap(
  options: { readonly forced?: IdMapMethod; readonly env?: Environment } = {},
): IdMap {
  return chooseIdMap(readIdFacts(options.env ?? process.env), options.forced);
}

/** The decision alone. */
export function chooseIdMap(facts: IdFacts, forced?: IdMapMethod): IdMap {
  const nested = facts.uid === 0 && !isInitialMap(facts.uidMap);
  const fault = helperFault(facts);
  if (forced !== undefined) return forcedMap(facts, forced, fault);
  if (nested) return nestedMap(facts);
  if (fault === undefined) return helperMap(facts);
  if (facts.uid === 0) return { ...directMap(facts), reason: rootReason };
  return singleMap(facts, fault);
}

const rootReason =
  'started by root of the host: root in a container is root of the host; work as an ordinary user instead';

function forcedMap(facts: IdFacts, forced: IdMapMethod, fault: string | undefined): IdMap {
  if (forced === 'single') return singleMap(facts, 'forced');
  if (forced === 'direct' && facts.uid === 0) return directMap(facts);
  if (forced === 'newuidmap' && fault === undefined) return helperMap(facts);
  const reason =
    forced === 'direct' ? `uid ${facts.uid} is not root of a user namespace` : (fault ?? 'not possible');
  throw new CoracleError('HOST', `map ids by ${forced}: ${reason}`, {
    hint: 'leave the choice to coracle, or mend what the message names',
  });
}

/** Why newuidmap and newgidmap cannot serve this user, with the fix; undefined when they can. */
function helperFault(facts: IdFacts): string | undefined {
  const { user, uid } = facts;
  if (facts.noNewPrivs) return 'no_new_privs is set, so setuid helpers have no effect';
  if (!mapsRoot(facts.uidMap)) {
    return 'the user namespace it runs in has no root, so setuid helpers have no effect';
  }
  if (facts.missingHelpers.length > 0) {
    return `${facts.missingHelpers.join(' and ')} not found: install the package uidmap (shadow-utils)`;
  }
  for (const [file, text] of [
    ['/etc/subuid', facts.subuid],
    ['/etc/subgid', facts.subgid],
  ] as const) {
    if (parseSubIds(text, user, uid).length > 0) continue;
    return `${file} has no usable range for ${user}: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`;
  }
  return undefined;
}

function helperMap(facts: IdFacts): IdMap {
  const { user, uid, gid } = facts;
  return {
    how: 'newuidmap',
    uid: concatenateRanges(uid, parseSubIds(facts.subuid, user, uid)),
    gid: concatenateRanges(gid, parseSubIds(facts.subgid, user, uid, gid)),
    ...(uid === 0 ? { reason: rootReason } : {}),
  };
}

/** Real root has all ids; it hands on as many as a usual subordinate range has. */
function directMap(facts: IdFacts): IdMap {
  const limit = isInitialMap(facts.uidMap) ? 65536 : undefined;
  return {
    how: 'direct',
    uid: splitAtParentExtents(facts.uidMap, limit),
    gid: splitAtParentExtents(facts.gidMap, limit),
  };
}

/** A namespace of one id, as `unshare -r` makes it, has nothing to hand on. */
function nestedMap(facts: IdFacts): IdMap {
  const map = directMap(facts);
  const count = Math.min(countIds(map.uid), countIds(map.gid));
  return count > 1 ? map : singleMap(facts, 'the user namespace it runs in has only one id');
}

function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((count, { size }) => count + size, 0);
}

function singleMap(facts: IdFacts, reason: string): IdMap {
  return {
    how: 'single',
    uid: [{ container: 0, host: facts.uid, size: 1 }],
    gid: [{ container: 0, host: facts.gid, size: 1 }],
    reason,
  };
}

/** A container's map by the numbers of the host, also where its user namespace is inside of another. */
export function hostIdMap(map: IdMap, outer: IdMap | undefined): IdMap {
  if (outer === undefined) return map;
  return { ...map, uid: throughOuter(map.uid, outer.uid), gid: throughOuter(map.gid, outer.gid) };
}

function mapsRoot(uidMap: string): boolean {
  return uidMap === '' || /^\s*0\s/m.test(uidMap);
}

function isInitialMap(uidMap: string): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
}

function readIdFacts(env: Environment): IdFacts {
  const { username, uid, gid } = account();
  return {
    user: username,
    uid,
    gid,
    subuid: readText('/etc/subuid'),
    subgid: readText('/etc/subgid'),
    uidMap: readText('/proc/self/uid_map'),
    gidMap: readText('/proc/self/gid_map'),
    missingHelpers: ['newuidmap', 'newgidmap'].filter((name) => findProgram(name, env) === undefined),
    noNewPrivs: /^NoNewPrivs:\s*1$/m.test(readText('/proc/self/status')),
  };
}

/** The user as the system knows it; a uid without an account (common in containers) is named by its number. */
function account(): { readonly username: string; readonly uid: number; readonly gid: number } {
  try {
    return userInfo();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ERR_SYSTEM_ERROR')) throw error;
    const uid = process.getuid?.() ?? 0;
    return { username: `${uid}`, uid, gid: process.getgid?.() ?? 0 };
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw ioError(`read ${path}`, error);
  }
}

/** An executable in PATH or the system directories, which a user's PATH often lacks. */
export function findProgram(name: string, env: Environment): string | undefined {
  const directories = [
    ...(env.PATH ?? '').split(delimiter),
    '/usr/local/bin',
    '/usr/bin',
    '/bin',
    '/usr/sbin',
    '/sbin',
  ];
  for (const directory of directories) {
    if (!directory.startsWith('/')) continue;
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'ELOOP')) throw error;
    }
  }
  return undefined;
}
