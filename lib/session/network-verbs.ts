/** The verbs of user-defined networks. */
import type { AttachmentRequest } from '../network/network-flags.js';
import type { NetworkRecord } from '../network/network-record.js';
import type { NewNetwork } from '../network/plan-record.js';
import { ContainerVerbs } from './container-verbs.js';
import type { ResolverChange } from './network-changes.js';
import type { NetworkView } from './networks.js';
import type { Failure, PruneFilter } from './prune.js';

export abstract class NetworkVerbs extends ContainerVerbs {
  /** Makes a network. @throws CONFLICT when its name or a subnet of it is taken, USAGE for what cannot be. */
  async createNetwork(network: NewNetwork): Promise<NetworkRecord> {
    const { NetworkStore } = await import('../network/network-store.js');
    return new NetworkStore(await this.session.stores()).create(network);
  }

  /** All user-defined networks, in the order of their names. */
  async networks(): Promise<readonly NetworkView[]> {
    const { listNetworks } = await import('./networks.js');
    return listNetworks(this.session);
  }

  /** A network by name or id, with the containers on it. @throws NOT_FOUND */
  async network(name: string): Promise<NetworkView> {
    const { viewNetwork } = await import('./networks.js');
    return viewNetwork(this.session, name);
  }

  async networkExists(name: string): Promise<boolean> {
    const { NetworkStore } = await import('../network/network-store.js');
    return new NetworkStore(await this.session.stores()).find(name) !== undefined;
  }

  /** Removes a network, with `force` its containers too. Resolves with its name. @throws NOT_FOUND, IN_USE */
  async removeNetwork(name: string, request: { readonly force?: boolean } = {}): Promise<string> {
    const { removeNetwork } = await import('./networks.js');
    return removeNetwork(this.session, name, request);
  }

  /** Removes networks that no container is on. */
  async pruneNetworks(
    filter: PruneFilter = {},
  ): Promise<{ readonly removed: readonly string[]; readonly failures: readonly Failure[] }> {
    const { pruneNetworks } = await import('./networks.js');
    return pruneNetworks(this.session, filter);
  }

  /** Changes who is asked for names of no container, also for those that run. @throws NOT_FOUND, USAGE */
  async updateNetwork(name: string, change: ResolverChange): Promise<NetworkRecord> {
    const { updateNetwork } = await import('./network-changes.js');
    return updateNetwork(this.session, name, change);
  }

  /** Puts a container on one more network, also while it runs. @throws NOT_FOUND, CONFLICT */
  async connectNetwork(container: string, request: AttachmentRequest): Promise<void> {
    const { connectNetwork } = await import('./network-changes.js');
    await connectNetwork(this.session, container, request);
  }

  /** Takes a container off a network, also while it runs. @throws NOT_FOUND, CONFLICT */
  async disconnectNetwork(container: string, network: string): Promise<void> {
    const { disconnectNetwork } = await import('./network-changes.js');
    await disconnectNetwork(this.session, container, network);
  }

  /** Sets up again what is missing of a running container's networks. Resolves with its id. @throws CONFLICT */
  async reloadNetworks(container: string): Promise<string> {
    const { reloadNetworks } = await import('./network-changes.js');
    return reloadNetworks(this.session, container);
  }
}
