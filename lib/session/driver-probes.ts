/** The experiments behind the choice of a storage driver, on the store's own file system. */
import { rmSync } from 'node:fs';
import { hasErrno } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import type { Environment } from '../host/paths.js';
import type { Stores } from '../image/stores.js';
import { addon } from '../native/addon.js';
import { type Probe, probe } from '../native/probes.js';
import type { DriverProbe, DriverProbes } from '../snapshot/driver.js';

/** Probes for a store; nothing is tried before one is called. */
export function driverProbes(
  stores: Pick<Stores, 'paths' | 'idMap' | 'staging'>,
  env: Environment,
): DriverProbes {
  const tried = (name: 'overlay' | 'fuse-overlayfs', ...program: readonly string[]): Probe => {
    const directory = stores.staging.open().directory('probe');
    try {
      if (!keepsAttributes(directory)) return { works: false, reason: noAttributes };
      return probe(name, [directory, ...program], stores.idMap());
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  return {
    overlay: () => {
      return answer(tried('overlay'), 'coracle doctor says what is missing for overlay in user namespaces');
    },
    fuse: () => {
      const program = findProgram('fuse-overlayfs', env);
      if (program === undefined) {
        return {
          works: false,
          reason: 'fuse-overlayfs is not installed',
          fix: 'install the package fuse-overlayfs',
        };
      }
      return answer(
        tried('fuse-overlayfs', program),
        'make sure that /dev/fuse is there: modprobe fuse; chmod 666 /dev/fuse',
      );
    },
  };
}

const noAttributes = 'the file system of the store keeps no user attributes';

/** Whiteouts of directories and, with one id only, owners are user attributes. */
function keepsAttributes(directory: string): boolean {
  try {
    addon().setxattr(directory, 'user.coracle.probe', Buffer.from('y'));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) return false;
    throw error;
  }
}

function answer(found: Probe, fix: string): DriverProbe {
  if (found.works) return { works: true };
  if (found.reason === noAttributes) {
    const better = 'put the store on ext4, xfs, btrfs or a tmpfs of a kernel from 6.6 on, with --root';
    return { works: false, reason: noAttributes, fix: better };
  }
  return { works: false, reason: found.reason ?? 'it does not work here', fix };
}
