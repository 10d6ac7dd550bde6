/** Subordinate ids, and the helpers that hand them out. */
import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { hasErrno } from '../errors.js';
import { findProgram, type IdMap } from '../host/id-map.js';
import { addon } from '../native/addon.js';
import { probe } from '../native/probes.js';
import { textOf } from './host-files.js';
import { idMapOf } from './id-map-of.js';
import { type Finding, fine, warn } from './report.js';
import type { Subject } from './subject.js';

const wanted = 65536;
const oneId =
  'containers have a single id: images with files of several owners do not unpack truly, and apt, su and servers that change user fail';

export function checkIds(subject: Subject): readonly Finding[] {
  const map = idMapOf(subject);
  const locked = checkNoNewPrivs();
  if (locked.length > 0) return locked;
  // Root of a namespace writes its maps itself.
  if (map.how === 'direct') return [checkRange(map)];
  const helpers = checkHelpers(subject);
  // Without its helpers a range is of no use: one finding for one fault.
  return helpers.every(({ status }) => status === 'ok') ? [...helpers, checkRange(map)] : helpers;
}

function checkNoNewPrivs(): readonly Finding[] {
  if (!/^NoNewPrivs:\s*1$/m.test(textOf('/proc/self/status') ?? '')) return [];
  return [
    warn('no-new-privs', 'no_new_privs', {
      detail: 'it is set for this process, so setuid helpers have no effect',
      consequence: oneId,
      fix: 'start from a session without it: in a service unit NoNewPrivileges=no, in a container --security-opt no-new-privileges=false',
    }),
  ];
}

function checkHelpers({ env }: Subject): readonly Finding[] {
  return ['newuidmap', 'newgidmap'].map((name) => {
    const path = findProgram(name, env);
    if (path === undefined) {
      return warn(name, name, {
        detail: 'not installed',
        consequence: oneId,
        fix: 'as root: apt-get install uidmap (Fedora: dnf install shadow-utils)',
      });
    }
    const power = powerOf(path);
    if (power !== undefined) return fine(name, name, `${path} (${power})`);
    return warn(name, name, {
      detail: `${path} is neither setuid root nor has it capabilities`,
      consequence: oneId,
      fix: `as root: chmod u+s ${path}`,
    });
  });
}

function powerOf(path: string): string | undefined {
  const { uid, mode } = statSync(path);
  if (uid === 0 && (mode & 0o4000) !== 0) return 'setuid root';
  try {
    addon().getxattr(path, 'security.capability');
    return 'with capabilities';
  } catch (error) {
    if (hasErrno(error, 'ENODATA', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}

function checkRange(map: IdMap): Finding {
  const [id, title] = ['subordinate-ids', 'subordinate ids'];
  const count = Math.min(total(map.uid), total(map.gid));
  if (map.how === 'single') {
    return warn(id, title, {
      detail: map.reason?.replace(/: usermod.*/, '') ?? 'none',
      consequence: oneId,
      fix: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${userName()}`,
    });
  }
  const works = probe('userns', [], map);
  if (!works.works) {
    return warn(id, title, {
      detail: `${count}, but a namespace with them is refused (${works.reason})`,
      consequence: oneId,
      fix: 'as root: make sure that /etc/subuid and /etc/subgid name ranges that belong to nobody else and are mapped on this host',
    });
  }
  if (count <= wanted - 1) {
    return warn(id, title, {
      detail: `${count} ids by ${map.how}`,
      consequence: 'images with owners above that number do not unpack',
      fix: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${userName()}`,
    });
  }
  if (map.reason !== undefined) {
    return warn(id, title, { detail: `${count} ids by ${map.how}`, consequence: map.reason });
  }
  return fine(id, title, `${count} ids by ${map.how}`);
}

function total(ranges: IdMap['uid']): number {
  return ranges.reduce((sum, { size }) => sum + size, 0);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ERR_SYSTEM_ERROR')) return String(process.getuid?.() ?? 0);
    throw error;
  }
}
