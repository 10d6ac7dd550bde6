/**
 * Cache mounts that go with a project: each as the compressed tar of its files, owners kept, a layer of an OCI image whose config
 * says which mounts they are. Taken and given under the lock that keeps RUN steps apart.
 */
import { existsSync, renameSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { openInStore, type Stores } from '../image/stores.js';
import { applyLayer } from '../layer/apply.js';
import { decompress } from '../layer/compression.js';
import { flattenTar } from '../layer/diff.js';
import type { Descriptor } from '../oci/descriptor.js';
import { layerCompression } from '../oci/media-types.js';
import { type CacheMountIdentity, CacheMounts } from './cache-mounts.js';
import { type CacheOrigin, type CacheTarget, readVerifiedBlob, verified } from './cache-place.js';
import type { CacheDestination } from './cache-request.js';
import { LayerFile, publishArtifact } from './layer-file.js';
import {
  type MountsConfig,
  mountsConfigLimit,
  mountsConfigType,
  parseMountsConfig,
} from './mounts-config.js';

export type MountTransfer = {
  readonly stores: Stores;
  readonly signal?: AbortSignal | undefined;
  readonly warn: (text: string) => void;
};

/** Mounts by the names they have in the store. */
export type MountNames = ReadonlySet<string>;

/**
 * Gives the store the mounts it lacks; those it has stay as they are. A place that has none, or nothing sound, is told of.
 * @returns the names of all mounts the place has.
 */
export async function importMounts(transfer: MountTransfer, origin: CacheOrigin): Promise<MountNames> {
  const names = new Set<string>();
  try {
    const manifest = await origin.manifest();
    if (
      manifest === undefined ||
      manifest.kind === 'index' ||
      manifest.config.mediaType !== mountsConfigType
    ) {
      transfer.warn(`import cache mounts ${origin.name}: there are none`);
      return names;
    }
    const bytes = await readVerifiedBlob(origin, manifest.config, mountsConfigLimit);
    const config = parseMountsConfig(bytes.toString(), `cache mounts ${origin.name}`, manifest.layers.length);
    for (const [index, layer] of manifest.layers.entries()) {
      const identity = config.mounts[index];
      if (identity !== undefined) names.add(await importMount(transfer, origin, identity, layer));
    }
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code === 'ABORTED') throw error;
    transfer.warn(`import cache mounts ${origin.name}: ${error.message}`);
  }
  return names;
}

async function importMount(
  { stores, signal, warn }: MountTransfer,
  origin: CacheOrigin,
  identity: CacheMountIdentity,
  layer: Descriptor,
): Promise<string> {
  const held = await new CacheMounts(stores.paths, stores.locks).acquire(identity, {
    sharing: 'locked',
    signal,
  });
  try {
    if (!existsSync(held.data)) {
      const tar = decompress(verified(origin, layer), layerCompression(layer.mediaType));
      await extract(stores, tar, identity, held.data, warn);
    }
    return held.name;
  } finally {
    held.release();
  }
}

/** Extracts beside the store's things, then gives the directory its place. */
async function extract(
  stores: Stores,
  tar: AsyncIterable<Buffer>,
  { owner = { uid: 0, gid: 0, mode: 0o755 } }: CacheMountIdentity,
  data: string,
  warn: (text: string) => void,
): Promise<void> {
  const staged = stores.staging.open().directory('mount');
  const agent = await stores.ownAgent();
  try {
    const directory = await openInStore(agent, stores.paths, staged, { writable: true });
    const handle = await agent.stack([directory], { writable: true });
    const { warnings } = await applyLayer(tar, { agent, handle, idMap: stores.idMap() });
    warnings.forEach(warn);
    await agent.sync();
    // Once it belongs to somebody else it could not be renamed.
    renameSync(staged, data);
    await agent.setMeta(directory, '.', { mode: owner.mode, owner });
    await agent.sync();
  } finally {
    await agent.close();
    if (existsSync(staged)) await stores.removeTree(staged);
  }
}

/** Writes the mounts that were used since `began` and those named; nothing when there are none. */
export async function exportMounts(
  { stores, signal, warn }: MountTransfer,
  destination: CacheDestination,
  target: CacheTarget,
  { began, names }: { readonly began: number; readonly names: MountNames },
): Promise<void> {
  const mounts = new CacheMounts(stores.paths, stores.locks);
  const chosen = mounts
    .list()
    // Further copies of a private mount are nobody's in particular.
    .filter(({ name }) => !name.includes('-'))
    .filter(({ name, record }) => names.has(name) || Date.parse(record.lastUsed) >= began);
  const written: { readonly identity: CacheMountIdentity; readonly layer: Descriptor }[] = [];
  for (const { record } of chosen) {
    const held = await mounts.acquire(record.identity, { sharing: 'locked', signal });
    try {
      if (!existsSync(held.data)) continue;
      const layer = await exportTree(stores, held.data, { destination, target, warn });
      written.push({ identity: record.identity, layer });
    } finally {
      held.release();
    }
  }
  if (written.length === 0) return;
  const config: MountsConfig = { mounts: written.map(({ identity }) => identity) };
  const layers = written.map(({ layer }) => layer);
  const bytes = Buffer.from(JSON.stringify({ version: 1, ...config }));
  await publishArtifact(target, mountsConfigType, bytes, layers);
}

async function exportTree(
  stores: Stores,
  data: string,
  how: {
    readonly destination: CacheDestination;
    readonly target: CacheTarget;
    readonly warn: (text: string) => void;
  },
): Promise<Descriptor> {
  const agent = await stores.ownAgent();
  try {
    const handle = await openInStore(agent, stores.paths, data);
    const tar = flattenTar({ agent, handle }, { onWarning: how.warn });
    const file = await LayerFile.write(stores, tar, how.destination);
    try {
      if (!(await how.target.has(file.descriptor))) await how.target.put(file.descriptor, () => file.read());
      return file.descriptor;
    } finally {
      file.remove();
    }
  } finally {
    await agent.close();
  }
}
