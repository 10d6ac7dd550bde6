/** `-p` texts as port requests. docs.docker.com/engine/network/port-publishing */
import { CoracleError } from '../errors.js';
import type { PortRequest } from './network-plan.js';

/** More than this many ports in one flag is a mistake: each is a listening socket. */
const largestRange = 1024;

/**
 * Reads `[ADDRESS:][HOST][:CONTAINER][/tcp|udp]`, where HOST and CONTAINER are ports or ranges `A-B` of one length and
 * an IPv6 address stands in brackets. Without HOST a free port is chosen when the container is made.
 * @throws USAGE naming the text.
 */
export function parsePublishFlag(text: string): PortRequest[] {
  const match = /^(?:(\[[^\]]*\]|[^:/\s]*):)??(?:([\d-]*):)?(\d+(?:-\d+)?)(?:\/(\w+))?$/.exec(text);
  if (match === null) throw bad(text, 'expected [ADDRESS:][HOST:]CONTAINER[/PROTOCOL]');
  const [, address, host, container = '', protocolText = 'tcp'] = match;
  const protocol = protocolText.toLowerCase();
  if (protocol === 'sctp') throw sctp(text);
  if (protocol !== 'tcp' && protocol !== 'udp')
    throw bad(text, `protocol ${protocolText} is neither tcp nor udp`);
  const hostAddress = parseAddress(address ?? '', text);
  const containerPorts = parseRange(container, text);
  const hostPorts = host === undefined || host === '' ? undefined : parseRange(host, text);
  if (hostPorts !== undefined && hostPorts.length !== containerPorts.length) {
    throw bad(text, `${hostPorts.length} host ports for ${containerPorts.length} of the container`);
  }
  return containerPorts.map((containerPort, i) => ({
    protocol,
    hostAddress,
    hostPort: hostPorts?.[i],
    containerPort,
  }));
}

/** An `EXPOSE` port of an image config such as `80/tcp`; undefined when it is not one. */
export function parseExposedPort(text: string): Pick<PortRequest, 'protocol' | 'containerPort'> | undefined {
  const match = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(text);
  const port = Number(match?.[1]);
  if (match === null || port < 1 || port > 65535) return undefined;
  return { protocol: match[2] === 'udp' ? 'udp' : 'tcp', containerPort: port };
}

function parseAddress(text: string, flag: string): string {
  if (text === '') return '0.0.0.0';
  if (text === 'localhost') return '127.0.0.1';
  const address = text.replace(/^\[(.*)\]$/, '$1');
  if (isIpv4(address) || isIpv6(address)) return address;
  throw bad(flag, `"${address}" is no IP address`);
}

function parseRange(text: string, flag: string): number[] {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = match?.[2] === undefined ? first : Number(match[2]);
  if (match === null || first < 1 || last > 65535) throw bad(flag, `"${text}" is no port from 1 to 65535`);
  if (last < first) throw bad(flag, `the range ${text} runs backwards`);
  if (last - first >= largestRange) throw bad(flag, `more than ${largestRange} ports`);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Whether the text is a dotted IPv4 address. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

/** Whether the text is an IPv6 address, without a zone. */
export function isIpv6(text: string): boolean {
  if (!/^[0-9a-f:.]{2,45}$/i.test(text)) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups.at(-1) ?? '';
  const embedded = last.includes('.');
  const hex = embedded ? groups.slice(0, -1) : groups;
  if ((embedded && !isIpv4(last)) || !hex.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  const count = hex.length + (embedded ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}

function sctp(text: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `publish "${text}": sctp ports cannot be published`, {
    hint: 'tcp and udp can; on a user-defined network containers reach each other by sctp without -p',
  });
}

function bad(text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `parse publish "${text}": ${reason}`, {
    hint: 'for example -p 8080:80, -p 127.0.0.1:8080:80/udp, -p 80',
  });
}
