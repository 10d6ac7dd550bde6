/**
 * Which driver makes root file systems here: the kernel's overlay, fuse-overlayfs, or plain copies. Decided by
 * trying, because versions and permissions tell too little; what was found is kept for this boot, kernel, user
 * and file system.
 */
import { statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { mountOf } from '../host/mount-table.js';
import { bootId } from '../host/process.js';

export type StorageDriver = 'overlay' | 'fuse-overlayfs' | 'copy';

export const storageDrivers: readonly StorageDriver[] = ['overlay', 'fuse-overlayfs', 'copy'];

/** Whether a driver works here; `reason` says why not, `fix` what would help. */
export type DriverProbe = { readonly works: boolean; readonly reason?: string; readonly fix?: string };

/** The experiments, each a few milliseconds on the store's file system. `copy` needs none: it only must be executed from there. */
export type DriverProbes = {
  overlay(): DriverProbe;
  fuse(): DriverProbe;
};

export type DriverChoice = {
  readonly driver: StorageDriver;
  /** Why it is not the best one. */
  readonly reason?: string;
};

export type DriverContext = {
  readonly probes: DriverProbes;
  /** A directory on the store's file system. */
  readonly store: string;
  /** Where results are kept (cacheDirectory). */
  readonly cache: string;
};

/**
 * The forced driver if it works, else the best that does.
 * @throws USAGE for an unknown name, HOST when the forced one does not work here.
 */
export function chooseDriver(forced: string | undefined, context: DriverContext): DriverChoice {
  if (forced !== undefined) return { driver: checkForced(forced, context) };
  const overlay = probeDriver('overlay', context);
  if (overlay.works) return { driver: 'overlay' };
  const fuse = probeDriver('fuse-overlayfs', context);
  if (fuse.works) return { driver: 'fuse-overlayfs', reason: `overlay: ${overlay.reason}` };
  const reason = `overlay: ${overlay.reason}; fuse-overlayfs: ${fuse.reason}`;
  const copy = probeDriver('copy', context);
  if (copy.works) return { driver: 'copy', reason };
  throw new CoracleError('HOST', `choose storage driver: ${reason}; copy: ${copy.reason}`, {
    hint: copy.fix ?? 'coracle doctor says what is missing here',
  });
}

function checkForced(forced: string, context: DriverContext): StorageDriver {
  const driver = storageDrivers.find((name) => name === forced);
  if (driver === undefined) {
    throw new CoracleError('USAGE', `use storage driver ${JSON.stringify(forced)}: no such driver`, {
      hint: `one of ${storageDrivers.join(', ')}`,
    });
  }
  const probe = probeDriver(driver, context);
  if (probe.works) return driver;
  throw new CoracleError('HOST', `use storage driver ${driver}: ${probe.reason ?? 'it does not work here'}`, {
    hint: [probe.fix, 'or leave the choice to coracle'].filter((part) => part !== undefined).join('; '),
  });
}

/** Whether a driver works here. Good and bad results are remembered until something that matters changes. */
export function probeDriver(driver: StorageDriver, context: DriverContext): DriverProbe {
  if (driver === 'copy') return probeCopy(context);
  const path = join(context.cache, `driver-${driver}.json`);
  const key = probeKey(driver, context.store);
  const known = readCached(path, key);
  if (known !== undefined) return known;
  const probe = driver === 'overlay' ? context.probes.overlay() : context.probes.fuse();
  ensureDirectory(context.cache);
  writeFileAtomic(path, JSON.stringify({ key, ...probe }));
  return probe;
}

/** A container's root is a directory of the store then, from which its programs have to be executed. */
function probeCopy({ store }: DriverContext): DriverProbe {
  if (mountOf(store)?.noexec !== true) return { works: true };
  return {
    works: false,
    reason: 'the file system of the store is mounted noexec',
    fix: 'mount it without noexec, or put the store elsewhere with --root',
  };
}

/** What a result depends on. /dev/fuse may get other permissions and programs may be installed during a boot. */
function probeKey(driver: StorageDriver, store: string): string {
  const parts = [bootId(), release(), process.getuid?.(), statSync(store).dev];
  const watched =
    driver === 'overlay' ? [] : ['/dev/fuse', '/usr/bin/fuse-overlayfs', '/usr/local/bin/fuse-overlayfs'];
  return [...parts, ...['/etc/subuid', ...watched].map(changeTime)].join(' ');
}

function changeTime(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0;
}

/** A damaged cache file is as good as none. */
function readCached(path: string, key: string): DriverProbe | undefined {
  const value = readLenient(path);
  if (typeof value !== 'object' || value === null || !('key' in value) || value.key !== key) return undefined;
  if (!('works' in value) || typeof value.works !== 'boolean') return undefined;
  return {
    works: value.works,
    ...('reason' in value && typeof value.reason === 'string' ? { reason: value.reason } : {}),
    ...('fix' in value && typeof value.fix === 'string' ? { fix: value.fix } : {}),
  };
}

function readLenient(path: string): unknown {
  try {
    return readJson(path, 64 * 1024);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}
