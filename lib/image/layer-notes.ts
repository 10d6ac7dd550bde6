/**
 * What is noted of layers and manifests beside their records: how a layer was compressed, which files it has, where its
 * blob is to be had, the signatures of a manifest. One file each below `build/`, whose name begins with what it is about.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { namesIn } from '../host/files.js';
import type { Digest } from '../oci/digest.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { Stores } from './stores.js';

type Noted = Pick<Stores, 'paths' | 'snapshots' | 'content'>;

/** Forgets what is about things that are gone. `blobs` are those that something still names, be they there or not. */
export function forgetNotes(stores: Noted, blobs: ReadonlySet<Digest>): void {
  let known: readonly SnapshotRecord[] | undefined;
  const layers = (): readonly SnapshotRecord[] => {
    known ??= readableLayers(stores);
    return known;
  };
  forget(stores, 'compressed', () => layers().map(({ diffId }) => diffId));
  forget(stores, 'exported', () => layers().map(({ id }) => id));
  forget(stores, 'files', () => layers().map(({ chainId }) => chainId));
  forget(stores, 'partial', () => [...blobs]);
  forget(stores, 'signatures', () => stores.content.list());
}

function forget({ paths }: Noted, kind: string, subjects: () => readonly (string | undefined)[]): void {
  const directory = join(paths.build, kind);
  const names = namesIn(directory);
  if (names.length === 0) return;
  const kept = new Set(subjects().map((subject) => subject?.replace('sha256:', '')));
  for (const name of names) {
    const [subject] = name.split(/[-.]/, 1);
    if (!kept.has(subject)) rmSync(join(directory, name), { force: true });
  }
}

function readableLayers({ snapshots }: Noted): readonly SnapshotRecord[] {
  return snapshots.ids().flatMap((id) => {
    try {
      return snapshots.get(id) ?? [];
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'INVALID') throw error;
      return [];
    }
  });
}
