/** Containers on user-defined networks: addresses taken, plans and name files written; at a start, and while they run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, writeFileAtomic } from '../host/files.js';
import { crc32, encodePlan, type PlanRecord } from '../native/plan.js';
import { subnetOf } from '../network/allot.js';
import {
  bridgeHosts,
  bridgeResolvConf,
  networkRecords,
  type PlacedAttachment,
} from '../network/bridge-plan.js';
import { holderIdMap, holderPlan } from '../network/holder-plan.js';
import { type NetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import type { Leases } from '../network/leases.js';
import type { HostEntry, NetworkPlan } from '../network/network-plan.js';
import type { NetworkRecord } from '../network/network-record.js';
import { NetworkStore } from '../network/network-store.js';
import { type Attachment, readAttachments, writeAttachments } from './attachments.js';
import { dnsChoice, readHostsFile } from './network.js';
import type { NetworkedRecord } from './network-at-start.js';
import { isHeld } from './state.js';
import { type ContainerStores, containerPlaces } from './stores.js';

export type BridgeStores = Pick<ContainerStores, 'env' | 'paths' | 'runtime' | 'locks' | 'idMap'>;

/**
 * Takes addresses and writes what the supervisor hands to the holder of networks.
 * @throws NOT_FOUND for a network that is gone, CONFLICT for an address that is another's.
 */
export function bridgeAtStart(stores: BridgeStores, record: NetworkedRecord): NetworkPlan {
  const facts = readNetworkFacts(stores.env);
  const { places, files, warnings } = arrange(stores, record, facts);
  const directory = writeHolderPlan(stores, facts);
  const { directory: own } = containerPlaces(stores, record.id);
  const [first] = places;
  const address = first?.four?.address ?? first?.six?.address;
  const six = first?.four === undefined ? undefined : first.six?.address;
  return {
    mode: 'bridge',
    address,
    records: [
      ['net-hold', directory, join(directory, 'plan'), join(own, 'network.plan')],
      ...record.ports.map(
        ({ protocol, hostAddress, hostPort, containerPort }): PlanRecord => [
          ...(['publish', protocol, hostAddress, `${hostPort}`] as const),
          ...[address ?? '', `${containerPort}`],
          ...(six === undefined ? [] : [six]),
        ],
      ),
    ],
    warnings,
    files,
  };
}

/** Does the same for a container that runs, whose files others have open: they are rewritten in place. */
export function bridgeWhileRunning(stores: BridgeStores, record: NetworkedRecord): void {
  const { files } = arrange(stores, record, readNetworkFacts(stores.env));
  const { directory } = containerPlaces(stores, record.id);
  const { dns = [], noHosts = false } = record.options;
  try {
    if (dns[0] !== 'none') writeFileSync(join(directory, 'resolv.conf'), files.resolvConf ?? '');
    if (!noHosts) writeFileSync(join(directory, 'hosts'), files.hosts ?? '');
  } catch (error) {
    throw ioError(`write name files of ${record.name}`, error);
  }
}

type Arranged = Pick<NetworkPlan, 'files' | 'warnings'> & { readonly places: readonly PlacedAttachment[] };

function arrange(stores: BridgeStores, record: NetworkedRecord, facts: NetworkFacts): Arranged {
  const { id, name, hostname, options } = record;
  const { directory } = containerPlaces(stores, id);
  const attachments = readAttachments(directory);
  const places = placeAttachments(stores, id, attachments);
  const last = (one: PlacedAttachment | undefined): string[] =>
    [one?.four?.address ?? [], one?.six?.address ?? []].flat();
  writeAttachments(
    directory,
    attachments.map((one, i) => ({ ...one, last: last(places[i]) })),
  );
  const dns = dnsChoice(options);
  const records = networkRecords({ id, name, resolvers: dns.servers }, places);
  writeFileAtomic(join(directory, 'network.plan'), encodePlan(records));
  const { text: resolvConf, warnings } = bridgeResolvConf(places, dns, facts);
  const hosts = bridgeHosts(places, {
    extra: (options.extraHosts ?? []).map((entry) => resolveGateway(entry, facts)),
    base: readHostsFile(options.hostsFile),
    hostname,
    name,
    host: facts.hostAddress,
  });
  return { places, warnings, files: { resolvConf, hosts, hostname: `${hostname}\n` } };
}

function resolveGateway(entry: HostEntry, { hostAddress }: NetworkFacts): HostEntry {
  if (entry.address !== 'host-gateway') return entry;
  if (hostAddress !== undefined) return { ...entry, address: hostAddress };
  throw new CoracleError('HOST', `add host ${entry.name}: the host has no address that containers reach`);
}

/** Addresses for all, or for none that had none before. */
function placeAttachments(
  stores: BridgeStores,
  id: string,
  attachments: readonly Attachment[],
): readonly PlacedAttachment[] {
  const store = new NetworkStore(stores);
  return store.locked(() =>
    attachments.map((attachment) => {
      const network = store.get(attachment.network);
      if (network === undefined) throw lost(attachment.network);
      return place(network, store.leases(network.name, runs(stores)), id, attachment);
    }),
  );
}

function lost(network: string): CoracleError {
  return new CoracleError('NOT_FOUND', `use network ${network}: it was removed`, {
    hint: `coracle network create ${network}, or coracle network disconnect ${network} CONTAINER`,
  });
}

function place(
  network: NetworkRecord,
  leases: Leases,
  container: string,
  attachment: Attachment,
): PlacedAttachment {
  const take = (family: 4 | 6): PlacedAttachment['four'] => {
    const subnet = subnetOf(network, family);
    if (subnet === undefined) return undefined;
    const wanted = family === 4 ? attachment.ip : attachment.ip6;
    const before = attachment.last.find((address) => address.includes(':') === (family === 6));
    return { subnet, address: leases.take(subnet, { container, wanted, before }) };
  };
  const { mac, aliases } = attachment;
  return { network, interface: attachment.interface, mac, aliases, four: take(4), six: take(6) };
}

/** Whether a container runs, for leases. */
export function runs({ paths }: Pick<ContainerStores, 'paths'>): (id: string) => boolean {
  return (id) => isHeld(join(paths.containers, id));
}

/** One holder for each store: networks of two stores may have the same addresses. */
function writeHolderPlan(stores: BridgeStores, facts: NetworkFacts): string {
  const directory = join(
    stores.runtime,
    'n',
    crc32(Buffer.from(stores.paths.root)).toString(16).padStart(8, '0'),
  );
  ensureDirectory(join(stores.runtime, 'n'));
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw ioError(`create ${directory}`, error);
  }
  const idMap = holderIdMap(stores.idMap(), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
  writeFileAtomic(join(directory, 'plan'), encodePlan(holderPlan(directory, idMap, facts)));
  return directory;
}
