/** The texts of a container's /etc/resolv.conf, /etc/hosts and /etc/hostname. Pure. */
import type { HostEntry } from './network-plan.js';

/** What `--dns*` asked for; empty lists mean as the host has it. */
export type DnsChoice = {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
};

/** The parts of a resolv.conf(5) that matter here. */
export type ResolvConf = {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
};

/** Reads a host's resolv.conf; the last `search` or `domain` line wins, as in libc. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain') search = values;
    else if (keyword === 'options') options.push(...values);
  }
  return { nameservers, search, options };
}

/** Whether a resolver answers only on the host's own loopback, which is not the container's. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === 'localhost';
}

/** Writes a resolv.conf; `--dns-search .` means no search list. */
export function renderResolvConf(
  host: ResolvConf,
  choice: DnsChoice,
  nameservers: readonly string[],
): string {
  const search = choice.search.length > 0 ? choice.search.filter((domain) => domain !== '.') : host.search;
  const options = choice.options.length > 0 ? choice.options : host.options;
  const lines = [
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Names of this host inside of containers. */
export const hostNames = ['host.containers.internal', 'host.docker.internal'] as const;

/** A text whose last line has an end. */
export function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** What a hosts file calls the container itself; who has no name has only that of its host. */
export function ownNames(hostname: string, name: string): string {
  return [...new Set([hostname, name === '' ? hostname : name])].join(' ');
}

/** Writes a hosts file: what was asked for first, since the first match counts. */
export function renderHosts(options: {
  readonly extra: readonly HostEntry[];
  /** Text of a file that comes next. */
  readonly base?: string | undefined;
  readonly hostname: string;
  readonly name: string;
  /** The container's own address; the loopback one where it has none. */
  readonly address: string | undefined;
  /** The host's address, known inside as host.containers.internal; undefined where it has none. */
  readonly host: string | undefined;
}): string {
  const { extra, base = '', hostname, name, address, host } = options;
  const names = ownNames(hostname, name);
  const asked = extra.map((entry) => `${entry.address}\t${entry.name}\n`).join('');
  const lines = [
    '127.0.0.1\tlocalhost localhost.localdomain',
    '::1\tlocalhost localhost.localdomain',
    `${address ?? '127.0.1.1'}\t${names}`,
    ...(host === undefined ? [] : [`${host}\t${hostNames.join(' ')}`]),
  ];
  return asked + endLine(base) + lines.map((line) => `${line}\n`).join('');
}
