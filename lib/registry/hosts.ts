/** Names and addresses of registries, pure. */
import { BlockList, isIP } from 'node:net';

/** Whether a host name (brackets allowed) is this machine: `localhost`, below it, 127.0.0.0/8, ::1. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const version = isIP(host);
  return version === 4 ? host.startsWith('127.') : version === 6 && inside(loopback6(), host);
}

/** Whether a host name is the literal of a loopback, private, link-local or unspecified address, or `localhost`. */
export function isPrivateLiteral(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return isLoopback(host) || (isIP(host) !== 0 && inside(privateRanges(), host));
}

function inside(list: BlockList, host: string): boolean {
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}

function loopback6(): BlockList {
  const list = new BlockList();
  list.addAddress('::1', 'ipv6');
  list.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');
  return list;
}

function privateRanges(): BlockList {
  const list = new BlockList();
  for (const [network, bits] of [
    ['0.0.0.0', 8],
    ['10.0.0.0', 8],
    ['100.64.0.0', 10],
    ['169.254.0.0', 16],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
  ] as const) {
    list.addSubnet(network, bits, 'ipv4');
    list.addSubnet(`::ffff:${network}`, 96 + bits, 'ipv6');
  }
  list.addAddress('::', 'ipv6');
  list.addSubnet('fc00::', 7, 'ipv6');
  list.addSubnet('fe80::', 10, 'ipv6');
  return list;
}

/** The host that serves a registry's API: Docker Hub's differs from its name. */
export function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry;
}
