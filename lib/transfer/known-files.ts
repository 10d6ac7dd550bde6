/**
 * The files of layers whose tables of contents were seen, by digest: a later layer need not fetch them again.
 * `build/files/<chainid hex>.json`: what a snapshot has. None is believed: each is hashed when it is used.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChunkedFile, ChunkedLayout } from '../chunked/layout.js';
import { mayHaveToc, openLayout } from '../chunked/open-layout.js';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { logger } from '../host/log.js';
import type { StorePaths } from '../host/paths.js';
import { openInStore, type Stores } from '../image/stores.js';
import { printablePath } from '../layer/tar-entry.js';
import type { Agent, Handle } from '../native/agent.js';
import { type ChainId, parseChainId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { requireArray, requireObject } from '../oci/guards.js';

/** Files known at a time, and bytes of one record. */
const fileLimit = 500_000;
const recordLimit = 128 * 1024 * 1024;

const pieceBytes = 1024 * 1024;

function rememberFiles(paths: StorePaths, chainId: ChainId, files: readonly ChunkedFile[]): void {
  if (files.length === 0) return;
  ensureDirectory(join(paths.build, 'files'));
  const rows = files.map(({ digest, size, path }) => [digestHex(digest), size, path]);
  writeFileAtomic(recordPath(paths, chainId), `${JSON.stringify({ version: 1, files: rows })}\n`);
}

/**
 * Remembers what a layer with a table of contents has: `layout`, or what the table in its blob says. One that cannot be read is no
 * failure of a pull that has the layer.
 */
export async function rememberLayerFiles(
  stores: Stores,
  layer: Descriptor,
  chainId: ChainId,
  layout?: ChunkedLayout,
): Promise<void> {
  if (!mayHaveToc(layer) || existsSync(recordPath(stores.paths, chainId))) return;
  const path = stores.content.pathOf(layer.digest);
  try {
    const found = layout ?? (await openLayout(layer, (start, length) => readPart(path, start, length)));
    if (found !== undefined) rememberFiles(stores.paths, chainId, found.files);
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    logger().debug({ layer: layer.digest, reason: error.message }, 'table of contents passed over');
  }
}

async function readPart(path: string, start: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  } finally {
    await file.close();
  }
}

type Place = { readonly chainId: ChainId; readonly path: string; readonly size: number };

/** Files that may be in the store, and the way to read them. */
export class KnownFiles {
  readonly #stores: Stores;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #handles = new Map<ChainId, Promise<Handle>>();
  #agent: Promise<Agent> | undefined;

  constructor(stores: Stores) {
    this.#stores = stores;
    this.#places = readRecords(stores);
  }

  /** Whether no file is known. */
  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  has({ digest, size }: Pick<ChunkedFile, 'digest' | 'size'>): boolean {
    return this.#places.get(digestHex(digest))?.size === size;
  }

  /** The file's bytes. @throws INTEGRITY after the last one when the file is another by now */
  async *read({ digest, size }: Pick<ChunkedFile, 'digest' | 'size'>): AsyncGenerator<Buffer, void> {
    const place = this.#places.get(digestHex(digest));
    if (place === undefined) throw new CoracleError('INTERNAL', `read file ${digest}: it is not known`);
    const handle = await this.#open(place.chainId);
    const agent = await this.#openAgent();
    const hash = createHash('sha256');
    const path = Buffer.from(place.path, 'latin1');
    for (let at = 0; at < size; at += pieceBytes) {
      const piece = await agent.read(handle, path, at, Math.min(pieceBytes, size - at));
      hash.update(piece);
      yield piece;
    }
    if (hash.digest('hex') === digestHex(digest)) return;
    throw new CoracleError('INTEGRITY', `read ${printablePath(path)} of the store: it was changed`);
  }

  async close(): Promise<void> {
    await (await this.#agent)?.close();
  }

  #openAgent(): Promise<Agent> {
    this.#agent ??= this.#stores.ownAgent();
    return this.#agent;
  }

  #open(chainId: ChainId): Promise<Handle> {
    const opened = this.#handles.get(chainId) ?? this.#openLayer(chainId);
    this.#handles.set(chainId, opened);
    return opened;
  }

  async #openLayer(chainId: ChainId): Promise<Handle> {
    const { paths, snapshots } = this.#stores;
    const record = snapshots.byChainId(chainId);
    if (record === undefined) throw new CoracleError('NOT_FOUND', `open layer ${chainId}: it is gone`);
    return openInStore(await this.#openAgent(), paths, snapshots.layerPath(record.id));
  }
}

function readRecords(stores: Stores): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const chainId of recordedLayers(stores.paths)) {
    if (stores.snapshots.byChainId(chainId) === undefined) {
      rmSync(recordPath(stores.paths, chainId), { force: true });
    } else if (places.size < fileLimit) addRecord(places, stores.paths, chainId);
  }
  return places;
}

/** A record that cannot be read tells nothing; what it was for is fetched. */
function addRecord(places: Map<string, Place>, paths: StorePaths, chainId: ChainId): void {
  const path = recordPath(paths, chainId);
  try {
    const { files } = requireObject(readJson(path, recordLimit), path);
    for (const row of requireArray(files, path)) {
      const [hex, size, name] = requireArray(row, path);
      if (typeof hex !== 'string' || typeof size !== 'number' || typeof name !== 'string') continue;
      places.set(hex, { chainId, path: name, size });
    }
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code !== 'INVALID') throw error;
    rmSync(path, { force: true });
  }
}

function recordedLayers(paths: StorePaths): readonly ChainId[] {
  try {
    const names = readdirSync(join(paths.build, 'files'));
    return names.flatMap((name) => {
      const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
      return hex === undefined ? [] : [parseChainId(`sha256:${hex}`, name)];
    });
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError('read what files layers have', error);
  }
}

function recordPath(paths: StorePaths, chainId: ChainId): string {
  return join(paths.build, 'files', `${digestHex(chainId)}.json`);
}
