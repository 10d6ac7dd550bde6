/** The network of a container that is made or started: what it needs is loaded where it is needed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkPlan } from '../network/network-plan.js';
import type { BridgeStores } from './bridge.js';
import { networkOf } from './network.js';
import type { ContainerRecord } from './record.js';

/** What of a record its network depends on. */
export type NetworkedRecord = Pick<
  ContainerRecord,
  'id' | 'name' | 'hostname' | 'options' | 'ports' | 'networkContainer'
> & { readonly network: ContainerRecord['network'] | undefined };

/**
 * Plans the network for a start that comes now.
 * @throws HOST, USAGE, CONFLICT when the container whose network it uses does not run.
 */
export async function networkAtStart(stores: BridgeStores, record: NetworkedRecord): Promise<NetworkPlan> {
  const { options, network: mode, ports, hostname, name, networkContainer } = record;
  if (mode === 'bridge') return (await import('./bridge.js')).bridgeAtStart(stores, record);
  if (networkContainer === undefined && isOnMore(stores, record)) {
    const both = (await import('./bridge.js')).helperAndBridge(stores, record);
    if (both !== undefined) return both;
  }
  if (networkContainer === undefined) return networkOf(stores, { options, mode, ports, hostname, name });
  const { networkOfContainer } = await import('./network-container.js');
  return networkOfContainer(stores, networkContainer, record);
}

/** Whether it was put on user-defined networks although it has a helper of its own. */
export function isOnMore(
  { paths }: Pick<BridgeStores, 'paths'>,
  { id, network }: Pick<NetworkedRecord, 'id' | 'network'>,
): boolean {
  if (network !== 'pasta' && network !== 'slirp4netns') return false;
  return existsSync(join(paths.containers, id, 'networks.json'));
}
