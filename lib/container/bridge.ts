/** Containers on user-defined networks: at a start, and while they run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { type NetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import { type Arranged, arrangeMember, holdPaths, memberPlan } from '../network/members.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { readAttachments, writeAttachments } from './attachments.js';
import { dnsChoice, hostsBase, networkOf } from './network.js';
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
  const arranged = arrange(stores, record, facts);
  const { directory } = containerPlaces(stores, record.id);
  return memberPlan(stores, arranged, { directory, ports: record.ports, facts });
}

/** Whether such a container can be on networks besides its own helper's. */
export function canBeOnMore(mode: string | undefined): mode is 'pasta' | 'slirp4netns' {
  return mode === 'pasta' || mode === 'slirp4netns';
}

/** A container with a helper of its own that was put on networks: both are planned. Undefined for one that is on none. */
export function helperAndBridge(stores: BridgeStores, record: NetworkedRecord): NetworkPlan | undefined {
  const { directory } = containerPlaces(stores, record.id);
  if (readAttachments(directory).length === 0) return undefined;
  const { options, network: mode, ports, hostname, name } = record;
  const own = networkOf(stores, { options, mode, ports, hostname, name });
  const facts = readNetworkFacts(stores.env);
  const { records, files } = memberPlan(stores, arrange(stores, record, facts), {
    directory,
    ports: [],
    facts,
  });
  return { ...own, records: [...own.records, ...records], files: { ...own.files, ...files } };
}

/** What the supervisor of a container that runs is told: where its networks are held. */
export function holdOf(stores: BridgeStores, id: string): readonly string[] {
  const { directory } = containerPlaces(stores, id);
  return holdPaths(stores, { directory, facts: readNetworkFacts(stores.env) });
}

/** Does the same for a container that runs, whose files others have open: they are rewritten in place. */
export function bridgeWhileRunning(stores: BridgeStores, record: NetworkedRecord): void {
  const { directory } = containerPlaces(stores, record.id);
  const arranged = arrange(stores, record, readNetworkFacts(stores.env));
  const files = arranged.places.length > 0 ? arranged.files : ownFiles(stores, record);
  const { dns = [], noHosts = false } = record.options;
  try {
    if (dns[0] !== 'none') writeFileSync(join(directory, 'resolv.conf'), files.resolvConf ?? '');
    if (!noHosts) writeFileSync(join(directory, 'hosts'), files.hosts ?? '');
  } catch (error) {
    throw ioError(`write name files of ${record.name}`, error);
  }
}

/** Of a container that is on no network any more but that of its helper. */
function ownFiles(stores: BridgeStores, record: NetworkedRecord): NetworkPlan['files'] {
  const { options, network: mode, hostname, name } = record;
  return mode === 'bridge' ? {} : networkOf(stores, { options, mode, ports: [], hostname, name }).files;
}

function arrange(stores: BridgeStores, record: NetworkedRecord, facts: NetworkFacts): Arranged {
  const { id, name, hostname, options } = record;
  const { directory } = containerPlaces(stores, id);
  const attachments = readAttachments(directory);
  const member = {
    ...{ id, name, hostname, owner: id, directory, dns: dnsChoice(options) },
    extraHosts: options.extraHosts ?? [],
    hostsBase: hostsBase(options),
    elsewhere: canBeOnMore(record.network),
  };
  const arranged = arrangeMember(stores, member, attachments, { facts, runs: runs(stores) });
  const last = arranged.places.map(({ four, six }) => [four?.address ?? [], six?.address ?? []].flat());
  writeAttachments(
    directory,
    attachments.map((one, i) => ({ ...one, last: last[i] ?? [] })),
  );
  return arranged;
}

/** Whether a container runs, for leases. */
export function runs({ paths }: Pick<ContainerStores, 'paths'>): (id: string) => boolean {
  return (id) => isHeld(join(paths.containers, id));
}
