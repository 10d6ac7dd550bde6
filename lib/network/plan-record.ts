/** Decides what a new user-defined network is like. Pure. */
import { CoracleError } from '../errors.js';
import { checkNetworkName } from './network-flags.js';
import { planRoutes, readOptions } from './network-options.js';
import { uplinkPrefix6 } from './network-plan.js';
import type { NetworkRecord, NetworkSubnet } from './network-record.js';
import {
  contains,
  formatAddress,
  formatSubnet,
  hostsOf,
  overlap,
  parseAddress,
  parseSubnet,
  type Subnet,
} from './subnet.js';

/** What `network create` takes. */
export type NewNetwork = {
  readonly name: string;
  readonly subnets?: readonly string[] | undefined;
  readonly gateways?: readonly string[] | undefined;
  /** `ADDRESS/BITS` or `FIRST-LAST`. */
  readonly ranges?: readonly string[] | undefined;
  readonly ipv6?: boolean | undefined;
  /** `DESTINATION,GATEWAY[,METRIC]` */
  readonly routes?: readonly string[] | undefined;
  readonly internal?: boolean | undefined;
  readonly disableDns?: boolean | undefined;
  readonly resolvers?: readonly string[] | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
};

/** What the decision depends on besides. */
export type NetworkSurroundings = {
  readonly id: string;
  readonly created: string;
  readonly known: readonly Pick<NetworkRecord, 'name' | 'subnets'>[];
  /** Addresses of this host with their prefixes: a subnet chosen by us keeps clear of them. */
  readonly host: readonly string[];
  /** 7 bytes. */
  readonly random: Uint8Array;
};

/** One of these is the holder's uplink: documentation's addresses (RFC 5737), which nobody else should have. */
const uplinkSubnets = ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'] as const;

/** An uplink subnet that this host is not on itself, without the last part of its addresses. */
export function uplinkPrefix(host: readonly string[]): string {
  const busy = host.flatMap((text) => parseSubnet(text) ?? []);
  const free = uplinkSubnets.find((text) => {
    const subnet = parseSubnet(text);
    return subnet !== undefined && !busy.some((one) => overlap(one, subnet));
  });
  return (free ?? uplinkSubnets[0]).replace(/\.0\/24$/, '');
}

const reserved = ['none', 'host', 'bridge', 'default', 'private', 'pasta', 'slirp4netns', 'container', 'ns'];

/** @throws USAGE naming what cannot be, CONFLICT when the name or a subnet is taken. */
export function planNetworkRecord(network: NewNetwork, around: NetworkSurroundings): NetworkRecord {
  const name = checkNetworkName(network.name);
  if (reserved.includes(name)) {
    throw new CoracleError('USAGE', `create network ${name}: the name means something else to --network`);
  }
  if (around.known.some((one) => one.name === name)) {
    throw new CoracleError('CONFLICT', `create network ${name}: there is one of this name`);
  }
  const { options, ...settings } = readOptions(name, network.options ?? {});
  const subnets = planSubnets(name, network, around);
  const routes = planRoutes(name, network.routes ?? [], subnets);
  return {
    version: 1,
    id: around.id,
    name,
    created: around.created,
    subnets,
    internal: network.internal ?? false,
    dns: !(network.disableDns ?? false),
    resolvers: (network.resolvers ?? []).map((text) => checkResolver(name, text)),
    ...settings,
    ...(routes.length === 0 ? {} : { routes }),
    labels: network.labels ?? {},
    options,
  };
}

/** @throws USAGE */
export function checkResolver(name: string, text: string): string {
  const [, address = '', port] = /^([^#]+)(?:#(\d{1,5}))?$/.exec(text) ?? [];
  const good =
    parseAddress(address) !== undefined && (port === undefined || (Number(port) > 0 && Number(port) < 65536));
  if (good) return text;
  throw new CoracleError('USAGE', `create network ${name}: "${text}" is no address of a name server`, {
    hint: 'for example 10.0.0.53, or with a port 10.0.0.53#5353',
  });
}

function planSubnets(name: string, network: NewNetwork, around: NetworkSurroundings): NetworkSubnet[] {
  const asked = (network.subnets ?? []).map((text) => checkSubnet(name, text));
  const families = asked.map(({ family }) => family);
  if (new Set(families).size < families.length) {
    throw new CoracleError('USAGE', `create network ${name}: at most one subnet of IPv4 and one of IPv6`);
  }
  if (families.includes(6) && network.ipv6 === false) {
    throw new CoracleError('USAGE', `create network ${name}: a subnet of IPv6 with --ipv6=false`);
  }
  const taken = around.known.flatMap((one) => one.subnets.map((entry) => ({ name: one.name, entry })));
  for (const { name: other, entry } of taken) {
    const theirs = parseSubnet(entry.subnet);
    const mine = asked.find((subnet) => theirs !== undefined && overlap(subnet, theirs));
    if (mine !== undefined) {
      throw new CoracleError(
        'CONFLICT',
        `create network ${name}: ${formatSubnet(mine)} overlaps with ${entry.subnet} of network ${other}`,
      );
    }
  }
  const busy = [...taken.map(({ entry }) => entry.subnet), ...around.host].flatMap(
    (text) => parseSubnet(text) ?? [],
  );
  const [four, six] = ([4, 6] as const).map((wanted) => asked.find(({ family }) => family === wanted));
  // A subnet of IPv6 alone, without --ipv6, means nothing else.
  const onlySix = six !== undefined && network.ipv6 !== true;
  const subnets = [
    four ?? (onlySix ? [] : freeSubnet(name, busy)),
    six ?? (network.ipv6 === true ? uniqueLocal(around.random) : []),
  ].flat();
  return withGateways(name, network, subnets);
}

function checkSubnet(name: string, text: string): Subnet {
  const subnet = parseSubnet(text);
  if (subnet === undefined || subnet.bits === 0) {
    throw new CoracleError('USAGE', `create network ${name}: "${text}" is no subnet`, {
      hint: 'for example 10.90.0.0/24',
    });
  }
  const { first, last } = hostsOf(subnet);
  if (last - first < 1n) throw new CoracleError('USAGE', `create network ${name}: ${text} is too small`);
  const uplink = [...uplinkSubnets, `${uplinkPrefix6}/64`].find((other) =>
    overlap(subnet, parseSubnet(other) ?? subnet),
  );
  if (uplink !== undefined) {
    throw new CoracleError(
      'USAGE',
      `create network ${name}: ${text} overlaps with ${uplink}, which is kept for the way out`,
    );
  }
  return subnet;
}

/** 10.89.0.0/24 and those after it, as podman has them. */
function freeSubnet(name: string, busy: readonly Subnet[]): Subnet {
  const first = 0x0a590000n;
  for (let i = 0n; i < 42n * 256n; i++) {
    const subnet: Subnet = { family: 4, base: first + (i << 8n), bits: 24 };
    if (!busy.some((one) => overlap(one, subnet))) return subnet;
  }
  throw new CoracleError('CONFLICT', `create network ${name}: no subnet below 10.89.0.0 is free`, {
    hint: 'name one with --subnet',
  });
}

/** A unique local prefix of random digits: RFC 4193. */
function uniqueLocal(random: Uint8Array): Subnet {
  const digits = [...random.subarray(0, 7)].reduce((value, byte) => (value << 8n) | BigInt(byte), 0xfdn);
  return { family: 6, base: digits << 64n, bits: 64 };
}

function withGateways(name: string, network: NewNetwork, subnets: readonly Subnet[]): NetworkSubnet[] {
  const gateways = (network.gateways ?? []).map((text) => requireAddress(name, text));
  const ranges = (network.ranges ?? []).map((text) => readRange(name, text));
  for (const [text, address] of [...gateways, ...ranges].map(({ text: t, address: a }) => [t, a] as const)) {
    if (!subnets.some((subnet) => contains(subnet, address))) {
      throw new CoracleError('USAGE', `create network ${name}: ${text} lies in no subnet of it`, {
        hint: '--subnet says which it has',
      });
    }
  }
  return subnets.map((subnet) => {
    const gateway =
      gateways.find(({ address }) => contains(subnet, address))?.address.value ?? subnet.base + 1n;
    const range = ranges.find(({ address }) => contains(subnet, address));
    const text = (value: bigint): string => formatAddress({ family: subnet.family, value });
    return {
      subnet: formatSubnet(subnet),
      gateway: text(gateway),
      ...(range === undefined ? {} : { range: { first: text(range.address.value), last: text(range.last) } }),
    };
  });
}

function requireAddress(
  name: string,
  text: string,
): { text: string; address: NonNullable<ReturnType<typeof parseAddress>> } {
  const address = parseAddress(text);
  if (address !== undefined) return { text, address };
  throw new CoracleError('USAGE', `create network ${name}: "${text}" is no IP address`);
}

function readRange(
  name: string,
  text: string,
): ReturnType<typeof requireAddress> & { readonly last: bigint } {
  const subnet = parseSubnet(text);
  if (subnet !== undefined) {
    const { first, last } = hostsOf(subnet);
    return { text, address: { family: subnet.family, value: first }, last };
  }
  const [, first = '', last = ''] = /^([^-]+)-([^-]+)$/.exec(text) ?? [];
  const [begin, end] = [requireAddress(name, first || text), requireAddress(name, last || text)];
  if (begin.address.family !== end.address.family || begin.address.value > end.address.value) {
    throw new CoracleError('USAGE', `create network ${name}: "${text}" is no range of addresses`);
  }
  return { ...begin, text, last: end.address.value };
}
