/**
 * COPY --link: a layer that looks at nothing below it, so that it serves above any other base. Its own directory is all it
 * is; putting it on another parent copies that directory (as references where the file system shares extents).
 */
import { openInStore } from '../image/stores.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { NamedInputs } from './cache-key.js';
import { copyOwner } from './copy-step.js';
import type { CopyStep } from './plan.js';
import type { BuildSession } from './session.js';

/** What of its parent a linked layer depends on: the numbers of the names that --chown gives. */
export async function linkInputs(
  session: BuildSession,
  step: CopyStep,
  parent: SnapshotRecord | undefined,
): Promise<NamedInputs> {
  const owner = await copyOwner(session, step, parent);
  return { owner: owner === undefined ? '' : `${owner.uid}:${owner.gid}` };
}

/** The layer `made`, which lies on some parent, on this one. */
export async function linkLayer(
  session: BuildSession,
  step: CopyStep,
  made: SnapshotRecord,
  parent: SnapshotRecord | undefined,
): Promise<SnapshotRecord> {
  if (made.parent === parent?.id) return made;
  const { paths, snapshots } = session.stores;
  return session.commitLayer(parent, step, async (active) => {
    const agent = session.agent();
    const layer = await openInStore(agent, paths, snapshots.layerPath(made.id));
    const top = await openInStore(agent, paths, active.fs, { writable: true });
    await agent.flatten(layer, top);
  });
}
