/**
 * Anonymous volumes that more than one container has: a file of their name in `volumes/.shared`. The supervisor of a container
 * that removes itself leaves such a volume alone; who finds that no container has it any more takes it away.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { ensureDirectory, namesIn } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';

/** The file whose being there says so. */
export function sharedMark(paths: StorePaths, name: string): string {
  return join(paths.volumes, '.shared', name);
}

export function markShared(paths: StorePaths, name: string): void {
  const mark = sharedMark(paths, name);
  try {
    ensureDirectory(join(paths.volumes, '.shared'));
    closeSync(openSync(mark, 'a', 0o600));
  } catch (error) {
    throw ioError(`mark volume ${name} as shared`, error);
  }
}

/** Names of volumes that were shared once. */
export function sharedVolumes(paths: StorePaths): readonly string[] {
  return namesIn(join(paths.volumes, '.shared'));
}

export function unmarkShared(paths: StorePaths, name: string): void {
  rmSync(sharedMark(paths, name), { force: true });
}
