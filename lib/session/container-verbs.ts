/** The verbs of containers; `Coracle` has them too. Each loads what it needs. */
import type { LogEntry, LogOptions, LogPiece } from '../container/logs.js';
import type { NamedLogEntry } from '../container/merge-logs.js';
import type { ExecOptions } from '../container/run-options.js';
import type { ContainerUsage } from '../container/stats.js';
import type { ProcessTable } from '../container/top.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Change } from '../layer/layer-changes.js';
import type { PortMapping } from '../network/network-plan.js';
import type { MountedContainer } from './mounts.js';
import type {
  AttachRequest,
  CommitRequest,
  ContainerListing,
  CopyEnd,
  CopyRequest,
  ExecStarted,
  ListRequest,
  RemoveRequest,
  RestartRequest,
  RunningContainer,
  RunRequest,
  StartRequest,
  StatsRequest,
  StopRequest,
  UpdateRequest,
  WaitRequest,
} from './requests.js';
import type { Session } from './session.js';

export abstract class ContainerVerbs {
  protected readonly session: Session;

  protected constructor(session: Session) {
    this.session = session;
  }

  /**
   * Runs a container in the background, its image pulled when it is missing; resolves when its process was executed.
   * @throws START with exit code 125, 126 (not executable) or 127 (not found); the container stays unless `remove`.
   */
  async run(image: string, request: RunRequest = {}): Promise<RunningContainer> {
    const { runDetached } = await import('./run.js');
    return runDetached(this.session, image, request);
  }

  /** As `run`, with this process's standard streams and in its place: never resolves, the exit code is the container's. */
  async runInForeground(image: string, request: RunRequest = {}): Promise<never> {
    const { runReplacing } = await import('./run.js');
    return runReplacing(this.session, image, request);
  }

  /** Makes a container that `start` runs; its image is pulled when it is missing. */
  async create(image: string, request: RunRequest = {}): Promise<RunningContainer> {
    const { createOnly } = await import('./run.js');
    return createOnly(this.session, image, request);
  }

  /** Starts a container in the background; one that runs is left alone. @throws START as `run`. */
  async start(container: string, request: StartRequest = {}): Promise<void> {
    const { start } = await import('./start.js');
    await start(this.session, container, request);
  }

  /** As `start`, in place of this process and attached: never resolves. */
  async startInForeground(container: string, request: StartRequest = {}): Promise<never> {
    const { startReplacing } = await import('./start.js');
    return startReplacing(this.session, container, request);
  }

  /** Stops a container if it runs, and starts it. */
  async restart(container: string, request: RestartRequest = {}): Promise<void> {
    const { restart } = await import('./start.js');
    await restart(this.session, container, request);
  }

  /** Becomes the client of a running container, in place of this process: never resolves. @throws CONFLICT */
  async attachInForeground(container: string, request: AttachRequest = {}): Promise<never> {
    const { attachReplacing } = await import('./start.js');
    return attachReplacing(this.session, container, request);
  }

  /** Has every process of a container stand still. @throws CONFLICT when it does not run or is paused. */
  async pause(container: string): Promise<void> {
    const { pause } = await import('./processes.js');
    await pause(this.session, container);
  }

  /** Lets a paused container go on. @throws CONFLICT when it is not paused. */
  async unpause(container: string): Promise<void> {
    const { unpause } = await import('./processes.js');
    await unpause(this.session, container);
  }

  /** Runs a container's health check now; true when it does well. @throws CONFLICT when it does not run or has none. */
  async checkHealth(container: string): Promise<boolean> {
    const { checkHealthOf } = await import('./processes.js');
    return checkHealthOf(this.session, container);
  }

  /** The processes of a running container; `format` names columns as ps(1) does. */
  async top(container: string, format: readonly string[] = []): Promise<ProcessTable> {
    const { top } = await import('./processes.js');
    return top(this.session, container, format);
  }

  /** What containers use, all that run where none is named: again each interval, or once. */
  async *stats(
    containers: readonly string[] = [],
    request: StatsRequest = {},
  ): AsyncGenerator<readonly ContainerUsage[]> {
    const { stats } = await import('./processes.js');
    yield* stats(this.session, containers, request);
  }

  /** Changes how a container is looked after, at once if it runs. @throws USAGE for what cannot be. */
  async update(container: string, request: UpdateRequest): Promise<RunningContainer> {
    const { update } = await import('./update.js');
    return update(this.session, container, request);
  }

  /** Gives a container another name. @throws CONFLICT when it is taken. */
  async rename(container: string, name: string): Promise<void> {
    const { rename } = await import('./containers.js');
    await rename(this.session, container, name);
  }

  /** The published ports of a container, in the order of its ports. */
  async ports(container: string): Promise<readonly PortMapping[]> {
    const { ports } = await import('./containers.js');
    return ports(this.session, container);
  }

  /** Starts a further process in a running container and leaves it alone. @throws CONFLICT when it does not run. */
  async exec(container: string, options: ExecOptions): Promise<ExecStarted> {
    const { execInContainer } = await import('./containers.js');
    return execInContainer(this.session, container, options);
  }

  /** As `exec`, in place of this process: never resolves. */
  async execInForeground(container: string, options: ExecOptions): Promise<never> {
    const { execReplacing } = await import('./containers.js');
    return execReplacing(this.session, container, options);
  }

  /** The containers that run, or all; newest first. */
  async containers(options: ListRequest = {}): Promise<readonly ContainerListing[]> {
    const { listContainers } = await import('./containers.js');
    return listContainers(this.session, options);
  }

  /** What a container printed, oldest first; with `follow` until it ends. */
  async *logs(container: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    const { readContainerLogs } = await import('./containers.js');
    yield* readContainerLogs(this.session, container, options);
  }

  /**
   * The same bytes without times, in large pieces: many times as fast. A piece is overwritten when the next one is asked for.
   */
  async *output(
    container: string,
    options: Pick<LogOptions, 'follow' | 'signal'> = {},
  ): AsyncGenerator<LogPiece> {
    const { readContainerOutput } = await import('./containers.js');
    yield* readContainerOutput(this.session, container, options);
  }

  /** What several containers printed, in the order of time; each entry with its container's place in the list. */
  async *mergedLogs(containers: readonly string[], options: LogOptions = {}): AsyncGenerator<NamedLogEntry> {
    const { mergeLogs } = await import('../container/merge-logs.js');
    yield* mergeLogs(containers.map((container) => this.logs(container, options)));
  }

  /** Stops a container and waits for its end. False when it does not exist and `ignoreMissing` is set. */
  async stop(container: string, request: StopRequest = {}): Promise<boolean> {
    const { stop } = await import('./containers.js');
    return stop(this.session, container, request);
  }

  /** Sends a signal, KILL unless said otherwise. @throws CONFLICT when it does not run. */
  async kill(container: string, request: { readonly signal?: string | undefined } = {}): Promise<void> {
    const { kill } = await import('./containers.js');
    await kill(this.session, container, request.signal);
  }

  /** Removes a container. False when it does not exist and `ignoreMissing` is set. @throws IN_USE when it runs, unless forced. */
  async remove(container: string, request: RemoveRequest = {}): Promise<boolean> {
    const { remove } = await import('./containers.js');
    return remove(this.session, container, request);
  }

  /**
   * Waits until a container does not run and resolves with its exit code; -1 for one that may be missing and is, and
   * where another condition was waited for.
   */
  async wait(container: string, request: WaitRequest = {}): Promise<number> {
    const { wait } = await import('./containers.js');
    return wait(this.session, container, request);
  }

  /** Whether there is a container of this name or id. */
  async containerExists(container: string): Promise<boolean> {
    const { containerExists } = await import('./containers.js');
    return containerExists(this.session, container);
  }

  /** What a container changed over its image. */
  async diff(container: string): Promise<readonly Change[]> {
    const { diff } = await import('./files.js');
    return diff(this.session, container);
  }

  /** Copies a file or tree between containers, this host and standard streams. */
  async copy(source: CopyEnd, destination: CopyEnd, request: CopyRequest = {}): Promise<void> {
    const { copy } = await import('./copy.js');
    await copy(this.session, source, destination, request);
  }

  /** Writes a container's files, mounts left out, as a tar to a file, or to standard output as `-`. */
  async export(container: string, destination: string): Promise<void> {
    const { exportFiles } = await import('./files.js');
    await exportFiles(this.session, container, destination);
  }

  /** Makes an image of a container and what it changed. */
  async commit(container: string, request: CommitRequest = {}): Promise<ImageRecord> {
    const { commit } = await import('./files.js');
    return commit(this.session, container, request);
  }

  /** Mounts one that does not run for programs of this host; resolves with the mount point. @throws HOST outside of `unshare` */
  async mount(container: string): Promise<string> {
    const { mount } = await import('./mounts.js');
    return mount(this.session, container);
  }

  /** Unmounts it; false when it was not mounted. @throws IO while something uses it */
  async unmount(container: string): Promise<boolean> {
    const { unmount } = await import('./mounts.js');
    return unmount(this.session, container);
  }

  /** The containers that are mounted here. */
  async mounted(): Promise<readonly MountedContainer[]> {
    const { mountedContainers } = await import('./mounts.js');
    return mountedContainers(this.session);
  }

  /** Whether this process is in such a namespace. */
  async isUnshared(): Promise<boolean> {
    const { mayMount } = await import('../native/namespace.js');
    return mayMount();
  }

  /** Becomes a program in a user and mount namespace of its own, as root of it, or in the one it is in: never resolves. @throws HOST, NOT_FOUND */
  async unshare(args: readonly string[]): Promise<never> {
    const { unshare } = await import('./mounts.js');
    return unshare(this.session, args);
  }
}
