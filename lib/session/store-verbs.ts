/** The verbs about the store as a whole; `Coracle` has them too. Each loads what it needs. */
import { ContainerVerbs } from './container-verbs.js';
import type { DiskUsage } from './disk-usage.js';
import type { Pruned, PruneFilter, SystemPruned, SystemPruneRequest } from './prune.js';

export abstract class StoreVerbs extends ContainerVerbs {
  /** Whether there is an image of this name or id. */
  async imageExists(image: string): Promise<boolean> {
    const { namesToFind } = await import('./image-names.js');
    const { images } = await this.session.stores();
    return namesToFind(image).some((name) => images.find(name, { nearest: true }) !== undefined);
  }

  /** What images, containers, volumes and the build cache take on the disk. */
  async diskUsage(): Promise<DiskUsage> {
    const { diskUsage } = await import('./disk-usage.js');
    return diskUsage(this.session);
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
}
