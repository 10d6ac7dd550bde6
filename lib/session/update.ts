/** `update`. */
import { unlessRemoved } from '../container/removed.js';
import { updateContainer } from '../container/update.js';
import { open, requireWhole } from './containers.js';
import type { RunningContainer, UpdateRequest } from './requests.js';
import { checkLimits } from './run.js';
import type { Session } from './session.js';

export async function update(
  session: Session,
  name: string,
  request: UpdateRequest,
): Promise<RunningContainer> {
  const { restart, health, limits } = request;
  const { stores, view } = await open(session, name);
  requireWhole(view, 'update');
  const { cgroup } = view.record.options;
  const told = limits !== undefined && (await checkLimits({ limits, cgroup }, request));
  const { warnings } = await unlessRemoved('update', view, () =>
    updateContainer(stores, view, { restart, health, limits }),
  );
  for (const warning of told ? [] : warnings) request.onWarning?.(warning);
  return { id: view.record.id, name: view.record.name };
}
