/** The network plan of a container, with the facts it needs and no others. */
import { readFileSync } from 'node:fs';
import { ioError } from '../errors.js';
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
  const facts = mode === 'none' ? noNetworkFacts : readNetworkFacts(stores.env);
  const request = {
    dns: dnsChoice(options),
    extraHosts: options.extraHosts ?? [],
    hostsBase: hostsBase(options),
    helperOptions: options.networkOptions,
  };
  return planNetwork({ mode, ports, hostname, name, ...request }, facts);
}

/** What the options say about resolvers. */
export function dnsChoice({ dns = [], dnsSearch = [], dnsOptions = [] }: RunOptions): {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
} {
  return { servers: dns[0] === 'none' ? [] : dns, search: dnsSearch, options: dnsOptions };
}

/** The lines that come first in /etc/hosts. @throws IO */
export function hostsBase({ hostsFile, hostsText }: RunOptions): string | undefined {
  if (hostsText !== undefined || hostsFile === undefined) return hostsText;
  try {
    return readFileSync(hostsFile, 'utf8');
  } catch (error) {
    throw ioError(`read hosts file ${hostsFile}`, error);
  }
}
