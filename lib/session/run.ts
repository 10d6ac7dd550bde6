/** `run`: an image found or pulled, a container made of it, started in the background or in place of this process. */
import { createContainer } from '../container/create.js';
import type { ContainerRecord } from '../container/record.js';
import { unlessRemoved } from '../container/removed.js';
import { requireTerminal } from '../container/require-terminal.js';
import type { RunOptions } from '../container/run-options.js';
import { prepareLaterStart, startInForeground, startUnlessRunning } from '../container/start.js';
import { type ContainerStores, containerPlaces } from '../container/stores.js';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { PortRequest } from '../network/network-plan.js';
import { resolveImage } from './image-source.js';
import type { RunningContainer, RunRequest } from './requests.js';
import type { Session } from './session.js';

/** Runs a container in the background; returns once its process was executed. */
export async function runDetached(
  session: Session,
  image: string,
  request: RunRequest,
): Promise<RunningContainer> {
  const { stores, created } = await prepare(session, image, request);
  const { record, network } = created;
  const started = await orLeaveNothing(session, record, () =>
    startUnlessRunning(stores, record, { network, fresh: true }),
  );
  for (const warning of started?.warnings ?? []) request.onWarning?.(warning.prose);
  return { id: record.id, name: record.name };
}

/** Runs a container in place of this process, which ends with the container's exit code. */
export async function runReplacing(session: Session, image: string, request: RunRequest): Promise<never> {
  requireTerminal(request);
  const { stores, created } = await prepare(session, image, request);
  const { record, network } = created;
  await session.close();
  return orLeaveNothing(session, record, () => startInForeground(stores, record, { network, fresh: true }));
}

/** A container that no supervisor took over is removed here; one that it could not start, by the supervisor. */
async function orLeaveNothing<T>(
  session: Session,
  record: ContainerRecord,
  start: () => Promise<T>,
): Promise<T> {
  const stores = await session.allStores();
  const { directory } = containerPlaces(stores, record.id);
  try {
    return await unlessRemoved('start', { directory, record }, start);
  } catch (error) {
    const { removeUnheld } = await import('../container/collect.js');
    await removeUnheld(stores, record);
    throw error;
  }
}

/** Makes a container that `start` runs later. */
export async function createOnly(
  session: Session,
  image: string,
  request: RunRequest,
): Promise<RunningContainer> {
  const { stores, created } = await prepare(session, image, request, 'start-later');
  await prepareLaterStart(stores, created.record).catch(leaveToStart);
  return { id: created.record.id, name: created.record.name };
}

/** What this host lacks for a start is said by the start: until then it may have it. */
function leaveToStart(error: unknown): void {
  if (!(error instanceof CoracleError)) throw error;
}

type Prepared = {
  readonly stores: ContainerStores;
  readonly created: Awaited<ReturnType<typeof createContainer>>;
};

/** From the look for the image until the container's record refers to it, nobody may sweep what it is made of. */
async function prepare(
  session: Session,
  image: string,
  request: RunRequest,
  purpose: 'start-now' | 'start-later' = 'start-now',
): Promise<Prepared> {
  const { staging } = await session.stores();
  const lease = staging.keepSweepsAway();
  try {
    return await makeOf(session, image, request, purpose);
  } finally {
    lease.release();
  }
}

async function makeOf(
  session: Session,
  image: string,
  request: RunRequest,
  purpose: 'start-now' | 'start-later',
): Promise<Prepared> {
  const { policy, platform, access, publishAll, replace, requireLimits, inPod, ...rest } = request;
  const { onEvent, onWarning, onCreated, ...asked } = rest;
  if (asked.limits !== undefined || asked.cgroup !== undefined) await checkLimits(asked, request);
  const record = await findImage(session, image, request);
  const stores = await session.allStores();
  if (replace === true && asked.name !== undefined) {
    const { remove } = await import('./containers.js');
    await remove(session, asked.name, { force: true, ignoreMissing: true });
  }
  const options = inPod === undefined ? asked : await intoPod(session, inPod, asked);
  const images = await mountedImages(session, request);
  const full: RunOptions = {
    ...options,
    network: options.network ?? session.networkMode(),
    publish: [...(options.publish ?? []), ...(publishAll === true ? await exposedPorts(record) : [])],
  };
  const created = await createDespiteLeftovers(
    () => createContainer(stores, full, record, { purpose, images }),
    stores,
  );
  for (const used of [record, ...images.values()]) stores.images.keepUsed(used);
  onCreated?.({ id: created.record.id, name: created.record.name });
  for (const warning of created.warnings) onWarning?.(warning);
  return { stores, created };
}

async function intoPod(session: Session, pod: string, options: RunOptions): Promise<RunOptions> {
  const { joinPod } = await import('./pods.js');
  return joinPod(session, pod, options);
}

/** Says once what is not applied, and whether there was anything to say. @throws HOST where it has to be. */
export async function checkLimits(
  options: Pick<RunOptions, 'limits' | 'cgroup'>,
  request: Pick<RunRequest, 'requireLimits' | 'onWarning'>,
): Promise<boolean> {
  const { limitsProblem } = await import('../container/cgroup-at-start.js');
  const problem = limitsProblem(process.env, options, request.requireLimits === true);
  if (problem !== undefined) request.onWarning?.(problem);
  return problem !== undefined;
}

async function findImage(session: Session, image: string, request: RunRequest): Promise<ImageRecord> {
  const { policy = 'missing', access = {}, onEvent = () => undefined } = request;
  const platform = await session.platform(request.platform);
  return resolveImage(await session.stores(), image, { access, policy, platform, onEvent });
}

/** The images that mounts name; each is pulled where it is missing, as the container's own. */
async function mountedImages(
  session: Session,
  request: RunRequest,
): Promise<ReadonlyMap<string, ImageRecord>> {
  const images = new Map<string, ImageRecord>();
  for (const mount of request.mounts ?? []) {
    if (mount.type !== 'image' || images.has(mount.image)) continue;
    images.set(mount.image, await findImage(session, mount.image, request));
  }
  return images;
}

/** A name may be held by a container of `--rm` whose supervisor was killed. */
async function createDespiteLeftovers(
  create: () => Promise<Prepared['created']>,
  stores: ContainerStores,
): Promise<Prepared['created']> {
  try {
    return await create();
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code !== 'CONFLICT') throw error;
    const { detachLeftovers } = await import('../container/collect.js');
    if (detachLeftovers(stores).length === 0) throw error;
    return create();
  }
}

async function exposedPorts(image: ImageRecord): Promise<PortRequest[]> {
  const { parseExposedPort } = await import('../network/port-flags.js');
  return Object.keys(image.config.config?.ExposedPorts ?? {}).flatMap((text) => {
    const port = parseExposedPort(text);
    return port === undefined ? [] : [{ ...port, hostAddress: '0.0.0.0', hostPort: undefined }];
  });
}
