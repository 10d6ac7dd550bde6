/** One opened store with what the user and the host say about it. Everything is made at first use and kept. */
import type { ContainerSurroundings } from '../container/stores.js';
import { CoracleError } from '../errors.js';
import { type Configuration, readConfiguration } from '../host/config.js';
import { enableLog, logger, wantsLog } from '../host/log.js';
import {
  cacheDirectory,
  configPath,
  defaultRoot,
  type Environment,
  type StorePlaces,
} from '../host/paths.js';
import { takeCrashNote } from '../host/staging.js';
import type { Stores } from '../image/stores.js';
import { networkModes } from '../network/network-flags.js';
import type { NetworkMode } from '../network/network-plan.js';
import type { Platform } from '../oci/platform.js';
import type { DriverChoice, DriverContext } from '../snapshot/driver.js';

/** How `openCoracle` opens. Every field is optional. */
export type OpenOptions = {
  /** Directory of the store; else CORACLE_ROOT, else `$XDG_DATA_HOME/coracle`. */
  readonly root?: string | undefined;
  /** Another store whose images, build cache and unfinished work are used; else CORACLE_IMAGESTORE or the configuration. */
  readonly imageStore?: string | undefined;
  /**
   * Stores and OCI image layouts whose images can be used and are never written; else CORACLE_ADDITIONAL_IMAGE_STORES or the
   * configuration, both with `:` between paths.
   */
  readonly additionalImageStores?: readonly string[] | undefined;
  /** Records of containers in the runtime directory, gone with the next restart; else CORACLE_TRANSIENT_STORE says. */
  readonly transientStore?: boolean | undefined;
  /** `overlay`, `fuse-overlayfs` or `copy`; else CORACLE_STORAGE_DRIVER, the configuration, the best that works. */
  readonly storageDriver?: string | undefined;
  /** Log to standard error what happens; else CORACLE_DEBUG says. */
  readonly debug?: boolean | undefined;
  /** Environment to read instead of the process's own. */
  readonly env?: Environment | undefined;
  /** Told what the store itself has to say, such as damage that was found after a crash. */
  readonly onWarning?: ((text: string) => void) | undefined;
};

/** What a session gives to builds and containers. */
export type AllStores = Stores & ContainerSurroundings & { readonly cache: string };

export class Session {
  readonly env: Environment;
  readonly #options: OpenOptions;
  #configuration: Configuration | undefined;
  #stores: Promise<Stores> | undefined;

  constructor(options: OpenOptions) {
    this.#options = options;
    this.env = options.env ?? process.env;
  }

  /** The store's directory. @throws HOST when there is no home to put it in, USAGE for an empty name. */
  get root(): string {
    const { root } = this.#options;
    if (root === '') throw new CoracleError('USAGE', 'open store "": the name of its directory is empty');
    return root ?? defaultRoot(this.env);
  }

  /** Where else parts of the store are. @throws USAGE for an empty name. */
  get places(): StorePlaces {
    const { imageStore, additionalImageStores } = this.#options;
    const configured = this.env.CORACLE_ADDITIONAL_IMAGE_STORES || this.configuration().additionalImageStores;
    const images = imageStore ?? (this.env.CORACLE_IMAGESTORE || this.configuration().imageStore);
    const additional = additionalImageStores ?? (configured ?? '').split(':').filter((path) => path !== '');
    if (images === '' || additional.includes(''))
      throw new CoracleError('USAGE', 'open image store "": the name of its directory is empty');
    return { imageStore: images, additional };
  }

  /** The stores of the root. @throws as `openStores` does. */
  stores(): Promise<Stores> {
    this.#stores ??= this.#open().catch((error: unknown) => {
      this.#stores = undefined;
      throw error;
    });
    return this.#stores;
  }

  /** The stores with what containers and builds need of the host. */
  async allStores(): Promise<AllStores> {
    const stores = await this.stores();
    const { chooseDriver } = await import('../snapshot/driver.js');
    const context = await this.#driverContext();
    return {
      ...stores,
      env: this.env,
      cache: context.cache,
      driver: (forced) => {
        const choice = chooseDriver(forced ?? this.#forcedDriver(), context);
        logger().debug(choice, 'storage driver chosen');
        return choice.driver;
      },
      unpack: async (image) => {
        const { unpackImage } = await import('../image/unpack.js');
        return unpackImage(image, stores);
      },
    };
  }

  /** A platform as people write it; undefined stays so. @throws USAGE */
  async platform(text: string | undefined): Promise<Platform | undefined> {
    if (text === undefined) return undefined;
    const { parsePlatform } = await import('../oci/platform.js');
    return parsePlatform(text);
  }

  /** The storage driver in use and why it is not a better one. */
  async storageDriver(): Promise<DriverChoice> {
    const { chooseDriver } = await import('../snapshot/driver.js');
    return chooseDriver(this.#forcedDriver(), await this.#driverContext());
  }

  /** The network mode the user set for good; undefined lets the host decide. @throws USAGE */
  networkMode(): NetworkMode | undefined {
    const text = this.env.CORACLE_NETWORK ?? this.configuration().network;
    if (text === undefined || text === '') return undefined;
    const mode = networkModes.find((known) => known === text);
    if (mode !== undefined) return mode;
    throw new CoracleError('USAGE', `use network ${JSON.stringify(text)}: no such mode`, {
      hint: `one of ${networkModes.join(', ')}; it is set by CORACLE_NETWORK or ${configPath(this.env)}`,
    });
  }

  /** The user's configuration file. */
  configuration(): Configuration {
    this.#configuration ??= readConfiguration(configPath(this.env));
    return this.#configuration;
  }

  /** Ends what was started for this session; it can be used again, and then closed again. */
  async close(): Promise<void> {
    const stores = await this.#stores;
    if (stores === undefined) return;
    if (takeCrashNote(stores.paths)) {
      const { checkAfterCrash } = await import('./after-crash.js');
      await checkAfterCrash(await this.allStores(), this.#options.onWarning);
    }
    await stores.close();
  }

  #forcedDriver(): string | undefined {
    return (
      this.#options.storageDriver ?? (this.env.CORACLE_STORAGE_DRIVER || this.configuration().storageDriver)
    );
  }

  async #driverContext(): Promise<DriverContext> {
    const { driverProbes } = await import('./driver-probes.js');
    const stores = await this.stores();
    return {
      probes: driverProbes(stores, this.env),
      store: stores.paths.root,
      cache: cacheDirectory(this.env),
    };
  }

  async #open(): Promise<Stores> {
    if (this.#options.debug === true || wantsLog(this.env)) await enableLog();
    const { openStores } = await import('../image/stores.js');
    const stores = openStores({
      root: this.root,
      env: this.env,
      places: this.places,
      transient:
        this.#options.transientStore ?? ['1', 'true'].includes(this.env.CORACLE_TRANSIENT_STORE ?? ''),
    });
    logger().debug({ root: stores.paths.root, runtime: stores.runtime }, 'store opened');
    return stores;
  }
}
