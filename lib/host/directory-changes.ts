/** Following what other processes write. */
import { watch } from 'node:fs';

/** How long a change may go unnoticed: a lost supervisor changes no file. */
const patience = 500;

/** Tells when something in a directory changes, or that it may have. */
export class DirectoryChanges {
  readonly #watcher: ReturnType<typeof watch>;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(directory: string, signal: AbortSignal | undefined) {
    signal?.addEventListener('abort', () => this.#notice(), { once: true });
    this.#watcher = watch(directory, () => this.#notice());
    // The directory may be removed while it is watched; the lock then says that the container is gone.
    this.#watcher.on('error', () => this.#notice());
  }

  /** Resolves at the next change since the last call, or when the patience ends (milliseconds). */
  async wait(milliseconds = patience): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher.close();
    this.#notice();
  }

  #notice(): void {
    this.#changed = true;
    this.#wake();
  }
}
