/** Which address of a network a container gets. Pure: who has one is told by the caller. */
import type { NetworkSubnet } from './network-record.js';
import { contains, type Family, formatAddress, hostsOf, parseAddress, parseSubnet } from './subnet.js';

/** The part of a network's subnets that is of one family. */
export function subnetOf(
  { subnets }: { readonly subnets: readonly NetworkSubnet[] },
  family: Family,
): NetworkSubnet | undefined {
  return subnets.find(({ subnet }) => parseSubnet(subnet)?.family === family);
}

/** Why a container cannot have this address; undefined when it can. */
export function whyNot(subnet: NetworkSubnet, text: string): string | undefined {
  const [whole, address] = [parseSubnet(subnet.subnet), parseAddress(text)];
  if (whole === undefined || address === undefined || !contains(whole, address))
    return `it does not lie in ${subnet.subnet}`;
  const { first, last } = hostsOf(whole);
  if (address.value < first || address.value > last) return `it means the whole of ${subnet.subnet}`;
  return formatAddress(address) === subnet.gateway ? 'it is the gateway' : undefined;
}

/** The addresses that are allotted, lowest first, without the gateway. */
export function* candidates({ subnet, gateway, range }: NetworkSubnet): Generator<string> {
  const whole = parseSubnet(subnet);
  if (whole === undefined) return;
  const { family } = whole;
  const hosts = hostsOf(whole);
  const first = range === undefined ? hosts.first : (parseAddress(range.first)?.value ?? hosts.first);
  const last = range === undefined ? hosts.last : (parseAddress(range.last)?.value ?? hosts.last);
  for (let value = first < hosts.first ? hosts.first : first; value <= last && value <= hosts.last; value++) {
    const text = formatAddress({ family, value });
    if (text !== gateway) yield text;
  }
}

/** The same for the same address: neighbours that remember an earlier container are not misled. */
export function macOf(address: string): string {
  const parsed = parseAddress(address);
  const value = parsed === undefined ? 0n : parsed.value & 0xffffffffn;
  const bytes = [24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 0xffn));
  return [2, 0x42, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Addresses with the length of their prefix, as interfaces have them. */
export function withBits(subnet: NetworkSubnet, address: string): string {
  return `${address}/${parseSubnet(subnet.subnet)?.bits ?? 0}`;
}
