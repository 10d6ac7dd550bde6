/** The network plan of a container, with the facts it needs and no others. */
import { noNetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import type { NetworkMode, NetworkPlan, PortMapping } from '../network/network-plan.js';
import { planNetwork } from '../network/plan-network.js';
import type { RunOptions } from './run-options.js';
import type { ContainerStores } from './stores.js';

/** What a network is planned from; an undefined mode is chosen by what the host has. */
export type NetworkNeeds = {
  readonly options: RunOptions;
  readonly mode: NetworkMode | undefined;
  readonly ports: readonly PortMapping[];
  readonly hostname: string;
  readonly name: string;
};

/** Plans the network of a start. Resolvers and programs are those the host has now. */
export function networkOf(stores: Pick<ContainerStores, 'env'>, needs: NetworkNeeds): NetworkPlan {
  const { options, mode, ports, hostname, name } = needs;
  const dns = {
    servers: options.dns ?? [],
    search: options.dnsSearch ?? [],
    options: options.dnsOptions ?? [],
  };
  const facts = mode === 'none' ? noNetworkFacts : readNetworkFacts(stores.env);
  return planNetwork({ mode, ports, dns, extraHosts: options.extraHosts ?? [], hostname, name }, facts);
}
