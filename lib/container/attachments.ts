/** The user-defined networks a container is on: `networks.json` in its directory, which connect and disconnect rewrite. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { readJson, writeFileAtomic } from '../host/files.js';
import { subnetOf, whyNot } from '../network/allot.js';
import type { AttachmentRequest } from '../network/network-flags.js';
import type { NetworkRecord } from '../network/network-record.js';
import type { NetworkStore } from '../network/network-store.js';
import { invalid, requireArray, requireObject, requireString, requireStrings } from '../oci/guards.js';

/** A container's place on a network; what was asked for, and the addresses it had last. */
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

const file = 'networks.json';

/** Empty for a container that is on none. */
export function readAttachments(directory: string): readonly Attachment[] {
  const path = join(directory, file);
  const stored = readJson(path);
  if (stored === undefined) return [];
  const { version, attachments } = requireObject(stored, path);
  if (version !== 1) throw invalid(`${path}: version`, `${JSON.stringify(version)}, expected 1`);
  return requireArray(attachments, path).map((one) => parseStored(one, path));
}

function parseStored(value: unknown, where: string): Attachment {
  const one = requireObject(value, where);
  const text = (key: 'ip' | 'ip6' | 'mac'): object =>
    one[key] === undefined ? {} : { [key]: requireString(one[key], `${where}: ${key}`) };
  return {
    network: requireString(one.network, `${where}: network`),
    interface: requireString(one.interface, `${where}: interface`),
    ...text('ip'),
    ...text('ip6'),
    ...text('mac'),
    aliases: requireStrings(one.aliases, `${where}: aliases`),
    last: requireStrings(one.last, `${where}: last`),
  };
}

export function writeAttachments(directory: string, attachments: readonly Attachment[]): void {
  writeFileAtomic(join(directory, file), JSON.stringify({ version: 1, attachments }));
}

/**
 * Adds networks to those that a container is on.
 * @throws NOT_FOUND for a network, USAGE for an address that it does not have, CONFLICT for what is there already.
 */
export function addAttachments(
  networks: NetworkStore,
  present: readonly Attachment[],
  requests: readonly AttachmentRequest[],
): readonly Attachment[] {
  const known = [...present];
  for (const request of requests) known.push(newAttachment(networks, known, request));
  return known;
}

function newAttachment(
  networks: NetworkStore,
  known: readonly Attachment[],
  request: AttachmentRequest,
): Attachment {
  const network = networks.resolve(request.network);
  checkAddresses(network, request);
  if (known.some((one) => one.network === network.name)) {
    throw new CoracleError('CONFLICT', `use network ${network.name}: it is on it already`);
  }
  const names = known.map((one) => one.interface);
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
