/** A tar on its way to a place of caches: compressed into a staged file, its digests taken on the way. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Stores } from '../image/stores.js';
import { compress } from '../layer/compression.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { makeDigest } from '../oci/digest.js';
import { serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import { sha256 } from './cache-key.js';
import type { CacheTarget } from './cache-place.js';
import type { CacheDestination } from './cache-request.js';

const layerTypes = { gzip: ociTypes.layerGzip, zstd: ociTypes.layerZstd, none: ociTypes.layer };
const defaultLevels = { gzip: 6, zstd: 3, none: 0 };

export type LayerEncoding = Pick<CacheDestination, 'compression' | 'level'>;

export class LayerFile {
  readonly #path: string;
  /** Of the tar. */
  readonly diffId: DiffId;
  /** Of the file. */
  readonly descriptor: Descriptor;

  private constructor(path: string, diffId: DiffId, descriptor: Descriptor) {
    this.#path = path;
    this.diffId = diffId;
    this.descriptor = descriptor;
  }

  /** Compresses `tar`; the caller removes the file. */
  static async write(
    stores: Stores,
    tar: AsyncIterable<Buffer>,
    encoding: LayerEncoding,
  ): Promise<LayerFile> {
    const { kind, level } = levelOf(encoding);
    const path = stores.staging.open().file('cache-layer');
    const [plain, packed] = [createHash('sha256'), createHash('sha256')];
    let size = 0;
    const file = await open(path, 'wx', 0o600);
    try {
      for await (const piece of compress(hashed(tar, plain), { kind, level })) {
        packed.update(piece);
        size += piece.length;
        await file.appendFile(piece);
      }
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    const digest = makeDigest('sha256', packed.digest('hex'));
    const diffId = parseDiffId(`sha256:${plain.digest('hex')}`, 'diffID');
    return new LayerFile(path, diffId, { mediaType: layerTypes[kind], digest, size });
  }

  read(): AsyncIterable<Uint8Array> {
    return createReadStream(this.#path);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

/** The encoding with its level. */
export function levelOf({ compression: kind, level }: LayerEncoding): {
  readonly kind: LayerEncoding['compression'];
  readonly level: number;
} {
  return { kind, level: level ?? defaultLevels[kind] };
}

/** Stores the config of `layers`, which are there, and then the manifest of all. */
export async function publishArtifact(
  target: CacheTarget,
  type: string,
  bytes: Buffer,
  layers: readonly Descriptor[],
): Promise<void> {
  const config: Descriptor = {
    mediaType: type,
    digest: makeDigest('sha256', sha256(bytes)),
    size: bytes.length,
  };
  if (!(await target.has(config))) await target.put(config, () => chunk(bytes));
  const { manifest: mediaType } = ociTypes;
  const manifest = serializeManifest({ kind: 'manifest', mediaType, artifactType: type, config, layers });
  await target.publish(Buffer.from(manifest), mediaType);
}

async function* hashed(source: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer, void> {
  for await (const piece of source) {
    hash.update(piece);
    yield piece;
  }
}

async function* chunk(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}
