/** Starting containers that exist: `start`, `restart`, `attach`. */
import { writeContainerEvent } from '../container/container-events.js';
import { stopContainer } from '../container/lifecycle.js';
import { unlessRemoved } from '../container/removed.js';
import { requireTerminal } from '../container/require-terminal.js';
import { startInForeground, startUnlessRunning } from '../container/start.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { type Opened, open, requireWhole } from './containers.js';
import type { AttachRequest, RestartRequest, StartRequest } from './requests.js';
import type { Session } from './session.js';

/** Starts a container in the background; one that runs is left alone. */
export async function start(session: Session, name: string, request: StartRequest): Promise<void> {
  const { stores, view } = await open(session, name);
  if (view.status === 'running' || view.status === 'paused') return;
  requireWhole(view, 'start');
  await unlessRemoved('start', view, async () => {
    await startPodOf(session, view);
    const started = await startUnlessRunning(stores, view.record);
    for (const warning of started?.warnings ?? []) request.onWarning?.(warning.prose);
  });
}

async function startPodOf(session: Session, { record }: ContainerView): Promise<void> {
  if (record.options.pod === undefined) return;
  const { startHolderOf } = await import('./pods.js');
  await startHolderOf(session, record);
}

/** Starts a container in place of this process; one that runs is attached to. */
export async function startReplacing(session: Session, name: string, request: StartRequest): Promise<never> {
  const { stores, view } = await open(session, name);
  const { interactive = false, detachKeys, signalProxy } = request;
  if (isActive(view))
    return attachReplacing(session, name, { noStdin: !interactive, detachKeys, signalProxy });
  requireWhole(view, 'start');
  requireTerminal({ tty: view.record.process.tty, interactive });
  return unlessRemoved('start', view, async () => {
    await startPodOf(session, view);
    await session.close();
    return startInForeground(stores, view.record, { outputOnly: !interactive, detachKeys, signalProxy });
  });
}

/** Becomes the client of a running container. */
export async function attachReplacing(
  session: Session,
  name: string,
  request: AttachRequest,
): Promise<never> {
  const { stores, view } = await open(session, name);
  const { attachInForeground } = await import('../container/attach.js');
  const interactive = view.record.process.interactive && request.noStdin !== true;
  requireTerminal({ tty: view.record.process.tty, interactive });
  await session.close();
  return attachInForeground(stores, view, request);
}

/** Stops a container if it runs, and starts it. */
export async function restart(session: Session, name: string, request: RestartRequest): Promise<void> {
  const { stores, view } = await open(session, name);
  requireWhole(view, 'restart');
  await unlessRemoved('restart', view, async () => {
    if (isActive(view)) await stopForRestart(stores, view, request);
    await startPodOf(session, view);
    const started = await startUnlessRunning(stores, view.record);
    for (const warning of started?.warnings ?? []) request.onWarning?.(warning.prose);
  });
  writeContainerEvent(stores.paths, 'restart', view.record);
}

async function stopForRestart(
  stores: Opened['stores'],
  view: ContainerView,
  { signal, timeout }: RestartRequest,
): Promise<void> {
  if (view.record.autoRemove) {
    throw new CoracleError('CONFLICT', `restart container ${view.record.name}: it is removed when it ends`, {
      hint: 'it was made with --rm',
    });
  }
  const { parseSignal } = await import('../sandbox/signals.js');
  await stopContainer(stores, view, {
    signal: signal === undefined ? undefined : parseSignal(signal),
    timeout,
  });
}
