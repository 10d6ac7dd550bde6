/** What the builder notes besides its cache: of URLs and of contexts' files. Each can be found out again. */

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from '../host/files.js';
import type { Stores } from '../image/stores.js';

/** Notes nobody read for so many milliseconds are of builds that nobody does any more. */
const forgottenAge = 30 * 24 * 3600 * 1000;

/** Forgets notes that are old; with `all` the others too. */
export function pruneNotes({ paths }: Pick<Stores, 'paths'>, all: boolean): void {
  const now = Date.now();
  for (const kind of ['urls', 'contexts']) {
    for (const path of filesIn(join(paths.build, kind))) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (all || (found !== undefined && now - found.mtimeMs > forgottenAge)) rmSync(path, { force: true });
    }
  }
}

function filesIn(directory: string): readonly string[] {
  return namesIn(directory).map((name) => join(directory, name));
}
