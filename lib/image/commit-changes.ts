/** A layer made of what changed over others: read as a changeset, unpacked and committed like one that was pulled. */
import { applyLayer } from '../layer/apply.js';
import { type DiffOptions, type DiffSource, diffTar, flattenTar } from '../layer/diff.js';
import type { Agent } from '../native/agent.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { openInStore, type Stores } from './stores.js';

export type ChangesOptions = DiffOptions & { readonly comment: string };

/** The changes as a layer above `parent`, which is what they are changes of. Hold a staging lease. */
export async function commitChanges(
  stores: Stores,
  source: DiffSource,
  parent: SnapshotRecord | undefined,
  options: ChangesOptions,
): Promise<SnapshotRecord> {
  return commitTar(stores, diffTar(source, options), parent, options);
}

/** A whole tree as the only layer. Hold a staging lease. */
export async function commitTree(
  stores: Stores,
  source: { readonly agent: Agent; readonly handle: number },
  options: ChangesOptions,
): Promise<SnapshotRecord> {
  return commitTar(stores, flattenTar(source, options), undefined, options);
}

async function commitTar(
  stores: Stores,
  tar: AsyncIterable<Buffer>,
  parent: SnapshotRecord | undefined,
  { comment, onWarning }: ChangesOptions,
): Promise<SnapshotRecord> {
  const active = stores.snapshots.prepare(parent);
  try {
    const agent = await stores.ownAgent();
    try {
      const top = await openInStore(agent, stores.paths, active.fs, { writable: true });
      const lowers = (parent === undefined ? [] : stores.snapshots.layerPaths(parent)).map((path) =>
        openInStore(agent, stores.paths, path),
      );
      const handle = await agent.stack([top, ...(await Promise.all(lowers))], { writable: true });
      const { warnings } = await applyLayer(tar, { agent, handle, idMap: stores.idMap() });
      for (const text of warnings) onWarning?.(text);
    } finally {
      await agent.close();
    }
    return stores.snapshots.commit(active, { comment });
  } catch (error) {
    await stores.snapshots.discard(active, stores.removeTree);
    throw error;
  }
}
