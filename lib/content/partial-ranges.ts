/**
 * Parts of a blob that were fetched for themselves and survive a dead process: `staging/partial/<algorithm>-<hex>.ranges` has
 * them at their places, with holes between, and `.places` beside it says which are there, a line each. One process at a time
 * works on them. What is in them is not verified; whoever uses them verifies what comes out.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { type HeldLock, type Locks, partialsName } from '../host/staging.js';
import { digestAlgorithm, digestHex } from '../oci/digest.js';
import type { ExpectedBlob } from './content-store.js';

/** Bytes from `start`, `end` excluded. */
export type Extent = { readonly start: number; readonly end: number };

/** A place is noted after so many bytes of it: what a killed process had beyond is fetched again. */
const noteAfter = 256 * 1024;

const recordLimit = 16 * 1024 * 1024;

type Parts = {
  readonly path: string;
  readonly record: string;
  readonly lock: HeldLock | undefined;
  readonly size: number;
  readonly file: FileHandle;
  readonly notes: FileHandle;
  readonly extents: readonly Extent[];
};

/** Opened parts. Ends with exactly one of `discard` and `suspend`. */
export class PartialRanges {
  /** What was there when they were opened. */
  readonly resumed: boolean;
  readonly #parts: Parts;
  #extents: readonly Extent[];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#extents = parts.extents;
    this.resumed = parts.extents.length > 0;
  }

  /** The file with the parts at their places. */
  get path(): string {
    return this.#parts.path;
  }

  /** What is not there of a range. */
  missing({ start, end }: Extent): readonly Extent[] {
    const gaps: Extent[] = [];
    let at = start;
    for (const extent of this.#extents) {
      if (extent.end <= at || extent.start >= end) continue;
      if (extent.start > at) gaps.push({ start: at, end: extent.start });
      at = extent.end;
    }
    return at < end ? [...gaps, { start: at, end }] : gaps;
  }

  /** A writer of pieces that follow each other more often than not; its `end` notes the last of them. */
  writer(): RangeWriter {
    return new RangeWriter(this.#parts, (extent) => {
      this.#extents = mergeExtents([...this.#extents, extent], this.#parts.size);
    });
  }

  /** The bytes of a range that is there. */
  async read({ start, end }: Extent): Promise<Buffer> {
    const bytes = Buffer.alloc(end - start);
    try {
      const { bytesRead } = await this.#parts.file.read(bytes, 0, bytes.length, start);
      if (bytesRead === bytes.length) return bytes;
    } catch (error) {
      throw ioError('read a part of a layer', error);
    }
    throw new CoracleError('INTEGRITY', 'read a part of a layer: what was kept of it is damaged');
  }

  /** Throws the parts away. */
  async discard(): Promise<void> {
    remove(this.#parts);
    await this.#close();
  }

  /** Keeps them for a later attempt. */
  async suspend(): Promise<void> {
    // nobody finds what has the name of this process alone
    if (this.#parts.lock === undefined || this.#extents.length === 0) remove(this.#parts);
    await this.#close();
  }

  async #close(): Promise<void> {
    const { file, notes, lock } = this.#parts;
    await file.close();
    await notes.close();
    lock?.release();
  }
}

/** Writes pieces to their places and notes them. */
export class RangeWriter {
  readonly #parts: Parts;
  readonly #noted: (extent: Extent) => void;
  #start = 0;
  #end = 0;

  constructor(parts: Parts, noted: (extent: Extent) => void) {
    this.#parts = parts;
    this.#noted = noted;
  }

  async write(position: number, bytes: Uint8Array): Promise<void> {
    if (position !== this.#end) {
      await this.end();
      [this.#start, this.#end] = [position, position];
    }
    try {
      for (let done = 0; done < bytes.length; ) {
        const { file } = this.#parts;
        done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    } catch (error) {
      throw ioError('store a part of a layer', error);
    }
    this.#end += bytes.length;
    if (this.#end - this.#start >= noteAfter) await this.end();
  }

  /** Notes what was written since. */
  async end(): Promise<void> {
    const extent = { start: this.#start, end: this.#end };
    this.#start = this.#end;
    if (extent.start === extent.end) return;
    try {
      await this.#parts.notes.write(`${extent.start}-${extent.end}\n`);
    } catch (error) {
      throw ioError('store a part of a layer', error);
    }
    this.#noted(extent);
  }
}

/** Where parts are kept, and, for when another process works on those of the same blob, the name of a file of one's own. */
export type RangesPlace = {
  readonly paths: StorePaths;
  readonly locks: Locks;
  readonly own: () => string;
};

/** Opens the parts of a blob; no parts, of no use to a later process, where another one works on them. Waits for nobody. */
export async function openRanges(
  { digest, size }: Required<ExpectedBlob>,
  { paths, locks, own }: RangesPlace,
): Promise<PartialRanges> {
  const name = `${digestAlgorithm(digest)}-${digestHex(digest)}.ranges`;
  ensureDirectory(join(paths.staging, partialsName));
  // waiting could be for ever: the other one may be waiting for a layer that this process unpacks
  const lock = locks.holdLock(join(paths.locks, `partial-${name}`), { temporary: true });
  const path = lock === undefined ? own() : join(paths.staging, partialsName, name);
  const record = path.replace(/(\.ranges)?$/, '.places');
  try {
    const extents = readExtents(path, record, size);
    if (extents.length === 0) remove({ path, record });
    const file = await open(path, extents.length === 0 ? 'w+' : 'r+', 0o600);
    const notes = await open(record, 'a', 0o600);
    return new PartialRanges({ path, record, lock, size, file, notes, extents });
  } catch (error) {
    lock?.release();
    throw ioError(`store parts of ${digest}`, error);
  }
}

function remove({ path, record }: Pick<Parts, 'path' | 'record'>): void {
  // places without bytes would be worse than bytes without places
  rmSync(record, { force: true });
  rmSync(path, { force: true });
}

/** What a record says, where the file beside it is as long as that. */
function readExtents(path: string, record: string, size: number): readonly Extent[] {
  try {
    if (statSync(record).size > recordLimit) return [];
    const extents = mergeExtents(parseExtents(readFileSync(record, 'utf8')), size);
    return statSync(path).size >= (extents.at(-1)?.end ?? 0) ? extents : [];
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${record}`, error);
  }
}

/** Whole lines: a process may have died in the middle of the last one. */
function parseExtents(text: string): readonly Extent[] {
  return [...text.matchAll(/^(\d{1,15})-(\d{1,15})\n/gm)].map(([, start, end]) => ({
    start: Number(start),
    end: Number(end),
  }));
}

/** In order, those that touch as one; what lies outside of the blob is no extent of it. */
export function mergeExtents(extents: readonly Extent[], size: number): readonly Extent[] {
  const sound = extents.filter(({ start, end }) => start < end && end <= size);
  const merged: Extent[] = [];
  for (const { start, end } of sound.sort((one, other) => one.start - other.start)) {
    const last = merged.at(-1);
    if (last === undefined || start > last.end) merged.push({ start, end });
    else merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, end) };
  }
  return merged;
}
