/** Pausing containers, asking for their processes and their health; their supervisors do it. */
import type { SupervisorLink } from '../native/control.js';
import { connect, notRunning } from './lifecycle.js';
import type { ContainerStores } from './stores.js';
import type { ContainerView } from './view.js';

/** Has every process of a container stand still. @throws CONFLICT when it does not run or is paused already. */
export async function pauseContainer(stores: ContainerStores, view: ContainerView): Promise<void> {
  await withLink(stores, view, 'pause', (link) => link.pause(true));
}

/** Lets a paused container go on. @throws CONFLICT when it is not paused. */
export async function unpauseContainer(stores: ContainerStores, view: ContainerView): Promise<void> {
  await withLink(stores, view, 'unpause', (link) => link.pause(false));
}

/** The pids, as this host sees them. @throws CONFLICT when it does not run. */
export function containerProcesses(stores: ContainerStores, view: ContainerView): Promise<readonly number[]> {
  return withLink(stores, view, 'list processes of', (link) => link.processes());
}

/** Checks a container's health now; true when it does well. @throws CONFLICT when it does not run or has no check. */
export async function checkHealth(stores: ContainerStores, view: ContainerView): Promise<boolean> {
  return (await withLink(stores, view, 'check health of', (link) => link.checkHealth())) === 0;
}

async function withLink<T>(
  stores: ContainerStores,
  view: ContainerView,
  verb: string,
  action: (link: SupervisorLink) => Promise<T>,
): Promise<T> {
  const link = await connect(stores, view);
  if (link === undefined) throw notRunning(stores, verb, view);
  try {
    return await action(link);
  } finally {
    link.close();
  }
}
