/** What nothing refers to, and has not for some time. */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listTrash } from '../host/trash.js';
import { countReferences, sweep, unreferenced } from '../image/sweep.js';
import { type CheckContext, type Detected, left, type Mended, repaired } from './finding.js';

/** Blobs and layers that no image, container or build cache needs, half-written records, trash that stays. */
export async function* checkUnreferenced(context: CheckContext): AsyncGenerator<Detected> {
  const { stores, settings } = context;
  const references = await countReferences(stores, { buildCache: 'keep' });
  if (references.problems.length > 0) return;
  const { blobs, snapshots } = unreferenced(stores, references, settings.maxAge);
  const bytes = blobs.reduce((sum, digest) => sum + (stores.content.size(digest) ?? 0), 0);
  const things = [
    ...(blobs.length > 0 ? [`${blobs.length} blobs of ${bytes} bytes`] : []),
    ...(snapshots.length > 0 ? [`${snapshots.length} layers`] : []),
  ];
  if (things.length > 0) {
    yield {
      kind: 'unreferenced',
      level: 'notice',
      object: things.join(', '),
      problem: 'no image, container or build cache needs it',
      meaning: 'it takes room',
      repair: 'it is removed, as by coracle image prune',
      mend: () => removeOrphans(context),
    };
  }
  yield* checkHalfWritten(context);
  const trash = listTrash(stores.paths);
  if (trash.length > 0) {
    yield {
      kind: 'unreferenced',
      level: 'notice',
      object: `${trash.length} trees in the trash`,
      problem: 'their removal was broken off',
      meaning: 'it takes room until the next command that removes something',
      repair: 'they are removed',
      mend: async () => {
        for (const path of trash) await stores.removeTree(path);
        return repaired('removed');
      },
    };
  }
}

/** Counted again while nobody works on the store. */
async function removeOrphans({ stores, settings }: CheckContext): Promise<Mended> {
  const { busy } = await sweep(stores, { buildCache: 'keep', minimumAge: settings.maxAge });
  return busy ? left('a pull, build or other work is under way: repair again later') : repaired('removed');
}

/** A record's next version, whose writer was killed. */
function* checkHalfWritten({ stores, settings }: CheckContext): Generator<Detected> {
  const { root, snapshots } = stores.paths;
  const directories = [root, snapshots, ...stores.snapshots.ids().map((id) => join(snapshots, id))];
  const files = directories.flatMap((directory) =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.tmp'))
      .map((name) => join(directory, name))
      .filter((path) => {
        const found = statSync(path, { throwIfNoEntry: false });
        return found !== undefined && settings.now - found.ctimeMs >= settings.maxAge;
      }),
  );
  if (files.length === 0) return;
  yield {
    kind: 'leftover',
    level: 'notice',
    object: `${files.length} half-written records`,
    problem: 'their writers were killed; what they were to replace is whole',
    meaning: 'they take room',
    repair: 'they are removed',
    mend: async () => {
      for (const path of files) rmSync(path, { force: true, recursive: true });
      return repaired('removed');
    },
  };
}
