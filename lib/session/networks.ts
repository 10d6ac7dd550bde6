/** User-defined networks: made, shown, removed, and containers put on them and taken off. */
import { readAttachments } from '../container/attachments.js';
import { runs } from '../container/bridge.js';
import { ContainerStore } from '../container/container-store.js';
import type { NetworkPlace } from '../container/inspect.js';
import { removeContainer } from '../container/lifecycle.js';
import { isOnMore } from '../container/network-at-start.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { subnetOf, withBits } from '../network/allot.js';
import type { Attachment } from '../network/attachment.js';
import { macAddress } from '../network/bridge-plan.js';
import type { NetworkRecord } from '../network/network-record.js';
import { NetworkStore } from '../network/network-store.js';
import type { Failure, PruneFilter } from './prune.js';
import type { AllStores, Session } from './session.js';

/** A container that is on a network. */
export type NetworkUse = {
  readonly id: string;
  readonly name: string;
  readonly interface: string;
  /** With the length of their prefix; empty for one that does not run. */
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  readonly mac: string;
  readonly aliases: readonly string[];
};

/** A network as `network inspect` shows it. */
export type NetworkView = NetworkRecord & { readonly containers: readonly NetworkUse[] };

/** All, in the order of their names. */
export async function listNetworks(session: Session): Promise<readonly NetworkView[]> {
  const stores = await session.allStores();
  const used = usesOf(stores);
  return new NetworkStore(stores).list().map((record) => viewOf(stores, record, used));
}

/** @throws NOT_FOUND */
export async function viewNetwork(session: Session, name: string): Promise<NetworkView> {
  const stores = await session.allStores();
  return viewOf(stores, new NetworkStore(stores).resolve(name), usesOf(stores));
}

type Uses = readonly { readonly view: ContainerView; readonly attachments: readonly Attachment[] }[];

/** Containers on user-defined networks. */
export function usesOf({ paths }: Pick<AllStores, 'paths'>): Uses {
  return new ContainerStore(paths)
    .list()
    .filter(({ record }) => record.network === 'bridge' || isOnMore({ paths }, record))
    .map((view) => ({ view, attachments: readAttachments(view.directory) }));
}

function viewOf(stores: AllStores, record: NetworkRecord, used: Uses): NetworkView {
  const containers = used.flatMap(({ view, attachments }) =>
    attachments.filter(({ network }) => network === record.name).map((one) => useOf(record, view, one)),
  );
  // What removed containers left goes as it is looked at.
  new NetworkStore(stores).leases(record.name, runs(stores)).list();
  return { ...record, containers };
}

function useOf(network: NetworkRecord, view: ContainerView, attachment: Attachment): NetworkUse {
  const addresses = isActive(view) ? attachment.last : [];
  const subnets = addresses.flatMap((address) => subnetOf(network, address.includes(':') ? 6 : 4) ?? []);
  const [four, six] = [
    addresses.find((one) => !one.includes(':')),
    addresses.find((one) => one.includes(':')),
  ];
  const { mac, aliases } = attachment;
  const place = (address: string | undefined, subnet = subnets[0]) =>
    address === undefined || subnet === undefined ? undefined : { subnet, address };
  const placed = {
    network,
    interface: attachment.interface,
    mac,
    aliases,
    four: place(four),
    six: place(six),
  };
  return {
    id: view.record.id,
    name: view.record.name,
    interface: attachment.interface,
    addresses: addresses.map((address, i) => withBits(subnets[i] ?? { subnet: '', gateway: '' }, address)),
    gateways: network.internal ? [] : subnets.map(({ gateway }) => gateway),
    mac: addresses.length === 0 ? (mac ?? '') : macAddress(placed),
    aliases,
  };
}

/**
 * Removes a network; with `force` its containers too. Resolves with its name.
 * @throws NOT_FOUND, IN_USE while containers are on it.
 */
export async function removeNetwork(
  session: Session,
  name: string,
  { force = false }: { readonly force?: boolean },
): Promise<string> {
  const stores = await session.allStores();
  const network = new NetworkStore(stores).resolve(name);
  const users = usesOf(stores).filter(({ attachments }) =>
    attachments.some((one) => one.network === network.name),
  );
  if (users.length > 0 && !force) {
    const names = users.map(({ view }) => view.record.name);
    throw new CoracleError('IN_USE', `remove network ${network.name}: it is used by ${names.join(', ')}`, {
      hint: `coracle network disconnect ${network.name} ${names[0]}, or coracle network rm -f ${network.name} to remove the containers too`,
    });
  }
  for (const { view } of users) await removeContainer(stores, view, { force: true });
  new NetworkStore(stores).remove(network);
  return network.name;
}

/** Removes networks that no container is on. */
export async function pruneNetworks(
  session: Session,
  filter: PruneFilter,
): Promise<{ readonly removed: readonly string[]; readonly failures: readonly Failure[] }> {
  const { fits } = await import('./prune.js');
  const stores = await session.allStores();
  const used = new Set(
    usesOf(stores).flatMap(({ attachments }) => attachments.map(({ network }) => network)),
  );
  const store = new NetworkStore(stores);
  const unused = store.list().filter((network) => !used.has(network.name) && fits(network, filter));
  for (const network of unused) store.remove(network);
  return { removed: unused.map(({ name }) => name), failures: [] };
}

/** A container's places by the names of the networks, with docker's names for what is told. */
export async function networkPlaces(
  session: Session,
  view: ContainerView,
): Promise<Readonly<Record<string, NetworkPlace>>> {
  const store = new NetworkStore(await session.allStores());
  const places = readAttachments(view.directory).flatMap((attachment) => {
    const network = store.get(attachment.network);
    return network === undefined
      ? []
      : [[network.name, placeFields(network, useOf(network, view, attachment))] as const];
  });
  return Object.fromEntries(places);
}

function placeFields(network: NetworkRecord, use: NetworkUse): NetworkPlace {
  const end = (six: boolean): readonly [address: string, bits: number, gateway: string] => {
    const i = use.addresses.findIndex((text) => text.includes(':') === six);
    const [address = '', bits = '0'] = use.addresses[i]?.split('/') ?? [];
    return [address, Number(bits), use.gateways[i] ?? ''];
  };
  const [[IPAddress, IPPrefixLen, Gateway], [GlobalIPv6Address, GlobalIPv6PrefixLen, IPv6Gateway]] = [
    end(false),
    end(true),
  ];
  return {
    NetworkID: network.id,
    IPAddress,
    IPPrefixLen,
    Gateway,
    GlobalIPv6Address,
    GlobalIPv6PrefixLen,
    IPv6Gateway,
    MacAddress: use.mac,
    Aliases: [...use.aliases, use.id.slice(0, 12)],
  };
}
