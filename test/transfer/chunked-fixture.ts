/** Images whose versions differ in a few files, at a registry as zstd:chunked. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { ImageRecord } from '../../lib/image/image-record.js';
import type { Stores } from '../../lib/image/stores.js';
import type { Digest } from '../../lib/oci/digest.js';
import { pushImage } from '../../lib/transfer/push.js';
import { makeTar } from '../helpers/image.js';
import { testStores } from '../image/store-fixture.js';
import { baseImage, type EventLog } from './transfer-fixture.js';

/** Bytes that do not compress, the same for the same seed. */
export function noise(seed: string, size: number): Buffer {
  const parts = Array.from({ length: Math.ceil(size / 64) }, (_, at) =>
    createHash('sha512').update(`${seed}/${at}`).digest(),
  );
  return Buffer.concat(parts).subarray(0, size);
}

/** Files of some 12 MB that are alike in every version but one, and every fifth of the small ones where that is wanted. */
export function versionTar(version: string, scattered = false): Buffer {
  const files = Array.from({ length: 40 }, (_, at) => ({
    name: `lib/file-${String(at).padStart(2, '0')}`,
    content: noise(scattered && at % 5 === 0 ? `${at} of ${version}` : `${at}`, 70_000),
  }));
  return makeTar([
    { name: 'etc', type: 'directory' },
    { name: 'etc/empty', content: '' },
    { name: 'etc/version', content: noise(version, 50_000) },
    { name: 'lib', type: 'directory' },
    { name: 'lib/big', content: noise('big', 9_000_000) },
    ...files,
  ]);
}

export type Published = { readonly name: string; readonly image: ImageRecord; readonly digest: Digest };

/** Pushes versions of an image to a registry. */
export async function publishVersions(
  t: ExecutionContext<unknown>,
  host: string,
  versions: readonly string[],
  scattered = false,
): Promise<readonly Published[]> {
  const stores = testStores(t);
  const published: Published[] = [];
  for (const version of versions) {
    const name = `${host}/app:${version}`;
    const image = await baseImage(stores, name, versionTar(version, scattered));
    const { descriptor } = await pushImage(stores, image, name, { compression: 'zstd:chunked' });
    published.push({ name, image, digest: descriptor.digest });
  }
  return published;
}

/** What a pull said it fetched of a layer it put together. */
export function fetchedBytes(log: EventLog): number | undefined {
  const text = log.texts().join('\n');
  const found = /: ([\d.]+) MB of [\d.]+ MB fetched, the rest is here already/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found) * 1e6;
}

/** A file of an image's top layer. */
export function fileOf(stores: Stores, image: ImageRecord, path: string): Buffer {
  const top = stores.images.topSnapshot(image);
  const [layer = ''] = top === undefined ? [] : stores.snapshots.layerPaths(top);
  return readFileSync(join(layer, path));
}
