/** The verbs of pods: their holders and members are containers, and so is most of what is done with them. */
import { ContainerStore } from '../container/container-store.js';
import { createContainer } from '../container/create.js';
import { findPod, listPods, memberOptions, type PodView } from '../container/pod.js';
import type { ContainerRecord } from '../container/record.js';
import { unlessRemoved } from '../container/removed.js';
import type { RunOptions, SharedByPod } from '../container/run-options.js';
import { startUnlessRunning } from '../container/start.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { AllStores, Session } from './session.js';

export type CreatePodRequest = RunOptions & {
  readonly share: readonly SharedByPod[];
  readonly exitPolicy?: 'continue' | 'stop' | undefined;
  /** Remove, by force, the pod that has the name now. */
  readonly replace?: boolean | undefined;
  /** A limit that cannot be applied is an error, not a warning. */
  readonly requireLimits?: boolean | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
};

/** Makes a pod without starting it; resolves with its id. @throws CONFLICT (the name), USAGE */
export async function createPod(session: Session, request: CreatePodRequest): Promise<string> {
  const { share, exitPolicy, replace, requireLimits, onWarning, ...options } = request;
  if (options.limits !== undefined || options.cgroup !== undefined) {
    const { checkLimits } = await import('./run.js');
    await checkLimits(options, request);
  }
  const stores = await session.allStores();
  if (replace === true && options.name !== undefined) await removePodIfThere(session, options.name);
  const network = options.network ?? (share.includes('net') ? session.networkMode() : 'none');
  const full: RunOptions = {
    ...options,
    network,
    hostname: options.hostname ?? hostnameOf(options.name),
    ...powerless,
    command: ['pause'],
    pod: { kind: 'holder', share, ...(exitPolicy === 'stop' ? { exitPolicy } : {}) },
  };
  const created = await createContainer(stores, full, noImage, { purpose: 'start-later' });
  for (const warning of created.warnings) onWarning?.(warning);
  return created.record.id;
}

/** Nothing is what a holder does. */
const powerless = {
  capabilityDrop: ['ALL'],
  security: { noNewPrivileges: true },
  readonlyRoot: true,
} as const;

/** A pod's name is its host name, as far as it can be one. */
function hostnameOf(name: string | undefined): string | undefined {
  const text = name
    ?.replaceAll(/[^a-zA-Z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 63);
  return text === '' ? undefined : text;
}

async function removePodIfThere(session: Session, name: string): Promise<void> {
  const containers = new ContainerStore((await session.stores()).paths);
  if (listPods(containers).some((pod) => pod.name === name)) await removePod(session, name, { force: true });
}

const digest = `sha256:${'0'.repeat(64)}` as Digest;
const descriptor: Descriptor = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest,
  size: 0,
};

/** A holder runs nothing, so it is made of nothing. */
const noImage: ImageRecord = {
  id: '0'.repeat(64),
  references: [],
  descriptor,
  manifest: { kind: 'manifest', mediaType: descriptor.mediaType, config: descriptor, layers: [] },
  manifestDescriptor: descriptor,
  config: { architecture: '', os: 'linux', rootfs: { type: 'layers', diff_ids: [] } },
  configDigest: digest,
};

/** All pods, newest first. */
export async function allPods(session: Session): Promise<readonly PodView[]> {
  return listPods(new ContainerStore((await session.stores()).paths));
}

/** @throws NOT_FOUND */
export async function onePod(session: Session, name: string): Promise<PodView> {
  return findPod(new ContainerStore((await session.stores()).paths), name);
}

/** `--pod NAME`, or `new:NAME`, which makes one with the container's ports and network: the member's options, its pod running. */
export async function joinPod(session: Session, text: string, options: RunOptions): Promise<RunOptions> {
  if (!text.startsWith('new:')) return intoPod(session, text, options);
  const { sharedByDefault } = await import('../container/pod.js');
  const name = text.slice('new:'.length);
  if (name === '') throw new CoracleError('USAGE', 'use --pod new: a name is missing');
  await createPod(session, { ...part(options, 'pod'), name, share: sharedByDefault });
  return intoPod(session, name, part(options, 'member'));
}

/** What of a container's options a pod has instead of its members. */
const ofPod: ReadonlySet<string> = new Set<keyof RunOptions>([
  'publish',
  'network',
  'networks',
  'networkOptions',
  'networkContainer',
  'hostname',
  'dns',
  'dnsSearch',
  'dnsOptions',
  'extraHosts',
  'userns',
]);

/** The pod's part of a container's options, or what is left of them. */
function part(options: RunOptions, whose: 'pod' | 'member'): RunOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => ofPod.has(name) === (whose === 'pod')),
  );
}

async function intoPod(session: Session, name: string, options: RunOptions): Promise<RunOptions> {
  const pod = await onePod(session, name);
  const changed = memberOptions(options, pod);
  await startHolder(session, pod);
  return changed;
}

/** Before a member starts: what holds its namespaces. */
export async function startHolderOf(session: Session, { options }: ContainerRecord): Promise<void> {
  if (options.pod?.kind === 'member') await startHolder(session, await onePod(session, options.pod.holder));
}

async function startHolder(session: Session, { holder, members }: PodView): Promise<void> {
  const stores = await session.allStores();
  const { pod } = holder.record.options;
  const ends = pod?.kind === 'holder' && pod.exitPolicy === 'stop' && !members.some(isActive);
  if (isActive(holder)) {
    if (!ends) return;
    // It may be about to end with the member that ran last.
    const { stopContainer } = await import('../container/lifecycle.js');
    await stopContainer(stores, holder, { timeout: 1 });
  }
  await startMember(stores, holder);
}

/** Another member's start may come first. */
async function startMember(stores: AllStores, view: ContainerView): Promise<void> {
  await unlessRemoved('start', view, () => startUnlessRunning(stores, view.record));
}

/** Starts what of the pod does not run. */
export async function startPod(session: Session, name: string): Promise<string> {
  const pod = await onePod(session, name);
  await startHolder(session, pod);
  const stores = await session.allStores();
  await together(pod.members, async (view) => {
    if (!isActive(view)) await startMember(stores, view);
  });
  return pod.id;
}

/** Stops the members, then the holder. */
export async function stopPod(
  session: Session,
  name: string,
  request: { readonly timeout?: number | undefined } = {},
): Promise<string> {
  const pod = await onePod(session, name);
  const { stopContainer } = await import('../container/lifecycle.js');
  const stores = await session.allStores();
  await together(pod.members, async (view) => {
    if (isActive(view)) await stopContainer(stores, view, request);
  });
  if (isActive(pod.holder)) await stopContainer(stores, pod.holder, { timeout: 1 });
  return pod.id;
}

export async function restartPod(
  session: Session,
  name: string,
  request: { readonly timeout?: number | undefined } = {},
): Promise<string> {
  await stopPod(session, name, request);
  return startPod(session, name);
}

/** What is done with each member that is in the state for it. */
export async function changePod(
  session: Session,
  name: string,
  change:
    | { readonly kind: 'kill'; readonly signal?: string | undefined }
    | { readonly kind: 'pause' | 'unpause' },
): Promise<string> {
  const pod = await onePod(session, name);
  const wanted = change.kind === 'unpause' ? 'paused' : 'running';
  const views = pod.members.filter(({ status }) => status === wanted);
  await together(views, async ({ record }) => {
    if (change.kind === 'kill') {
      await (await import('./containers.js')).kill(session, record.id, change.signal);
    } else {
      const { pause, unpause } = await import('./processes.js');
      await (change.kind === 'pause' ? pause : unpause)(session, record.id);
    }
  });
  if (change.kind === 'kill' && isActive(pod.holder)) {
    await (await import('./containers.js')).stop(session, pod.id, { timeout: 1 });
  }
  return pod.id;
}

/** @throws IN_USE when a member runs and `force` is not set. */
export async function removePod(
  session: Session,
  name: string,
  {
    force = false,
    timeout,
  }: { readonly force?: boolean | undefined; readonly timeout?: number | undefined } = {},
): Promise<string> {
  const pod = await onePod(session, name);
  const active = pod.members.filter(isActive).map(({ record }) => record.name);
  if (active.length > 0 && !force) {
    throw new CoracleError('IN_USE', `remove pod ${pod.name}: ${active.join(', ')} runs`, {
      hint: `coracle pod stop ${pod.name} first, or coracle pod rm -f ${pod.name}`,
    });
  }
  const { remove } = await import('./containers.js');
  const request = { force: true, timeout, volumes: true, ignoreMissing: true };
  await together(pod.members, async ({ record }) => {
    await remove(session, record.id, request);
  });
  await remove(session, pod.id, { force: true, ignoreMissing: true });
  return pod.id;
}

/** All are tried; the first failure is told when they are done. */
async function together(
  views: readonly ContainerView[],
  act: (view: ContainerView) => Promise<void>,
): Promise<void> {
  const outcomes = await Promise.allSettled(views.map(act));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
