/** File systems that `npm test` as root makes for stores to be put on. */
import { existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Missing, removeTree } from './host.js';

export type FileSystem = 'ext4' | 'xfs' | 'btrfs';

const directory = process.env.CORACLE_TEST_FILE_SYSTEMS;

/** What is missing for a test on a file system of this kind. */
export function missingFileSystem(kind: FileSystem): Missing {
  if (directory === undefined) return 'no file systems for tests: npm test makes them when root runs it';
  return existsSync(join(directory, kind))
    ? undefined
    : `no ${kind} on this machine: no mkfs.${kind}, loop device or driver`;
}

/** An empty directory on it, removed when the test ends. */
export function directoryOn(t: ExecutionContext<unknown>, kind: FileSystem): string {
  const path = mkdtempSync(join(directory ?? '', kind, 's-'));
  t.teardown(() => removeTree(path));
  return path;
}
