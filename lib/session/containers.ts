/** The container verbs: names resolved, states derived, the work done by lib/container. */
import { readAttachments } from '../container/attachments.js';
import { ContainerStore } from '../container/container-store.js';
import type { LogEntry, LogOptions, LogPiece } from '../container/logs.js';
import { unlessRemoved } from '../container/removed.js';
import type { ExecOptions } from '../container/run-options.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import type { PortMapping } from '../network/network-plan.js';
import type { ContainerSize } from './container-size.js';
import type {
  ContainerListing,
  ExecStarted,
  ListRequest,
  RemoveRequest,
  StopRequest,
  WaitRequest,
} from './requests.js';
import type { Session } from './session.js';

/** Containers, newest first; what killed processes left behind is taken away before. */
export async function listContainers(
  session: Session,
  options: ListRequest,
): Promise<readonly ContainerListing[]> {
  const stores = await session.stores();
  const { detachLeftovers } = await import('../container/collect.js');
  const { summarizeContainer } = await import('../container/listing.js');
  const store = new ContainerStore(stores.paths);
  const records = store.records();
  const removed = detachLeftovers(stores, records).length > 0;
  const now = Date.now();
  const everything = store.list(removed ? store.records() : records);
  const pods = new Map(
    everything.flatMap(({ record: { id, name, options } }) =>
      options.pod?.kind === 'holder' ? [[id, { id, name }] as const] : [],
    ),
  );
  const views = everything
    .filter(({ status }) => options.all === true || isActive({ status }))
    .filter(({ record }) => record.options.pod?.kind !== 'holder');
  const sizes = options.size === true ? await containerSizes(session, views) : undefined;
  return views.map((view) => ({
    ...summarizeContainer(view, now),
    network: [view.record.network === 'bridge' ? [] : view.record.network, networksOf(view)].flat().join(','),
    bridged: networksOf(view).length > 0,
    mounts: mountSources(view),
    ...(view.record.options.pod?.kind === 'member' ? { pod: pods.get(view.record.options.pod.holder) } : {}),
    ...(sizes === undefined ? {} : { size: sizes.get(view.record.id) }),
  }));
}

async function containerSizes(
  session: Session,
  views: readonly ContainerView[],
): Promise<ReadonlyMap<string, ContainerSize>> {
  const { containerSize } = await import('./container-size.js');
  const sizes = new Map<string, ContainerSize>();
  for (const view of views) sizes.set(view.record.id, await containerSize(session, view));
  return sizes;
}

/** User-defined networks that it is on. */
function networksOf({ record: { network }, directory }: ContainerView): readonly string[] {
  const canBe = network === 'bridge' || network === 'pasta' || network === 'slirp4netns';
  return canBe ? readAttachments(directory).map((attachment) => attachment.network) : [];
}

function mountSources({ record }: ContainerView): string[] {
  const binds = (record.options.mounts ?? []).flatMap((mount) =>
    mount.type === 'bind' ? [mount.source] : [],
  );
  return [...record.volumes.map(({ name }) => name), ...binds];
}

/** What a container printed. */
export async function* readContainerLogs(
  session: Session,
  name: string,
  options: LogOptions,
): AsyncGenerator<LogEntry> {
  const { view } = await open(session, name);
  const { readLogs } = await import('../container/logs.js');
  yield* readLogs(view, options);
}

/** The same without times, in large pieces. */
export async function* readContainerOutput(
  session: Session,
  name: string,
  options: Pick<LogOptions, 'follow' | 'signal'>,
): AsyncGenerator<LogPiece> {
  const { view } = await open(session, name);
  const { readOutput } = await import('../container/logs.js');
  yield* readOutput(view, options);
}

/** Starts a command in a running container and leaves it alone. */
export async function execInContainer(
  session: Session,
  name: string,
  options: ExecOptions,
): Promise<ExecStarted> {
  const { view, stores } = await open(session, name);
  const { execDetached } = await import('../container/exec.js');
  const { pid, warnings } = await execDetached(stores, view, options);
  return { pid, warnings: warnings.map(({ prose }) => prose) };
}

/** Runs a command in a running container in place of this process. */
export async function execReplacing(session: Session, name: string, options: ExecOptions): Promise<never> {
  const { view, stores } = await open(session, name);
  const { execInForeground } = await import('../container/exec.js');
  return execInForeground(stores, view, options);
}

/** False when there is no such container and that is fine. */
export async function stop(session: Session, name: string, request: StopRequest): Promise<boolean> {
  const found = await openUnless(session, name, request.ignoreMissing);
  if (found === undefined) return false;
  const { stopContainer } = await import('../container/lifecycle.js');
  const signal = request.signal === undefined ? undefined : await signalNumber(request.signal);
  await stopContainer(found.stores, found.view, { signal, timeout: request.timeout });
  return true;
}

/** Gives a container another name. */
export async function rename(session: Session, name: string, newName: string): Promise<void> {
  const { view, stores } = await open(session, name);
  requireWhole(view, 'rename');
  const { renameContainer } = await import('../container/rename.js');
  await unlessRemoved('rename', view, async () => {
    renameContainer(stores, view, newName);
    if (networksOf(view).length > 0) await (await import('./network-changes.js')).renamed(session, newName);
    const { retell } = await import('../container/update.js');
    await retell(stores, { ...view, record: { ...view.record, name: newName } });
  });
}

/** Where this host answers for the container's ports. */
export async function ports(session: Session, name: string): Promise<readonly PortMapping[]> {
  const { view } = await open(session, name);
  return [...view.record.ports].sort(
    (a, b) => a.containerPort - b.containerPort || a.protocol.localeCompare(b.protocol),
  );
}

export async function kill(session: Session, name: string, signal: string | undefined): Promise<void> {
  const { view, stores } = await open(session, name);
  const { killContainer } = await import('../container/lifecycle.js');
  await killContainer(stores, view, await signalNumber(signal ?? 'KILL'));
}

/** False when there is no such container and that is fine. */
export async function remove(session: Session, name: string, request: RemoveRequest): Promise<boolean> {
  const found = await openUnless(session, name, request.ignoreMissing);
  if (found === undefined) return false;
  const { view, stores } = found;
  if (request.depend === true) await removeDependents(session, found, request);
  const { removeContainer, stopContainer } = await import('../container/lifecycle.js');
  const { force, timeout, volumes } = request;
  if (force === true && timeout !== undefined) await stopContainer(stores, view, { timeout });
  await removeContainer(stores, view, { force, volumes });
  return true;
}

async function removeDependents(
  session: Session,
  { stores, view }: Opened,
  request: RemoveRequest,
): Promise<void> {
  const { networkGuests } = await import('../container/network-container.js');
  const { namespaceGuests } = await import('../container/shared-namespaces.js');
  const { id } = view.record;
  for (const name of new Set([...networkGuests(stores, id), ...namespaceGuests(stores, id)])) {
    if (await remove(session, name, { ...request, ignoreMissing: true })) request.onDependent?.(name);
  }
}

/** The exit code, -1 for a container that does not exist where that is fine. */
export async function wait(session: Session, name: string, request: WaitRequest): Promise<number> {
  const found = await openUnless(session, name, request.ignoreMissing);
  if (found === undefined) return -1;
  const { conditions = ['stopped'], interval, signal } = request;
  const { waitForCondition } = await import('../container/wait.js');
  return waitForCondition(found.stores, found.view, { conditions, interval, signal });
}

/** Whether there is such a container. */
export async function containerExists(session: Session, name: string): Promise<boolean> {
  return new ContainerStore((await session.stores()).paths).find(name) !== undefined;
}

async function signalNumber(text: string): Promise<number> {
  const { parseSignal } = await import('../sandbox/signals.js');
  return parseSignal(text);
}

/** @throws CONFLICT for what a removal that failed left. */
export function requireWhole({ record, status }: ContainerView, verb: string): void {
  if (status !== 'dead') return;
  throw new CoracleError(
    'CONFLICT',
    `${verb} container ${record.name}: it is dead, its removal did not finish`,
    {
      hint: `coracle rm ${record.name} goes on with it`,
    },
  );
}

/** A container by name, and the stores it is in. */
export type Opened = {
  readonly view: ContainerView;
  readonly stores: Awaited<ReturnType<Session['allStores']>>;
};

/** @throws NOT_FOUND, USAGE for an ambiguous id. */
export async function open(session: Session, name: string): Promise<Opened> {
  const stores = await session.allStores();
  return { stores, view: new ContainerStore(stores.paths).resolve(name) };
}

async function openUnless(
  session: Session,
  name: string,
  ignoreMissing: boolean | undefined,
): Promise<Opened | undefined> {
  try {
    return await open(session, name);
  } catch (error) {
    if (ignoreMissing === true && error instanceof CoracleError && error.code === 'NOT_FOUND') {
      return undefined;
    }
    throw error;
  }
}
