/** The images of stores that are only read, behind those of the store itself: one's own name for something wins. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { readBytes } from '../host/files.js';
import type { AdditionalPaths } from '../host/paths.js';
import { type IndexEntry, type IndexQuery, IndexView, indexLimit } from './index-file.js';
import type { IndexSearch } from './look-up.js';

/** One reading of the indexes of all additional stores. @throws HOST for one that cannot be read, NOT_FOUND, INVALID */
export function readSharedIndexes(additional: readonly AdditionalPaths[]): readonly IndexView[] {
  return additional.map(({ root, index }) => {
    try {
      const bytes = readBytes(index, indexLimit);
      if (bytes !== undefined) return new IndexView(bytes, index);
      if (existsSync(join(root, 'oci-layout'))) return new IndexView(Buffer.from(emptyIndex), index);
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'IO') throw error;
      throw new CoracleError('HOST', `open additional image store ${root}: ${error.message}`, {
        cause: error,
        hint: `its owner lets others read it: chmod 755 ${root}; chmod -R a+rX ${root}/blobs`,
      });
    }
    throw new CoracleError('NOT_FOUND', `open additional image store ${root}: it has no index.json`, {
      hint: 'name a store, or an OCI image layout as coracle copy IMAGE oci:DIRECTORY:NAME makes it',
    });
  });
}

/** A store in which no image was yet. */
const emptyIndex = '{"schemaVersion":2,"manifests":[]}';

/** The store's own index before the others. */
export class IndexSet implements IndexSearch {
  readonly #own: IndexView;
  readonly #shared: readonly IndexView[];

  constructor(own: IndexView, shared: readonly IndexView[]) {
    this.#own = own;
    this.#shared = shared;
  }

  entries(): readonly IndexEntry[] {
    return this.#after(
      this.#own.entries(),
      this.#shared.map((view) => view.entries()),
    );
  }

  select(query: IndexQuery): readonly IndexEntry[] {
    return this.#after(
      this.#own.select(query),
      this.#shared.map((view) => view.select(query)),
    );
  }

  #after(own: readonly IndexEntry[], shared: readonly (readonly IndexEntry[])[]): readonly IndexEntry[] {
    const taken = new Set(own.map(({ reference }) => reference));
    const all = [...own];
    for (const entry of shared.flat()) {
      if (entry.reference !== undefined && taken.has(entry.reference)) continue;
      taken.add(entry.reference);
      all.push({ ...entry, readonly: true });
    }
    return all;
  }
}
