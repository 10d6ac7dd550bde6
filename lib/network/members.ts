/** Who is on user-defined networks, containers and steps of builds alike: addresses taken, what the holder is told, name files. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, writeFileAtomic } from '../host/files.js';
import type { IdMap } from '../host/id-map.js';
import type { Environment, StorePaths } from '../host/paths.js';
import type { Locks } from '../host/staging.js';
import { crc32, encodePlan, type PlanRecord } from '../native/plan.js';
import { subnetOf } from './allot.js';
import type { Attachment } from './attachment.js';
import { bridgeHosts, bridgeResolvConf, networkRecords, type PlacedAttachment } from './bridge-plan.js';
import { holderIdMap, holderPlan } from './holder-plan.js';
import type { NetworkFacts } from './host-facts.js';
import type { Leases } from './leases.js';
import type { DnsChoice } from './name-files.js';
import type { HostEntry, NetworkPlan, PortMapping } from './network-plan.js';
import type { NetworkRecord } from './network-record.js';
import { NetworkStore } from './network-store.js';

export type MemberStores = {
  readonly paths: StorePaths;
  readonly locks: Locks;
  /** Directory for sockets. */
  readonly runtime: string;
  readonly env: Environment;
  idMap(): IdMap;
};

export type Member = {
  readonly id: string;
  /** Others find it by this one; empty for none. */
  readonly name: string;
  readonly hostname: string;
  /** Who has its addresses, as leases tell it. */
  readonly owner: string;
  /** Where the plan for the holder is written. */
  readonly directory: string;
  readonly dns: DnsChoice;
  readonly extraHosts: readonly HostEntry[];
  /** Text that the hosts file begins with. */
  readonly hostsBase: string | undefined;
  /** It leads out by a helper of its own. */
  readonly elsewhere?: boolean | undefined;
};

export type Arranged = Pick<NetworkPlan, 'files' | 'warnings'> & {
  readonly places: readonly PlacedAttachment[];
};

/**
 * Takes addresses and writes what the holder of networks is told.
 * @throws NOT_FOUND for a network that is gone, CONFLICT for an address that is another's.
 */
export function arrangeMember(
  stores: MemberStores,
  member: Member,
  attachments: readonly Attachment[],
  surroundings: { readonly facts: NetworkFacts; readonly runs: (owner: string) => boolean },
): Arranged {
  const { facts, runs } = surroundings;
  const { id, name, hostname, dns, extraHosts, hostsBase: base, elsewhere } = member;
  const places = placeAll(stores, member.owner, attachments, runs);
  const records = networkRecords({ id, name, resolvers: dns.servers, elsewhere }, places);
  writeFileAtomic(join(member.directory, planName), encodePlan(records));
  const { text: resolvConf, warnings } = bridgeResolvConf(places, dns, facts);
  const extra = extraHosts.map((entry) => resolveGateway(entry, facts));
  const host = elsewhere === true ? facts.hostAddress : hostFor(places, facts);
  const hosts = bridgeHosts(places, { extra, base, hostname, name, host, elsewhere });
  return { places, warnings, files: { resolvConf, hosts, hostname: `${hostname}\n` } };
}

const planName = 'network.plan';

/** The part of a start's plan: where the holder is, and what of the member's ports leads where. */
export function memberPlan(
  stores: MemberStores,
  { places, warnings, files }: Arranged,
  member: {
    readonly directory: string;
    readonly ports: readonly PortMapping[];
    readonly facts: NetworkFacts;
  },
): NetworkPlan {
  const [first] = places;
  const address = first?.four?.address ?? first?.six?.address;
  const six = first?.four === undefined ? undefined : first.six?.address;
  const publish = member.ports.map(
    ({ protocol, hostAddress, hostPort, containerPort }): PlanRecord => [
      ...(['publish', protocol, hostAddress, `${hostPort}`] as const),
      ...[address ?? '', `${containerPort}`],
      ...(six === undefined ? [] : [six]),
    ],
  );
  const hold: PlanRecord = ['net-hold', ...holdPaths(stores, member)];
  return { mode: 'bridge', address, records: [hold, ...publish], warnings, files };
}

/** Where the holder is, its plan, which is written, and that of the member. */
export function holdPaths(
  stores: MemberStores,
  { directory, facts }: { readonly directory: string; readonly facts: NetworkFacts },
): readonly string[] {
  const holder = writeHolderPlan(stores, facts);
  return [holder, join(holder, 'plan'), join(directory, planName)];
}

/** An address of this host that the container has a way to. */
function hostFor(places: readonly PlacedAttachment[], facts: NetworkFacts): string | undefined {
  const hasFour = places.some(({ four }) => four !== undefined);
  return hasFour ? facts.hostAddress : facts.hostAddress6;
}

function resolveGateway(entry: HostEntry, { hostAddress }: NetworkFacts): HostEntry {
  if (entry.address !== 'host-gateway') return entry;
  if (hostAddress !== undefined) return { ...entry, address: hostAddress };
  throw new CoracleError('HOST', `add host ${entry.name}: the host has no address that containers reach`);
}

/** Addresses for all, or for none that had none before. */
function placeAll(
  stores: MemberStores,
  owner: string,
  attachments: readonly Attachment[],
  runs: (owner: string) => boolean,
): readonly PlacedAttachment[] {
  const store = new NetworkStore(stores);
  return store.locked(() =>
    attachments.map((attachment) => {
      const network = store.get(attachment.network);
      if (network === undefined) throw lost(attachment.network);
      return place(network, store.leases(network.name, runs), owner, attachment);
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

/** One holder for each store: networks of two stores may have the same addresses. */
function writeHolderPlan(stores: MemberStores, facts: NetworkFacts): string {
  const digits = crc32(Buffer.from(stores.paths.root)).toString(16).padStart(8, '0');
  const directory = join(stores.runtime, 'n', digits);
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
