/** The network of a container that is made or started: what it needs is loaded where it is needed. */
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
  if (networkContainer === undefined) return networkOf(stores, { options, mode, ports, hostname, name });
  const { networkOfContainer } = await import('./network-container.js');
  return networkOfContainer(stores, networkContainer, record);
}
