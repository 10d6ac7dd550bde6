/** Containers on user-defined networks: at a start, and while they run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ioError } from '../errors.js';
import { type NetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import { type Arranged, arrangeMember, memberPlan } from '../network/members.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { readAttachments, writeAttachments } from './attachments.js';
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
  const arranged = arrange(stores, record, facts);
  const { directory } = containerPlaces(stores, record.id);
  return memberPlan(stores, arranged, { directory, ports: record.ports, facts });
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

function arrange(stores: BridgeStores, record: NetworkedRecord, facts: NetworkFacts): Arranged {
  const { id, name, hostname, options } = record;
  const { directory } = containerPlaces(stores, id);
  const attachments = readAttachments(directory);
  const member = {
    ...{ id, name, hostname, owner: id, directory, dns: dnsChoice(options) },
    extraHosts: options.extraHosts ?? [],
    hostsBase: readHostsFile(options.hostsFile),
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
