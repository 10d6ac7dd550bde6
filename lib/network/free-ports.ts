/** Host ports for published container ports that named none. */
import { readFileSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { randomBytes } from '../host/random.js';
import type { PortMapping, PortRequest } from './network-plan.js';

/** The dynamic ports of RFC 6335 above Linux's usual range for outgoing connections. */
const range = { first: 49152, count: 16384 } as const;

/**
 * Gives every request a host port. What is chosen is free now, by the kernel's tables; the supervisor's bind decides.
 * @throws USAGE when two requests want the same port.
 */
export function assignHostPorts(requests: readonly PortRequest[]): PortMapping[] {
  const fixed = requests.filter(({ hostPort }) => hostPort !== undefined);
  const taken = new Set<string>();
  for (const { protocol, hostAddress, hostPort } of fixed) {
    const key = `${protocol} ${hostAddress} ${hostPort}`;
    if (taken.has(key)) {
      throw new CoracleError('USAGE', `publish ${hostAddress}:${hostPort}/${protocol}: asked for twice`);
    }
    taken.add(key);
  }
  const busy = fixed.length === requests.length ? new Set<number>() : boundPorts();
  for (const { hostPort } of fixed) if (hostPort !== undefined) busy.add(hostPort);
  return requests.map((request) => {
    const hostPort = request.hostPort ?? freePort(busy);
    busy.add(hostPort);
    return { ...request, hostPort };
  });
}

function freePort(busy: ReadonlySet<number>): number {
  const start = randomBytes(2).readUInt16LE() % range.count;
  for (let i = 0; i < range.count; i++) {
    const port = range.first + ((start + i) % range.count);
    if (!busy.has(port)) return port;
  }
  throw new CoracleError('CONFLICT', `publish port: none is free from ${range.first} up`, {
    hint: 'name a host port: -p HOST:CONTAINER',
  });
}

/** Local ports of all sockets, whatever protocol and address: a port with any use is passed over. proc_net_tcp(5) */
function boundPorts(): Set<number> {
  const ports = new Set<number>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6', '/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readLines(file).slice(1)) {
      const local = line.trim().split(/\s+/)[1]?.split(':')[1];
      if (local !== undefined) ports.add(Number.parseInt(local, 16));
    }
  }
  return ports;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${path}`, error);
  }
}
