/** IP addresses and subnets as numbers. Pure. */
import { isIpv4, isIpv6 } from './port-flags.js';

export type Family = 4 | 6;

export type Address = { readonly family: Family; readonly value: bigint };

export type Subnet = { readonly family: Family; readonly base: bigint; readonly bits: number };

const width = { 4: 32, 6: 128 } as const;

/** Undefined for what is no address. */
export function parseAddress(text: string): Address | undefined {
  if (isIpv4(text)) return { family: 4, value: fromParts(text.split('.').map(Number), 8n) };
  return isIpv6(text) ? { family: 6, value: fromParts(groupsOf(text), 16n) } : undefined;
}

function fromParts(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}

function groupsOf(text: string): number[] {
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((part) => part.toString(16)).join(':'),
  );
  const [left = '', right] = plain.split('::');
  const groups = (half: string): number[] =>
    half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16));
  const [begin, end] = [groups(left), groups(right ?? '')];
  const missing = right === undefined ? 0 : 8 - begin.length - end.length;
  return [...begin, ...new Array<number>(missing).fill(0), ...end];
}

/** IPv6 with the longest run of zeros left out, as RFC 5952 has it. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
  );
  const text = groups.join(':');
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce(
    (best, run) => (run.replaceAll(':', '').length > best.replaceAll(':', '').length ? run : best),
    '',
  );
  if (longest === '') return text;
  const shortened = text.replace(longest, '::').replace(/:{3,}/, '::');
  return shortened;
}

/** `ADDRESS/BITS`; bits behind the prefix are dropped. Undefined for what is none. */
export function parseSubnet(text: string): Subnet | undefined {
  const [, plain = '', bitsText = ''] = /^(.+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseAddress(plain);
  const bits = Number(bitsText);
  if (address === undefined || bits > width[address.family]) return undefined;
  const { family, value } = address;
  return { family, base: value & mask(family, bits), bits };
}

function mask(family: Family, bits: number): bigint {
  const all = (1n << BigInt(width[family])) - 1n;
  return all ^ (all >> BigInt(bits));
}

export function formatSubnet({ family, base, bits }: Subnet): string {
  return `${formatAddress({ family, value: base })}/${bits}`;
}

/** The last address. */
export function lastOf({ family, base, bits }: Subnet): bigint {
  return base | ((1n << BigInt(width[family] - bits)) - 1n);
}

export function contains(subnet: Subnet, { family, value }: Address): boolean {
  return family === subnet.family && value >= subnet.base && value <= lastOf(subnet);
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return one.family === other.family && one.base <= lastOf(other) && other.base <= lastOf(one);
}

/** The first and last address a container can have: neither the network's own nor, of IPv4, the broadcast one. */
export function hostsOf(subnet: Subnet): { readonly first: bigint; readonly last: bigint } {
  return { first: subnet.base + 1n, last: lastOf(subnet) - (subnet.family === 4 ? 1n : 0n) };
}
