/** Many small writes as few large ones, in their order. What is written appears at the latest when this process would wait. */
import { writeAll } from './output.js';

const room = 64 * 1024;

export class BatchedOutput {
  readonly #buffer = Buffer.allocUnsafe(room);
  #used = 0;
  #fd: 1 | 2 = 1;
  #flush: NodeJS.Immediate | undefined;

  write(fd: 1 | 2, data: Uint8Array | string): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (fd !== this.#fd || this.#used + bytes.length > room) this.flush();
    this.#fd = fd;
    if (bytes.length > room) {
      writeAll(fd, bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    this.#flush ??= setImmediate(() => this.flush());
  }

  flush(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    const used = this.#used;
    this.#used = 0;
    if (used > 0) writeAll(this.#fd, this.#buffer.subarray(0, used));
  }
}
