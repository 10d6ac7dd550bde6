/** What is kept of a user-defined network: `networks/<name>/network.json`. */
import {
  invalid,
  requireArray,
  requireBoolean,
  requireInteger,
  requireObject,
  requireString,
  requireStringMap,
  requireStrings,
} from '../oci/guards.js';
import { parseAddress, parseSubnet } from './subnet.js';

export type NetworkSubnet = {
  /** `ADDRESS/BITS`. */
  readonly subnet: string;
  readonly gateway: string;
  /** Where addresses are allotted from; without it the whole subnet. */
  readonly range?: { readonly first: string; readonly last: string } | undefined;
};

/** A route of all containers on a network beside the default one. */
export type NetworkRoute = {
  /** `ADDRESS/BITS`. */
  readonly destination: string;
  readonly gateway: string;
  readonly metric?: number | undefined;
};

export type NetworkRecord = {
  readonly version: 1;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** One of IPv4, and maybe one of IPv6. */
  readonly subnets: readonly NetworkSubnet[];
  /** Nothing leaves it. */
  readonly internal: boolean;
  /** Containers find each other by name. */
  readonly dns: boolean;
  /** Asked for other names, as `ADDRESS[#PORT]`; empty: those of this host. */
  readonly resolvers: readonly string[];
  readonly mtu: number;
  readonly routes?: readonly NetworkRoute[] | undefined;
  /** Of the default route: that of the lowest one is taken. */
  readonly metric?: number | undefined;
  /** It is not the way out of containers. */
  readonly withoutDefault?: boolean | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
};

/** @throws INVALID */
export function parseNetworkRecord(value: unknown, where: string): NetworkRecord {
  const record = requireObject(value, where);
  if (record.version !== 1)
    throw invalid(`${where}: version`, `${JSON.stringify(record.version)}, expected 1`);
  const id = requireString(record.id, `${where}: id`);
  if (!/^[0-9a-f]{64}$/.test(id)) throw invalid(`${where}: id`, 'not an id');
  if (!Array.isArray(record.subnets)) throw invalid(`${where}: subnets`, 'not a list');
  return {
    version: 1,
    id,
    name: requireString(record.name, `${where}: name`),
    created: requireString(record.created, `${where}: created`),
    subnets: record.subnets.map((subnet) => parseStoredSubnet(subnet, `${where}: subnet`)),
    internal: requireBoolean(record.internal, `${where}: internal`),
    dns: requireBoolean(record.dns, `${where}: dns`),
    resolvers: requireStrings(record.resolvers, `${where}: resolvers`),
    mtu: requireInteger(record.mtu, `${where}: mtu`),
    ...parseWays(record, where),
    labels: requireStringMap(record.labels, `${where}: labels`),
    options: requireStringMap(record.options, `${where}: options`),
  };
}

function parseWays(
  { routes, metric, withoutDefault }: Readonly<Record<string, unknown>>,
  where: string,
): Pick<NetworkRecord, 'routes' | 'metric' | 'withoutDefault'> {
  return {
    ...(routes === undefined
      ? {}
      : { routes: requireArray(routes, `${where}: routes`).map((route) => parseRoute(route, where)) }),
    ...(metric === undefined ? {} : { metric: requireInteger(metric, `${where}: metric`) }),
    ...(withoutDefault === undefined
      ? {}
      : { withoutDefault: requireBoolean(withoutDefault, `${where}: withoutDefault`) }),
  };
}

function parseRoute(value: unknown, where: string): NetworkRoute {
  const { destination, gateway, metric } = requireObject(value, where);
  const text = requireString(destination, where);
  if (parseSubnet(text) === undefined) throw invalid(where, text);
  return {
    destination: text,
    gateway: requireAddress(gateway, where),
    ...(metric === undefined ? {} : { metric: requireInteger(metric, where) }),
  };
}

function parseStoredSubnet(value: unknown, where: string): NetworkSubnet {
  const { subnet, gateway, range } = requireObject(value, where);
  const stored = { subnet: requireString(subnet, where), gateway: requireString(gateway, where) };
  if (parseSubnet(stored.subnet) === undefined) throw invalid(where, stored.subnet);
  requireAddress(stored.gateway, where);
  if (range === undefined) return stored;
  const { first, last } = requireObject(range, where);
  return { ...stored, range: { first: requireAddress(first, where), last: requireAddress(last, where) } };
}

function requireAddress(value: unknown, where: string): string {
  const text = requireString(value, where);
  if (parseAddress(text) === undefined) throw invalid(where, text);
  return text;
}
