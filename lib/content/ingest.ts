/** Taking content into the store: stage, hash, compare, sync, rename. */
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ioError } from '../errors.js';
import { ensureDirectory, fsyncDirectory } from '../host/files.js';
import type { StagingArea } from '../host/staging.js';
import { BlobWriter } from './blob-writer.js';
import type { ContentStore, ExpectedBlob, StoredBlob } from './content-store.js';
import { digestOf, hashFor } from './verified-read.js';

/** Stores bytes that are in memory under their SHA-256. */
export async function putBytes(
  content: ContentStore,
  staging: StagingArea,
  bytes: Uint8Array,
): Promise<StoredBlob> {
  const digest = digestOf(hashFor(undefined).update(bytes), undefined);
  const size = bytes.length;
  if (content.ownSize(digest) === size) return { digest, size };
  return ingestStream(content, staging, once(bytes), { digest, size });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** Stores a stream, compared with what was expected of it. */
export async function ingestStream(
  content: ContentStore,
  staging: StagingArea,
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedBlob,
): Promise<StoredBlob> {
  const path = staging.open().file('blob');
  try {
    const blob = await writeStaged(path, source, expected);
    publish(path, content.pathOf(blob.digest));
    return blob;
  } catch (error) {
    throw ioError(`store blob ${expected.digest ?? ''}`.trimEnd(), error);
  } finally {
    rmSync(path, { force: true });
  }
}

async function writeStaged(
  path: string,
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedBlob,
): Promise<StoredBlob> {
  const file = await open(path, 'wx', 0o600);
  try {
    const writer = new BlobWriter(file, expected);
    for await (const chunk of source) await writer.append(chunk);
    return await writer.finish();
  } finally {
    await file.close();
  }
}

/** Gives a finished, synced file its place. What may be there has the same bytes, or is damaged and replaced. */
export function publish(path: string, target: string): void {
  ensureDirectory(dirname(target), 0o755);
  // Who may enter the store may read it: that is how images are shared between users.
  chmodSync(path, 0o644);
  renameSync(path, target);
  fsyncDirectory(dirname(target));
}
