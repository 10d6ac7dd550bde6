/** What the builder notes besides its cache: of URLs, of contexts' files, of exported layers. Each can be found out again. */

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from '../host/files.js';
import type { Stores } from '../image/stores.js';
import { isSnapshotId } from '../snapshot/record.js';

/** Notes nobody read for so many milliseconds are of builds that nobody does any more. */
const forgottenAge = 30 * 24 * 3600 * 1000;

/** Forgets notes that are old, and those of layers that are gone; with `all` the others too. */
export function pruneNotes({ paths, snapshots }: Pick<Stores, 'paths' | 'snapshots'>, all: boolean): void {
  const now = Date.now();
  for (const kind of ['urls', 'contexts']) {
    for (const path of filesIn(join(paths.build, kind))) {
      const found = statSync(path, { throwIfNoEntry: false });
      if (all || (found !== undefined && now - found.mtimeMs > forgottenAge)) rmSync(path, { force: true });
    }
  }
  const kept = new Set<string>(snapshots.ids());
  for (const path of filesIn(join(paths.build, 'exported'))) {
    const id = path.slice(path.lastIndexOf('/') + 1).split('-', 1)[0] ?? '';
    if (!isSnapshotId(id) || !kept.has(id)) rmSync(path, { force: true });
  }
}

function filesIn(directory: string): readonly string[] {
  return namesIn(directory).map((name) => join(directory, name));
}
