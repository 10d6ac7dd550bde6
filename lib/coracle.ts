/**
 * The library's face: a store that is open, with one method per verb of the command line. Opening is cheap and
 * touches nothing; each verb loads what it needs.
 */
import type { CacheUnit } from './build/cache-unit.js';
import type { BuildResult } from './build/options.js';
import type { PruneResult } from './build/prune.js';
import type { PrunePolicy } from './build/prune-choice.js';
import type { Change } from './container/changes.js';
import type { LogEntry, LogOptions } from './container/logs.js';
import type { ExecOptions } from './container/run-options.js';
import type { DoctorReport } from './doctor/report.js';
import type { ImageRecord } from './image/image-record.js';
import type { ImageSummary } from './image/image-summary.js';
import type { RemoveImagesResult } from './image/remove-images.js';
import type { PortMapping } from './network/network-plan.js';
import type { Inspection } from './session/inspect.js';
import type {
  AttachRequest,
  BuildRequest,
  CommitRequest,
  ContainerListing,
  CopyEnd,
  CopyRequest,
  ExecStarted,
  HostInformation,
  ImportRequest,
  LoginRequest,
  PullRequest,
  PushRequest,
  RemoveRequest,
  RestartRequest,
  RunningContainer,
  RunRequest,
  StartRequest,
  StopRequest,
  VersionInformation,
} from './session/requests.js';
import { type OpenOptions, Session } from './session/session.js';
import type { TransferEvent } from './transfer/events.js';
import type { RegistryAccess } from './transfer/registry-access.js';
import type { ArchiveFormat } from './transfer/save.js';

/** Opens a store; it is made by the first verb that needs it. Nothing is read or started yet. */
export function openCoracle(options: OpenOptions = {}): Coracle {
  return new Coracle(options);
}

/**
 * An open store. Names of containers are names, ids or the beginning of one id; names of images are references, ids
 * or the beginning of one id, where a bare name means `localhost/NAME` before `docker.io/library/NAME`.
 * Every method throws CoracleError. `close` when done.
 */
export class Coracle {
  readonly #session: Session;

  constructor(options: OpenOptions) {
    this.#session = new Session(options);
  }

  /** Builds an image from a Dockerfile. @throws INVALID or UNSUPPORTED with the place in it, BUILD when a step fails. */
  async build(request: BuildRequest): Promise<BuildResult> {
    const { build } = await import('./session/images.js');
    return build(this.#session, request);
  }

  /**
   * Runs a container in the background, its image pulled when it is missing; resolves when its process was executed.
   * @throws START with exit code 125, 126 (not executable) or 127 (not found); the container stays unless `remove`.
   */
  async run(image: string, request: RunRequest = {}): Promise<RunningContainer> {
    const { runDetached } = await import('./session/run.js');
    return runDetached(this.#session, image, request);
  }

  /** As `run`, with this process's standard streams and in its place: never resolves, the exit code is the container's. */
  async runInForeground(image: string, request: RunRequest = {}): Promise<never> {
    const { runReplacing } = await import('./session/run.js');
    return runReplacing(this.#session, image, request);
  }

  /** Makes a container that `start` runs; its image is pulled when it is missing. */
  async create(image: string, request: RunRequest = {}): Promise<RunningContainer> {
    const { createOnly } = await import('./session/run.js');
    return createOnly(this.#session, image, request);
  }

  /** Starts a container in the background; one that runs is left alone. @throws START as `run`. */
  async start(container: string, request: StartRequest = {}): Promise<void> {
    const { start } = await import('./session/start.js');
    await start(this.#session, container, request);
  }

  /** As `start`, in place of this process and attached: never resolves. */
  async startInForeground(container: string, request: StartRequest = {}): Promise<never> {
    const { startReplacing } = await import('./session/start.js');
    return startReplacing(this.#session, container, request);
  }

  /** Stops a container if it runs, and starts it. */
  async restart(container: string, request: RestartRequest = {}): Promise<void> {
    const { restart } = await import('./session/start.js');
    await restart(this.#session, container, request);
  }

  /** Becomes the client of a running container, in place of this process: never resolves. @throws CONFLICT */
  async attachInForeground(container: string, request: AttachRequest = {}): Promise<never> {
    const { attachReplacing } = await import('./session/start.js');
    return attachReplacing(this.#session, container, request);
  }

  /** Gives a container another name. @throws CONFLICT when it is taken. */
  async rename(container: string, name: string): Promise<void> {
    const { rename } = await import('./session/containers.js');
    await rename(this.#session, container, name);
  }

  /** The published ports of a container, in the order of its ports. */
  async ports(container: string): Promise<readonly PortMapping[]> {
    const { ports } = await import('./session/containers.js');
    return ports(this.#session, container);
  }

  /** Starts a further process in a running container and leaves it alone. @throws CONFLICT when it does not run. */
  async exec(container: string, options: ExecOptions): Promise<ExecStarted> {
    const { execInContainer } = await import('./session/containers.js');
    return execInContainer(this.#session, container, options);
  }

  /** As `exec`, in place of this process: never resolves. */
  async execInForeground(container: string, options: ExecOptions): Promise<never> {
    const { execReplacing } = await import('./session/containers.js');
    return execReplacing(this.#session, container, options);
  }

  /** The containers that run, or all; newest first. */
  async containers(options: { readonly all?: boolean } = {}): Promise<readonly ContainerListing[]> {
    const { listContainers } = await import('./session/containers.js');
    return listContainers(this.#session, options);
  }

  /** What a container printed, oldest first; with `follow` until it ends. */
  async *logs(container: string, options: LogOptions = {}): AsyncGenerator<LogEntry> {
    const { readContainerLogs } = await import('./session/containers.js');
    yield* readContainerLogs(this.#session, container, options);
  }

  /** Stops a container and waits for its end. False when it does not exist and `ignoreMissing` is set. */
  async stop(container: string, request: StopRequest = {}): Promise<boolean> {
    const { stop } = await import('./session/containers.js');
    return stop(this.#session, container, request);
  }

  /** Sends a signal, KILL unless said otherwise. @throws CONFLICT when it does not run. */
  async kill(container: string, request: { readonly signal?: string | undefined } = {}): Promise<void> {
    const { kill } = await import('./session/containers.js');
    await kill(this.#session, container, request.signal);
  }

  /** Removes a container. False when it does not exist and `ignoreMissing` is set. @throws IN_USE when it runs, unless forced. */
  async remove(container: string, request: RemoveRequest = {}): Promise<boolean> {
    const { remove } = await import('./session/containers.js');
    return remove(this.#session, container, request);
  }

  /** Waits until a container does not run and resolves with its exit code; -1 for one that may be missing and is. */
  async wait(container: string, request: { readonly ignoreMissing?: boolean } = {}): Promise<number> {
    const { wait } = await import('./session/containers.js');
    return wait(this.#session, container, request.ignoreMissing);
  }

  /** Everything known about a container or an image, with the fields of docker's and podman's `inspect`. */
  async inspect(
    name: string,
    request: { readonly type?: 'all' | 'container' | 'image' } = {},
  ): Promise<Inspection> {
    const { inspect } = await import('./session/inspect.js');
    return inspect(this.#session, name, request.type ?? 'all');
  }

  /** What a container changed over its image. */
  async diff(container: string): Promise<readonly Change[]> {
    const { diff } = await import('./session/files.js');
    return diff(this.#session, container);
  }

  /** Copies a file or tree between containers, this host and standard streams. */
  async copy(source: CopyEnd, destination: CopyEnd, request: CopyRequest = {}): Promise<void> {
    const { copy } = await import('./session/copy.js');
    await copy(this.#session, source, destination, request);
  }

  /** Writes a container's files, mounts left out, as a tar to a file, or to standard output as `-`. */
  async export(container: string, destination: string): Promise<void> {
    const { exportFiles } = await import('./session/files.js');
    await exportFiles(this.#session, container, destination);
  }

  /** Makes an image of a container and what it changed. */
  async commit(container: string, request: CommitRequest = {}): Promise<ImageRecord> {
    const { commit } = await import('./session/files.js');
    return commit(this.#session, container, request);
  }

  /** All images, newest first. */
  async images(): Promise<readonly ImageSummary[]> {
    return (await this.#session.stores()).images.list();
  }

  /** Gives an image another name; a bare one goes below `localhost/`. Resolves with the full reference. */
  async tag(image: string, name: string): Promise<string> {
    const { storedImage } = await import('./session/image-source.js');
    const { nameToGive } = await import('./session/image-names.js');
    const stores = await this.#session.stores();
    return stores.images.tag(storedImage(stores, image), nameToGive(name));
  }

  /** Removes names and images; what failed is told in the result. */
  async removeImages(
    names: readonly string[],
    request: { readonly force?: boolean } = {},
  ): Promise<RemoveImagesResult> {
    const { removeAll } = await import('./session/images.js');
    return removeAll(this.#session, names, request.force ?? false);
  }

  /** Makes an image of a root file system's tar: a path, `-` for standard input, or bytes. */
  async importImage(
    source: string | AsyncIterable<Uint8Array>,
    request: ImportRequest = {},
  ): Promise<ImageRecord> {
    const { importRoot } = await import('./session/images.js');
    return importRoot(this.#session, source, request);
  }

  /** Loads the images of a docker-archive, oci-archive or OCI layout. */
  async load(
    source: string | AsyncIterable<Uint8Array>,
    request: { readonly onEvent?: (event: TransferEvent) => void } = {},
  ): Promise<readonly ImageRecord[]> {
    const { loadImages } = await import('./transfer/load.js');
    return loadImages(await this.#session.stores(), source, request.onEvent);
  }

  /** Saves images to a file, or to standard output as `-`. */
  async save(
    names: readonly string[],
    destination: string,
    request: { readonly format?: ArchiveFormat } = {},
  ): Promise<void> {
    const { save } = await import('./session/images.js');
    await save(this.#session, names, destination, request.format ?? 'docker-archive');
  }

  /** Makes an image available from its registry. */
  async pull(image: string, request: PullRequest = {}): Promise<ImageRecord> {
    const { pull } = await import('./session/images.js');
    return pull(this.#session, image, request);
  }

  /** Pushes an image, by default under its own name. Resolves with the digest the registry has it by. */
  async push(
    image: string,
    destination?: string,
    request: PushRequest = {},
  ): Promise<{ readonly digest: string }> {
    const { push } = await import('./session/images.js');
    return push(this.#session, image, destination, request);
  }

  /** Checks credentials with a registry and keeps them. Resolves with the place. @throws UNAUTHORIZED */
  async login(registry: string, request: LoginRequest): Promise<string> {
    const { logIn } = await import('./session/logins.js');
    return logIn(this.#session, registry, request);
  }

  /** The user who is logged in to a registry. @throws NOT_FOUND */
  async loggedInUser(registry: string, access: RegistryAccess = {}): Promise<string> {
    const { loggedInUser } = await import('./session/logins.js');
    return loggedInUser(this.#session, registry, access);
  }

  /** Forgets a registry's credentials. Resolves with the places they were in. @throws NOT_FOUND */
  async logout(registry: string, request: { readonly authfile?: string } = {}): Promise<readonly string[]> {
    const { logOut } = await import('./session/logins.js');
    return logOut(this.#session, registry, request.authfile);
  }

  /** What the build cache holds. */
  async cacheUsage(): Promise<readonly CacheUnit[]> {
    const { listCacheUnits } = await import('./build/cache-units.js');
    return listCacheUnits(await this.#session.stores());
  }

  /** Takes away parts of the build cache; an empty policy means all that no image or container needs. */
  async pruneCache(policy: PrunePolicy = {}): Promise<PruneResult> {
    const { pruneCache } = await import('./build/prune.js');
    return pruneCache(await this.#session.stores(), policy);
  }

  /** The store and the modes in use. */
  async info(): Promise<HostInformation> {
    const { hostInformation } = await import('./session/information.js');
    return hostInformation(this.#session);
  }

  /** The program's version. Opens nothing. */
  async version(): Promise<VersionInformation> {
    const { versionInformation } = await import('./session/information.js');
    return versionInformation();
  }

  /** What this host can do, what not, and the fix for each. Opens nothing and never throws for what it finds. */
  async doctor(): Promise<DoctorReport> {
    const { examineHost } = await import('./doctor/examine.js');
    return examineHost(this.#session);
  }

  /** Ends what was started for this store: the file agent and this process's staging. Containers go on. */
  async close(): Promise<void> {
    await this.#session.close();
  }
}
