/** A network as podman's `network inspect` shows it. */
import type { NetworkView } from '../lib/index.js';

/** The document; names of fields are podman's. */
export function networkDocument(network: NetworkView): Readonly<Record<string, unknown>> {
  const { name, id, created, subnets, internal, dns, resolvers, labels, options, mtu, routes } = network;
  return {
    name,
    id,
    driver: 'bridge',
    network_interface: `${internal ? 'ci' : 'ce'}${id.slice(0, 12)}`,
    created,
    subnets: subnets.map(({ subnet, gateway, range }) => ({
      subnet,
      gateway,
      ...(range === undefined ? {} : { lease_range: { start_ip: range.first, end_ip: range.last } }),
    })),
    ...(routes === undefined ? {} : { routes }),
    ipv6_enabled: subnets.some(({ subnet }) => subnet.includes(':')),
    internal,
    dns_enabled: dns,
    ...(resolvers.length === 0 ? {} : { network_dns_servers: resolvers }),
    labels,
    options: { mtu: `${mtu}`, ...options },
    ipam_options: { driver: 'host-local' },
    containers: Object.fromEntries(network.containers.map((use) => [use.id, useDocument(use)])),
  };
}

function useDocument(use: NetworkView['containers'][number]): Readonly<Record<string, unknown>> {
  const subnets = use.addresses.map((ipnet, i) => ({
    ipnet,
    ...(use.gateways[i] === undefined ? {} : { gateway: use.gateways[i] }),
  }));
  return { name: use.name, interfaces: { [use.interface]: { subnets, mac_address: use.mac } } };
}
