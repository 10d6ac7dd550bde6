/** What a container on user-defined networks needs at its start. Pure. */
import type { PlanRecord } from '../native/plan.js';
import { macOf, withBits } from './allot.js';
import type { NetworkFacts } from './host-facts.js';
import {
  type DnsChoice,
  endLine,
  isLoopback,
  ownNames,
  parseResolvConf,
  renderHosts,
  renderResolvConf,
} from './name-files.js';
import type { HostEntry } from './network-plan.js';
import type { NetworkRecord, NetworkSubnet } from './network-record.js';

/** A place on a network with its addresses: each with the subnet it is of. */
export type PlacedAttachment = {
  readonly network: NetworkRecord;
  readonly interface: string;
  readonly mac?: string | undefined;
  readonly aliases: readonly string[];
  readonly four?: { readonly subnet: NetworkSubnet; readonly address: string } | undefined;
  readonly six?: { readonly subnet: NetworkSubnet; readonly address: string } | undefined;
};

/** Containers may ask for each other below this domain, which is never passed on; native/network/netd-names.c knows it. */
export const containerDomain = 'coracle.internal';

/** Its MAC address: as asked for, else made from its address. */
export function macAddress(place: PlacedAttachment): string {
  return place.mac ?? macOf(place.four?.address ?? place.six?.address ?? '');
}

/** The plan of kind network: PROTOCOL.md 2.8. The first network that leads out is the way out. */
export function networkRecords(
  container: {
    readonly id: string;
    readonly name: string;
    readonly resolvers: readonly string[];
    /** It leads out by a helper of its own. */
    readonly elsewhere?: boolean | undefined;
  },
  places: readonly PlacedAttachment[],
): PlanRecord[] {
  const way = container.elsewhere === true ? undefined : wayOut(places);
  return [
    ['id', container.id],
    ...(container.elsewhere === true ? [['elsewhere'] as PlanRecord] : []),
    ...container.resolvers.map((address): PlanRecord => ['resolver', address]),
    ...places.flatMap((place) => placeRecords(container.name, place, place === way)),
  ];
}

/** The first one of those with the lowest metric. */
function wayOut(places: readonly PlacedAttachment[]): PlacedAttachment | undefined {
  const open = places.filter(({ network }) => !network.internal && network.withoutDefault !== true);
  const metricOf = ({ network: { metric = 100 } }: PlacedAttachment): number => metric;
  return open.reduce<PlacedAttachment | undefined>(
    (best, one) => (best === undefined || metricOf(one) < metricOf(best) ? one : best),
    undefined,
  );
}

/** A default route with a metric is one among others. */
function routeRecords({ network, four, six }: PlacedAttachment, isWayOut: boolean): PlanRecord[] {
  const { routes = [], metric } = network;
  const bits = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
  const defaults = isWayOut && metric !== undefined ? [four, six].flatMap((one) => one ?? []) : [];
  return [
    ...defaults.map(({ subnet: { gateway } }): PlanRecord => {
      return ['route', gateway.includes(':') ? '::/0' : '0.0.0.0/0', bits(gateway), `${metric}`];
    }),
    ...routes.map(
      (route): PlanRecord => ['route', route.destination, bits(route.gateway), `${route.metric ?? 0}`],
    ),
  ];
}

function placeRecords(name: string, place: PlacedAttachment, isWayOut: boolean): PlanRecord[] {
  const { network, four, six } = place;
  const flags = [
    network.internal ? 'internal' : [],
    network.dns ? 'dns' : [],
    isWayOut && network.metric === undefined ? 'route' : [],
  ].flat();
  const ends = [four, six].flatMap((one) =>
    one === undefined
      ? ['-', '-']
      : [withBits(one.subnet, one.address), withBits(one.subnet, one.subnet.gateway)],
  );
  const names = [...new Set([...(name === '' ? [] : [name]), ...place.aliases])];
  return [
    [
      'attach',
      network.id.slice(0, 12),
      flags.join(','),
      `${network.mtu}`,
      place.interface,
      macAddress(place),
      ...ends,
    ],
    ...names.map((one): PlanRecord => ['name', one]),
    ...network.resolvers.map((address): PlanRecord => ['resolver', address]),
    ...routeRecords(place, isWayOut),
  ];
}

/** Who the container asks: the gateways of networks that know names; without such a network as on the host. */
export function bridgeResolvConf(
  places: readonly PlacedAttachment[],
  dns: DnsChoice,
  facts: Pick<NetworkFacts, 'resolvConf' | 'resolvedConf'>,
): { readonly text: string; readonly warnings: readonly string[] } {
  const host = parseResolvConf(facts.resolvConf);
  const named = places.filter(({ network }) => network.dns);
  if (named.length > 0) {
    const gateways = named.flatMap(({ four, six }) => four?.subnet.gateway ?? six?.subnet.gateway ?? []);
    const search = [containerDomain, ...(dns.search.length > 0 ? dns.search : host.search)];
    return { text: renderResolvConf(host, { ...dns, search }, gateways.slice(0, 3)), warnings: [] };
  }
  const behind = parseResolvConf(facts.resolvedConf).nameservers;
  const reachable = [...host.nameservers, ...behind].filter((server) => !isLoopback(server));
  const own =
    dns.servers.length > 0
      ? dns.servers
      : places.flatMap(({ network }) => network.resolvers.map(plainAddress));
  const servers = own.length > 0 ? own : reachable;
  const lost = servers.length === 0 && places.some(({ network }) => !network.internal);
  return {
    text: renderResolvConf(host, dns, servers.slice(0, 3)),
    warnings: lost
      ? ['names will not resolve: every nameserver of the host is on its loopback; give --dns']
      : [],
  };
}

function plainAddress(resolver: string): string {
  return resolver.replace(/#.*$/, '');
}

/** /etc/hosts with the container's address on each network. */
export function bridgeHosts(
  places: readonly PlacedAttachment[],
  names: {
    readonly extra: readonly HostEntry[];
    readonly base: string | undefined;
    readonly hostname: string;
    readonly name: string;
    /** An address of this host. */
    readonly host: string | undefined;
    readonly elsewhere?: boolean | undefined;
  },
): string {
  const [first, ...others] = places.flatMap(({ four, six }) =>
    [four?.address ?? [], six?.address ?? []].flat(),
  );
  const reaches = names.elsewhere === true || places.some(({ network }) => !network.internal);
  const text = renderHosts({ ...names, address: first, host: reaches ? names.host : undefined });
  const own = ownNames(names.hostname, names.name);
  return endLine(text) + others.map((address) => `${address}\t${own}\n`).join('');
}
