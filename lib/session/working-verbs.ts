/** The verbs of working containers, buildah's by name; `Coracle.working` has them. Each loads what it needs. */
import type { ImageRecord } from '../image/image-record.js';
import type { ConfigChange } from '../working/config-change.js';
import type { WorkingRecord } from '../working/record.js';
import type { MountedContainer } from './mounts.js';
import type { Session } from './session.js';
import type {
  WorkingCommitRequest,
  WorkingCopyRequest,
  WorkingFromRequest,
  WorkingRunRequest,
} from './working-requests.js';

type WorkingModule = typeof import('./working.js');

/** Containers that an image is made in, step by step. Each is named by its name, its id or the beginning of one id. */
export class WorkingVerbs {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Makes one on an image, pulled when it is missing, or on nothing with `scratch`. @throws CONFLICT for the name. */
  async from(image: string, request: WorkingFromRequest = {}): Promise<WorkingRecord> {
    return (await this.#load()).from(this.#session, image, request);
  }

  /** Runs a command in it; resolves with its exit code. @throws START with 126 or 127 when it cannot be executed. */
  async run(container: string, request: WorkingRunRequest): Promise<number> {
    return (await this.#load()).run(this.#session, container, request);
  }

  /** Copies files into it. Resolves with their digest where it was asked for. */
  async copy(container: string, request: WorkingCopyRequest): Promise<string | undefined> {
    return (await this.#load()).copy(this.#session, container, 'copy', request);
  }

  /** As `copy`, with archives unpacked, URLs and git repositories fetched. */
  async add(container: string, request: WorkingCopyRequest): Promise<string | undefined> {
    return (await this.#load()).copy(this.#session, container, 'add', request);
  }

  /** Changes what the image will say of itself; `history` is an entry for its history. */
  async config(container: string, change: ConfigChange, history?: string): Promise<void> {
    await (await this.#load()).config(this.#session, container, change, history);
  }

  /** Makes an image of it; without a destination it has no name. It stays as it is and can be worked on. */
  async commit(container: string, request: WorkingCommitRequest = {}): Promise<ImageRecord> {
    return (await this.#load()).commit(this.#session, container, request);
  }

  /** All, in the order they were made. */
  async list(): Promise<readonly WorkingRecord[]> {
    return (await this.#load()).list(this.#session);
  }

  /** Everything known of it, with the fields of buildah's `inspect`. @throws NOT_FOUND */
  async inspect(container: string): Promise<Readonly<Record<string, unknown>>> {
    const { inspectWorking } = await import('./working-inspect.js');
    return inspectWorking(this.#session, container);
  }

  /** Mounts it for programs of this host; resolves with the mount point. @throws HOST outside of `unshare` */
  async mount(container: string): Promise<string> {
    const { mountOfWorking } = await import('./mounts.js');
    return mountOfWorking(this.#session, container);
  }

  /** Unmounts it; false when it was not mounted. @throws IO while something uses it */
  async unmount(container: string): Promise<boolean> {
    const { unmountOfWorking } = await import('./mounts.js');
    return unmountOfWorking(this.#session, container);
  }

  /** Those that are mounted here. */
  async mounted(): Promise<readonly MountedContainer[]> {
    const { mountedWorking } = await import('./mounts.js');
    return mountedWorking(this.#session);
  }

  async rename(container: string, name: string): Promise<void> {
    await (await this.#load()).rename(this.#session, container, name);
  }

  /** Removes it; resolves with its id. */
  async remove(container: string): Promise<string> {
    return (await this.#load()).remove(this.#session, container);
  }

  async #load(): Promise<WorkingModule> {
    return import('./working.js');
  }
}
