/** The store's file system and the drivers that work on it. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import { type Probe, probe } from '../native/probes.js';
import { exists } from './host-files.js';
import { idMapOf } from './id-map-of.js';
import { type Finding, fail, fine, warn } from './report.js';
import type { Subject } from './subject.js';

/** Free bytes below which an ordinary image does not fit any more. */
const littleSpace = 2 * 1024 ** 3;

/** The place of the store and what its file system keeps. */
export function checkStore({ root }: Subject): readonly Finding[] {
  const directory = existingParent(root);
  const place = checkPlace(root, directory);
  if (place.some(({ status }) => status === 'fail')) return place;
  return [...place, withScratch(directory, checkXattrs)];
}

/** Which drivers work there. */
export function checkDrivers(subject: Subject): readonly Finding[] {
  const directory = existingParent(subject.root);
  return withScratch(directory, (scratch) => tryDrivers(subject, scratch));
}

function withScratch<T>(directory: string, check: (scratch: string) => T): T {
  const scratch = mkdtempSync(join(directory, '.coracle-doctor-'));
  try {
    return check(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function existingParent(path: string): string {
  return exists(path) || path === dirname(path) ? path : existingParent(dirname(path));
}

const networkFileSystems = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x47504653, 'GPFS'],
  [0x0bd00bd0, 'Lustre'],
]);

const localFileSystems = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x2fc12fc1, 'zfs'],
  [0xf2f52010, 'f2fs'],
  [0xca451a4e, 'bcachefs'],
  [0x794c7630, 'overlay'],
  [0x65735546, 'FUSE'],
  [0x4d44, 'FAT'],
]);

function checkPlace(root: string, directory: string): readonly Finding[] {
  const [id, title] = ['store', 'store'];
  const fault = writeFault(directory);
  if (fault !== undefined) {
    return [
      fail(id, title, {
        detail: `${root}: ${fault}`,
        consequence: 'nothing can be stored',
        fix: 'name a directory of your own with --root or CORACLE_ROOT',
      }),
    ];
  }
  const { type, bavail, bsize } = statfsSync(directory);
  const remote = networkFileSystems.get(type);
  if (remote !== undefined) {
    return [
      warn(id, title, {
        detail: `${root} is on ${remote}`,
        consequence: 'files of subordinate owners cannot be stored there',
        fix: 'use a local directory with --root or CORACLE_ROOT',
      }),
    ];
  }
  const free = bavail * bsize;
  const kind = localFileSystems.get(type);
  const text = `${root} (${kind === undefined ? '' : `${kind}, `}${(free / 1e9).toFixed(1)} GB free)`;
  if (free >= littleSpace) return [fine(id, title, text)];
  return [
    warn(id, title, {
      detail: text,
      consequence: 'larger images will not fit',
      fix: 'coracle rmi what is not needed, or use another file system with --root',
    }),
  ];
}

function writeFault(directory: string): string | undefined {
  try {
    rmSync(mkdtempSync(join(directory, '.coracle-doctor-')), { recursive: true });
    return undefined;
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR'))
      return `${error.code} in ${directory}`;
    throw ioError(`write to ${directory}`, error);
  }
}

function checkXattrs(scratch: string): Finding {
  const found = probe('xattr', [scratch]);
  if (found.works) return fine('xattr', 'user attributes', 'the store can keep them');
  return warn('xattr', 'user attributes', {
    detail: found.reason ?? 'not kept',
    consequence: 'layers cannot be kept in the form overlay reads: only small images by plain copies',
    fix: 'put the store on ext4, xfs, btrfs or a tmpfs of a kernel from 6.6 on, with --root',
  });
}

function tryDrivers(subject: Subject, scratch: string): readonly Finding[] {
  const map = idMapOf(subject);
  const overlay = probe('overlay', [scratch], map);
  const program = findProgram('fuse-overlayfs', subject.env);
  const fuse: Probe =
    program === undefined
      ? { works: false, reason: 'not installed' }
      : probe('fuse-overlayfs', [scratch, program], map);
  return [
    ...ownersFindings(scratch, map),
    overlayFinding(overlay, fuse),
    ...fuseFindings(overlay, fuse, program),
  ];
}

/** With a single id there are no other owners: they are kept as attributes. */
function ownersFindings(scratch: string, map: ReturnType<typeof idMapOf>): readonly Finding[] {
  if (map.uid.length < 2) return [];
  const found = probe('owners', [scratch], map);
  if (found.works) return [fine('owners', 'owners of files', 'the store can keep them')];
  return [
    fail('owners', 'owners of files', {
      detail: found.reason ?? 'not kept',
      consequence: 'images cannot be unpacked there',
      fix: 'put the store on ext4, xfs, btrfs or a tmpfs with --root or CORACLE_ROOT',
    }),
  ];
}

function overlayFinding(overlay: Probe, fuse: Probe): Finding {
  if (overlay.works) return fine('overlay', 'overlay', 'the kernel mounts it in user namespaces');
  return warn('overlay', 'overlay', {
    detail: overlay.reason ?? 'refused',
    consequence: fuse.works
      ? 'fuse-overlayfs is used: slower, and a process beside each container'
      : 'root file systems are plain copies: slow to start, large',
    fix: 'use a kernel from 5.13 on and a store on ext4, xfs or btrfs',
  });
}

/** Only of interest where the kernel's overlay is not to be had; said anyway when it works. */
function fuseFindings(overlay: Probe, fuse: Probe, program: string | undefined): readonly Finding[] {
  const [id, title] = ['fuse-overlayfs', 'fuse-overlayfs'];
  if (fuse.works) return [fine(id, title, program ?? '')];
  if (overlay.works) return [fine(id, title, `${fuse.reason}, not needed here`)];
  const fix =
    program === undefined
      ? 'as root: apt-get install fuse-overlayfs'
      : 'as root: modprobe fuse; test -e /dev/fuse || mknod /dev/fuse c 10 229; chmod 666 /dev/fuse';
  const detail = fuse.reason ?? 'it does not work';
  return [warn(id, title, { detail, consequence: 'root file systems are plain copies', fix })];
}
