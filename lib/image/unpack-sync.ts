/**
 * Brings unpacked files to the disk while others are still being unpacked: otherwise the disk rests until the end, and then
 * everybody waits for it. What is written after the last such sync is left for the one that a commit makes.
 */
import { syncFileSystemLater } from '../native/sync.js';

/** Bytes of layers after which the next sync begins. Small files count: each has a header and padding in its layer. */
const syncBytes = 16 * 1024 * 1024;

export class UnpackSync {
  readonly #path: string;
  readonly #start: (path: string) => Promise<void>;
  #before = 0;
  #current = 0;
  #synced = 0;
  #running: Promise<void> | undefined;
  #failure: unknown;

  /** `path` is a directory of the file system. */
  constructor(path: string, start: (path: string) => Promise<void> = syncFileSystemLater) {
    this.#path = path;
    this.#start = start;
  }

  /** Says how many bytes of the layer in hand were unpacked so far. */
  unpacked(bytes: number): void {
    this.#current = bytes;
    const total = this.#before + bytes;
    if (this.#running !== undefined || total - this.#synced < syncBytes) return;
    this.#synced = total;
    this.#running = this.#sync();
  }

  /** The layer is done; the next one is counted from 0. */
  endLayer(): void {
    this.#before += this.#current;
    this.#current = 0;
  }

  /** Waits for what runs. @throws what failed: the kernel tells of it once, the sync of a commit would not hear of it. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for what runs, whatever comes of it. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #sync(): Promise<void> {
    try {
      await this.#start(this.#path);
    } catch (error) {
      this.#failure ??= error;
    }
    this.#running = undefined;
  }
}
