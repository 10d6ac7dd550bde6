/** What is left of downloads nobody finished. */

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { partialsName } from '../host/staging.js';

/** Throws away partial downloads nobody touched for `age` milliseconds. Returns the bytes freed. */
export function sweepPartials(paths: StorePaths, age: number, now: number): number {
  const directory = join(paths.staging, partialsName);
  let freed = 0;
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || now - found.mtimeMs < age) continue;
    rmSync(path, { force: true });
    // parts of a blob lie in a file with holes
    freed += Math.min(found.size, found.blocks * 512);
  }
  return freed;
}
