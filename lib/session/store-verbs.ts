/** The verbs about the store as a whole; `Coracle` has them too. Each loads what it needs. */

import type { CheckOptions, CheckResult } from '../check/check.js';
import type { NewSecret, Secret, SecretStore } from '../container/secret-store.js';
import type { InstalledUnit } from '../host/boot-unit.js';
import type { DiskUsage } from './disk-usage.js';
import type { EventsRequest, StoreEvent } from './events.js';
import type { Pruned, PruneFilter, SystemPruned, SystemPruneRequest } from './prune.js';
import type { ResetResult } from './reset.js';
import { VolumeVerbs } from './volume-verbs.js';

export abstract class StoreVerbs extends VolumeVerbs {
  /** Whether there is an image of this name or id. */
  async imageExists(image: string): Promise<boolean> {
    const { namesToFind } = await import('./image-names.js');
    const { images } = await this.session.stores();
    return namesToFind(image).some((name) => {
      // An artifact has a name as well.
      const isArtifact = images.findEntry(name)?.descriptor.artifactType !== undefined;
      return !isArtifact && images.find(name, { nearest: true }) !== undefined;
    });
  }

  /** What images, containers, volumes and the build cache take on the disk. */
  async diskUsage(): Promise<DiskUsage> {
    const { diskUsage } = await import('./disk-usage.js');
    return diskUsage(this.session);
  }

  /** Checks the store: blobs, layers, records; mends what it can where `repair` says so. */
  async checkStore(request: CheckOptions = {}): Promise<CheckResult> {
    const { checkStore } = await import('../check/check.js');
    const stores = await this.session.allStores();
    return checkStore(stores, stores, request);
  }

  /** Ends all containers and removes the whole store. @throws INVALID for a directory that is none. */
  async resetStore(): Promise<ResetResult> {
    const { resetStore } = await import('./reset.js');
    return resetStore(this.session);
  }

  /** Removes containers that do not run. */
  async pruneContainers(filter: PruneFilter = {}): Promise<Pruned> {
    const { pruneContainers } = await import('./prune.js');
    return pruneContainers(this.session, filter);
  }

  /** Removes containers that do not run, images without a name, build cache that no image needs, and what else is asked for. */
  async pruneSystem(request: SystemPruneRequest = {}): Promise<SystemPruned> {
    const { pruneSystem } = await import('./prune.js');
    return pruneSystem(this.session, request);
  }

  /** What happened in the store, oldest first; with `follow` on and on, until `until` or an abort. */
  async *events(request: EventsRequest = {}): AsyncGenerator<StoreEvent> {
    const { readEvents } = await import('./events.js');
    yield* readEvents(this.session, request);
  }

  /** Names of the containers that are to run after a boot and do not. */
  async containersToBoot(): Promise<readonly string[]> {
    const all = await this.containers({ all: true });
    return all
      .filter(({ startsOnBoot, state }) => startsOnBoot && state === 'exited')
      .map(({ name }) => name);
  }

  /** A systemd user unit that starts those containers: `program` is coracle's own, `root` the store where it is named. */
  async bootUnit(program: string, root?: string | undefined): Promise<string> {
    const { bootUnit } = await import('../host/boot-unit.js');
    return bootUnit({ program, root, env: this.session.env });
  }

  /** Writes that unit below the user's configuration and enables it. */
  async installBootUnit(program: string, root?: string | undefined): Promise<InstalledUnit> {
    const { installBootUnit } = await import('../host/boot-unit.js');
    return installBootUnit(await this.bootUnit(program, root), this.session.env);
  }

  /** Keeps a secret. @throws CONFLICT when the name is taken, USAGE for a name or size that cannot be. */
  async createSecret(secret: NewSecret): Promise<Secret> {
    return (await this.#secrets()).create(secret);
  }

  /** All secrets, without their values, in the order of their names. */
  async secrets(): Promise<readonly Secret[]> {
    return (await this.#secrets()).list();
  }

  /** A secret by name or id; its value only where it is asked for. @throws NOT_FOUND */
  async secret(
    name: string,
    request: { readonly value?: boolean } = {},
  ): Promise<Secret & { readonly value?: Uint8Array }> {
    const store = await this.#secrets();
    const secret = store.resolve(name);
    return request.value === true ? { ...secret, value: store.value(secret.name) } : secret;
  }

  async secretExists(name: string): Promise<boolean> {
    return (await this.#secrets()).find(name) !== undefined;
  }

  /** Removes a secret and resolves with its id; containers that have it keep their copies. @throws NOT_FOUND */
  async removeSecret(name: string): Promise<string> {
    const store = await this.#secrets();
    const secret = store.resolve(name);
    store.remove(secret);
    return secret.id;
  }

  async #secrets(): Promise<SecretStore> {
    const { SecretStore } = await import('../container/secret-store.js');
    return new SecretStore(await this.session.stores());
  }
}
