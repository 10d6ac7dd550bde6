/**
 * The library's face: a store that is open, with one method per verb of the command line. Opening is cheap and
 * touches nothing; each verb loads what it needs.
 */
import type { CacheUnit } from './build/cache-unit.js';
import type { CheckReport } from './build/check-report.js';
import type { BuildResult } from './build/options.js';
import type { Described } from './build/outline.js';
import type { PruneResult } from './build/prune.js';
import type { PrunePolicy } from './build/prune-choice.js';
import type { DoctorReport } from './doctor/report.js';
import type { ImageRecord } from './image/image-record.js';
import type { ImageSummary } from './image/image-summary.js';
import type { RemoveImagesResult } from './image/remove-images.js';
import type { Inspection, InspectRequest } from './session/inspect.js';
import type { LoginFiles } from './session/logins.js';
import { PodVerbs } from './session/pod-verbs.js';
import type {
  BuildRequest,
  HostInformation,
  ImportRequest,
  LoadRequest,
  LoginRequest,
  PullRequest,
  PushRequest,
  SaveRequest,
  VersionInformation,
} from './session/requests.js';
import { type OpenOptions, Session } from './session/session.js';
import { WorkingVerbs } from './session/working-verbs.js';
import type { LoadedContent } from './transfer/load.js';

/** Opens a store; it is made by the first verb that needs it. Nothing is read or started yet. */
export function openCoracle(options: OpenOptions = {}): Coracle {
  return new Coracle(options);
}

/**
 * An open store. Names of containers are names, ids or the beginning of one id; names of images are references, ids
 * or the beginning of one id, where a bare name means `localhost/NAME` before `docker.io/library/NAME`.
 * Every method throws CoracleError. `close` when done.
 */
export class Coracle extends PodVerbs {
  /** Images made step by step. */
  readonly working: WorkingVerbs;

  constructor(options: OpenOptions) {
    super(new Session(options));
    this.working = new WorkingVerbs(this.session);
  }

  /** Builds an image from a Dockerfile. @throws INVALID or UNSUPPORTED with the place in it, BUILD when a step fails. */
  async build(request: BuildRequest): Promise<BuildResult> {
    const { build } = await import('./session/build.js');
    return build(this.session, request);
  }

  /** What the build checks say of a Dockerfile: as text, as the object of docker's JSON, and whether all is well. */
  async checkBuild(request: BuildRequest): Promise<CheckReport> {
    const { check } = await import('./session/build.js');
    const { checkJson, checkText } = await import('./build/check-report.js');
    const result = await check(this.session, request);
    const json = checkJson(result);
    return { ...result, text: checkText(result), json };
  }

  /** The parameters a build takes, or the stages it can end with, as docker's `--call=outline` and `targets` say them. */
  async describeBuild(request: BuildRequest, what: 'outline' | 'targets'): Promise<Described> {
    const { describe } = await import('./session/build.js');
    return describe(this.session, request, what);
  }

  /** Everything known about a container or an image, with the fields of docker's and podman's `inspect`. */
  async inspect(name: string, request: InspectRequest = {}): Promise<Inspection> {
    const { inspect } = await import('./session/inspect.js');
    return inspect(this.session, name, request);
  }

  /** All images, newest first. */
  async images(): Promise<readonly ImageSummary[]> {
    return (await this.session.stores()).images.listQuickly();
  }

  /** Gives an image another name; a bare one goes below `localhost/`. Resolves with the full reference. */
  async tag(image: string, name: string): Promise<string> {
    const { tag } = await import('./session/images.js');
    return tag(this.session, image, name);
  }

  /** Removes names and images; what failed is told in the result. */
  async removeImages(
    names: readonly string[],
    request: { readonly force?: boolean } = {},
  ): Promise<RemoveImagesResult> {
    const { removeAll } = await import('./session/images.js');
    return removeAll(this.session, names, request.force ?? false);
  }

  /** Makes an image of a root file system's tar: a path, `-` for standard input, or bytes. */
  async importImage(
    source: string | AsyncIterable<Uint8Array>,
    request: ImportRequest = {},
  ): Promise<ImageRecord> {
    const { importRoot } = await import('./session/images.js');
    return importRoot(this.session, source, request);
  }

  /** Loads the images of a docker-archive, oci-archive or OCI layout. */
  async load(
    source: string | AsyncIterable<Uint8Array>,
    request: LoadRequest = {},
  ): Promise<readonly LoadedContent[]> {
    const { load } = await import('./session/images.js');
    return load(this.session, source, request);
  }

  /** Saves images to a file or directory, or archives to standard output as `-`. */
  async save(names: readonly string[], destination: string, request: SaveRequest = {}): Promise<void> {
    const { save } = await import('./session/images.js');
    await save(this.session, names, destination, request);
  }

  /** Makes an image available from its registry. */
  async pull(image: string, request: PullRequest = {}): Promise<ImageRecord> {
    const { pull } = await import('./session/pull-named.js');
    return pull(this.session, image, request);
  }

  /** Pushes an image, by default under its own name. Resolves with the digest the registry has it by. */
  async push(
    image: string,
    destination?: string,
    request: PushRequest = {},
  ): Promise<{ readonly digest: string }> {
    const { push } = await import('./session/push-images.js');
    return push(this.session, image, destination, request);
  }

  /** Pulls every tag of a repository that is an image. */
  async pullTags(repository: string, request: PullRequest = {}): Promise<readonly ImageRecord[]> {
    const { pullTags } = await import('./session/pull-named.js');
    return pullTags(this.session, repository, request);
  }

  /** Pushes every tag that the store has of a repository, under its own name. */
  async pushTags(
    repository: string,
    request: PushRequest = {},
  ): Promise<readonly { readonly name: string; readonly digest: string }[]> {
    const { pushTags } = await import('./session/push-images.js');
    return pushTags(this.session, repository, request);
  }

  /**
   * Checks credentials with a registry and keeps them, for all of it or a namespace; by default the first of the search list.
   * Resolves with the place. @throws UNAUTHORIZED
   */
  async login(registry: string | undefined, request: LoginRequest): Promise<string> {
    const { logIn } = await import('./session/logins.js');
    return logIn(this.session, registry, request);
  }

  /** The user who is logged in to a registry. @throws NOT_FOUND */
  async loggedInUser(registry?: string, files: LoginFiles = {}): Promise<string> {
    const { loggedInUser } = await import('./session/logins.js');
    return loggedInUser(this.session, registry, files);
  }

  /** Forgets a registry's credentials. Resolves with the places they were in. @throws NOT_FOUND */
  async logout(registry?: string, files: LoginFiles = {}): Promise<readonly string[]> {
    const { logOut } = await import('./session/logins.js');
    return logOut(this.session, registry, files);
  }

  /** Forgets all stored credentials but those in Docker's own file. Resolves with the places they were in. */
  async logoutOfAll(files: LoginFiles = {}): Promise<readonly string[]> {
    const { logOutOfAll } = await import('./session/logins.js');
    return logOutOfAll(this.session, files);
  }

  /** What the build cache holds. */
  async cacheUsage(): Promise<readonly CacheUnit[]> {
    const { listCacheUnits } = await import('./build/cache-units.js');
    return listCacheUnits(await this.session.stores());
  }

  /** Takes away parts of the build cache; an empty policy means all that no image or container needs. */
  async pruneCache(policy: PrunePolicy = {}): Promise<PruneResult> {
    const { pruneCache } = await import('./build/prune.js');
    return pruneCache(await this.session.stores(), policy);
  }

  /** The store and the modes in use. */
  async info(): Promise<HostInformation> {
    const { hostInformation } = await import('./session/information.js');
    return hostInformation(this.session);
  }

  /** The program's version. Opens nothing. */
  async version(): Promise<VersionInformation> {
    const { versionInformation } = await import('./session/version-information.js');
    return versionInformation();
  }

  /** What this host can do, what not, and the fix for each. Opens nothing and never throws for what it finds. */
  async doctor(): Promise<DoctorReport> {
    const { examineHost } = await import('./doctor/examine.js');
    return examineHost(this.session);
  }

  /** Ends what was started for this store: the file agent and this process's staging. Containers go on. */
  async close(): Promise<void> {
    await this.session.close();
  }
}
