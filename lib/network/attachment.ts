/** Places on user-defined networks, as they are asked for. */
import { CoracleError } from '../errors.js';
import { subnetOf, whyNot } from './allot.js';
import type { AttachmentRequest } from './network-flags.js';
import type { NetworkRecord } from './network-record.js';
import type { NetworkStore } from './network-store.js';

/** A place on a network: what was asked for, and the addresses it had last. */
export type Attachment = {
  /** Name of the network. */
  readonly network: string;
  /** Name of the interface inside. */
  readonly interface: string;
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
  readonly aliases: readonly string[];
  /** What it has or had: IPv4, IPv6. */
  readonly last: readonly string[];
};

/**
 * Adds networks to those that a container is on.
 * @throws NOT_FOUND for a network, USAGE for an address that it does not have, CONFLICT for what is there already.
 */
export function addAttachments(
  networks: NetworkStore,
  present: readonly Attachment[],
  requests: readonly AttachmentRequest[],
  /** Interfaces that are there besides. */
  others: readonly string[] = [],
): readonly Attachment[] {
  const known = [...present];
  for (const request of requests) known.push(newAttachment(networks, known, { request, others }));
  return known;
}

function newAttachment(
  networks: NetworkStore,
  known: readonly Attachment[],
  { request, others }: { readonly request: AttachmentRequest; readonly others: readonly string[] },
): Attachment {
  const network = networks.resolve(request.network);
  checkAddresses(network, request);
  if (known.some((one) => one.network === network.name)) {
    throw new CoracleError('CONFLICT', `use network ${network.name}: it is on it already`);
  }
  const names = [...others, ...known.map((one) => one.interface)];
  const name = request.interfaceName ?? freeInterface(names);
  if (names.includes(name)) {
    throw new CoracleError('CONFLICT', `use network ${network.name}: interface ${name} is there already`);
  }
  const { ip, ip6, mac, aliases = [] } = request;
  const asked = Object.fromEntries(
    Object.entries({ ip, ip6, mac }).filter(([, value]) => value !== undefined),
  );
  return { network: network.name, interface: name, ...asked, aliases, last: [] };
}

function freeInterface(taken: readonly string[]): string {
  for (let i = 0; ; i++) if (!taken.includes(`eth${i}`)) return `eth${i}`;
}

function checkAddresses(network: NetworkRecord, { ip, ip6 }: AttachmentRequest): void {
  for (const [address, family] of [
    [ip, 4],
    [ip6, 6],
  ] as const) {
    if (address === undefined) continue;
    const subnet = subnetOf(network, family);
    const reason = subnet === undefined ? `it has no subnet of IPv${family}` : whyNot(subnet, address);
    if (reason !== undefined) {
      throw new CoracleError('USAGE', `use address ${address} on network ${network.name}: ${reason}`);
    }
  }
}
