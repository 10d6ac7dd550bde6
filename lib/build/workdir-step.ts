/** WORKDIR: makes the directory if the stage lacks it. */
import { CoracleError } from '../errors.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { NamedInputs } from './cache-key.js';
import { resolveOwner } from './owner.js';
import type { WorkdirStep } from './plan.js';
import type { BuildSession } from './session.js';

export function workdirInputs(step: WorkdirStep): NamedInputs {
  return { path: step.path, user: step.user };
}

/** The layer with the new directory, or undefined when the directory was there. */
export async function workdirStep(
  session: BuildSession,
  step: WorkdirStep,
  parent: SnapshotRecord | undefined,
): Promise<SnapshotRecord | undefined> {
  const agent = session.agent();
  const path = step.path.replace(/^\/+/, '');
  if (path === '') return undefined;
  const existing =
    parent === undefined ? undefined : await agent.stat(await session.stack(parent), path, { follow: true });
  if (existing?.type === 'directory') return undefined;
  if (existing !== undefined)
    throw new CoracleError('INVALID', `make directory ${step.path}: it is a ${existing.type}`);
  return session.commitLayer(parent, step, async (active) => {
    const handle = await session.writable(active);
    const owner =
      step.user === '' ? { uid: 0, gid: 0 } : resolveOwner(step.user, await session.accounts(handle));
    const parts = path.split('/');
    for (let count = 1; count <= parts.length; count++) {
      const current = parts.slice(0, count).join('/');
      if ((await agent.stat(handle, current, { follow: true })) !== undefined) continue;
      await agent.mkdir(handle, current, { mode: 0o755, owner });
    }
    await agent.sync();
  });
}
