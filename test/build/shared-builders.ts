/** One builder per storage driver for all tests of a file, since each new store costs an import of the base image. */
import type { StorageDriver } from '../../lib/snapshot/driver.js';
import { Builder } from './builder.js';

type Teardown = () => void | Promise<void>;

export class SharedBuilders {
  readonly #opened = new Map<StorageDriver, Promise<Builder>>();
  readonly #teardowns: Teardown[] = [];

  get(driver: StorageDriver): Promise<Builder> {
    const owner = { teardown: (action: Teardown) => void this.#teardowns.push(action) };
    const builder = this.#opened.get(driver) ?? Builder.open(owner, { driver });
    this.#opened.set(driver, builder);
    return builder;
  }

  /** For `after.always`. */
  async close(): Promise<void> {
    for (const teardown of this.#teardowns.reverse()) await teardown();
  }
}
