/** Stores with images that have files, for transfers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { assembleImage } from '../../lib/image/assemble.js';
import type { ImageRecord } from '../../lib/image/image-record.js';
import type { Stores } from '../../lib/image/stores.js';
import type { Descriptor } from '../../lib/oci/descriptor.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { hostPlatform } from '../../lib/oci/platform.js';
import type { TransferEvent } from '../../lib/transfer/events.js';
import { importImage } from '../../lib/transfer/import.js';
import { makeTar } from '../helpers/image.js';

/** The files of the base layer. */
export const baseTar = makeTar([
  { name: 'bin', type: 'directory' },
  { name: 'bin/tool', content: 'tool '.repeat(2000), mode: 0o755 },
  { name: 'etc', type: 'directory', uid: 33, gid: 33 },
  { name: 'etc/name', content: 'base' },
]);

/** A stream of bytes. */
export async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

/** An image of one layer under a name. */
export function baseImage(
  stores: Stores,
  reference: string,
  tar: Uint8Array = baseTar,
): Promise<ImageRecord> {
  return importImage(stores, streamOf(tar), {
    reference,
    created: '2024-01-01T00:00:00Z',
    changes: ['CMD ["/bin/tool"]'],
  });
}

/** As a build makes it: a further layer with one file on an image. */
export async function derivedImage(
  stores: Stores,
  base: ImageRecord,
  reference: string,
): Promise<ImageRecord> {
  const parent = stores.images.topSnapshot(base);
  const active = stores.snapshots.prepare(parent);
  writeFileSync(join(active.fs, 'added'), `added to ${reference}`);
  const top = stores.snapshots.commit(active);
  const { rootfs: _rootfs, ...config } = base.config;
  const image = await assembleImage({ config: { ...config, author: reference }, top, base }, stores);
  stores.images.tag(image, reference);
  return stores.images.resolve(reference);
}

/** An index of an image and of an attestation about it, as BuildKit makes them. */
export async function attestedIndex(stores: Stores, image: Descriptor): Promise<Descriptor> {
  const put = async (mediaType: string, value: unknown): Promise<Descriptor> => ({
    mediaType,
    ...(await stores.content.put(Buffer.from(JSON.stringify(value)))),
  });
  const config = await put(ociTypes.config, {
    architecture: 'unknown',
    os: 'unknown',
    rootfs: { type: 'layers', diff_ids: [`sha256:${'1'.repeat(64)}`] },
  });
  const statement = await put('application/vnd.in-toto+json', { _type: 'https://in-toto.io/Statement/v0.1' });
  const attestation = await put(ociTypes.manifest, {
    schemaVersion: 2,
    mediaType: ociTypes.manifest,
    config,
    layers: [statement],
  });
  return put(ociTypes.index, {
    schemaVersion: 2,
    mediaType: ociTypes.index,
    manifests: [
      { ...image, platform: hostPlatform() },
      { ...attestation, platform: { os: 'unknown', architecture: 'unknown' } },
    ],
  });
}

/** Collects what a transfer tells. */
export class EventLog {
  readonly events: TransferEvent[] = [];
  readonly take = (event: TransferEvent): void => {
    this.events.push(event);
  };

  /** The statuses layers went through. */
  statuses(): ReadonlySet<string> {
    return new Set(this.events.flatMap((event) => (event.kind === 'layer' ? [event.status] : [])));
  }

  texts(): readonly string[] {
    return this.events.flatMap((event) => (event.kind === 'message' ? [event.text] : []));
  }
}

/** Asserts that a transfer fails with a code and a message. */
export async function failsWith(
  t: ExecutionContext<unknown>,
  transfer: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<CoracleError | undefined> {
  const error = await t.throwsAsync(transfer, { instanceOf: CoracleError, message });
  t.is(error?.code, code);
  return error;
}
