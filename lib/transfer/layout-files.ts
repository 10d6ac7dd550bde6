/** The entries of an OCI layout as files below a directory, added to a layout that is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { makeDirectories, writeFileAtomic } from '../host/files.js';
import { writeOutput } from '../host/output-file.js';
import type { Descriptor } from '../oci/descriptor.js';
import { annotationNames, layoutNames, parseLayoutIndex, serializeLayoutIndex } from '../oci/layout.js';
import type { ArchiveEntry } from './archive-entries.js';

/** Writes blobs first and the index last, so that a layout is whole whenever it is read. @throws USAGE, INVALID, IO, NO_SPACE */
export async function writeLayoutFiles(
  directory: string,
  entries: AsyncIterable<ArchiveEntry>,
): Promise<void> {
  makeDirectory(directory);
  for await (const entry of entries) {
    const name = entry.path.toString();
    const path = join(directory, name);
    if (entry.type === 'directory') makeDirectory(path);
    else if (name === layoutNames.index) await addToIndex(path, entry);
    else await writeOutput(path, entry.content());
  }
}

async function addToIndex(path: string, entry: ArchiveEntry): Promise<void> {
  const parts: Buffer[] = [];
  for await (const chunk of entry.content()) parts.push(chunk);
  addToLayout(path, parseLayoutIndex(Buffer.concat(parts).toString(), path).manifests);
}

/** Adds entries to the index.json at `path`, in place of those of the same names. */
export function addToLayout(path: string, added: readonly Descriptor[]): void {
  const taken = new Set(added.map(nameOf));
  const kept = readIndex(path).filter(
    (one) => !taken.has(nameOf(one)) && !added.some(({ digest }) => digest === one.digest),
  );
  writeFileAtomic(path, serializeLayoutIndex([...kept, ...added]), { mode: 0o644 });
}

function readIndex(path: string): readonly Descriptor[] {
  try {
    return parseLayoutIndex(readFileSync(path, 'utf8'), path).manifests;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error instanceof CoracleError ? error : ioError(`read ${path}`, error);
  }
}

function nameOf({ digest, annotations }: Descriptor): string {
  return annotations?.[annotationNames.refName] ?? digest;
}

function makeDirectory(path: string): void {
  try {
    makeDirectories(path);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST', 'ENOTDIR')) throw ioError(`make directory ${path}`, error);
    throw new CoracleError('USAGE', `write layout to ${path}: it is not a directory`, { cause: error });
  }
}
