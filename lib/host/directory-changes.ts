/** Following what other processes write. */
import { watch } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';

/** How long a change may go unnoticed: a lost supervisor changes no file. */
const patience = 500;

/** The same where the kernel tells of none. */
const unwatchedPatience = 100;

type Watcher = ReturnType<typeof watch>;

/**
 * Tells when something in a directory changes, or that it may have. One that is gone, and one for which the user has no
 * more inotify(7) watches or instances, is looked at again and again.
 */
export class DirectoryChanges {
  readonly #watcher: Watcher | undefined;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(directory: string, signal: AbortSignal | undefined) {
    signal?.addEventListener('abort', () => this.#notice(), { once: true });
    this.#watcher = watchIfPossible(directory, () => this.#notice());
    // The directory may be removed while it is watched; the lock then says that the container is gone.
    this.#watcher?.on('error', () => this.#notice());
  }

  /** Resolves at the next change since the last call, or when the patience ends (milliseconds). */
  async wait(milliseconds = patience): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const most = this.#watcher === undefined ? unwatchedPatience : milliseconds;
        const timer = setTimeout(resolve, Math.min(milliseconds, most));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher?.close();
    this.#notice();
  }

  #notice(): void {
    this.#changed = true;
    this.#wake();
  }
}

function watchIfPossible(directory: string, onChange: () => void): Watcher | undefined {
  try {
    return watch(directory, onChange);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOSPC', 'EMFILE')) return undefined;
    throw ioError(`watch ${directory}`, error);
  }
}
