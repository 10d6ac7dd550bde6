/** Which proxy a URL goes through, by the environment's HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as Go programs read them. */
import { BlockList, isIP } from 'node:net';
import { CoracleError } from '../errors.js';
import { isLoopback } from './hosts.js';

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy for `url`, undefined for a direct connection. Loopback is always direct. */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const value = variable(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  if (value === undefined || isLoopback(url.hostname) || isExcluded(url, variable(env, 'NO_PROXY') ?? '')) {
    return undefined;
  }
  return parseProxy(value);
}

const socksSchemes = ['socks5:', 'socks5h:'];

/** Whether a proxy speaks SOCKS. */
export function isSocks({ protocol }: URL): boolean {
  return socksSchemes.includes(protocol);
}

function variable(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toLowerCase()] || undefined;
}

function parseProxy(value: string): URL {
  const text = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(value) ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:', ...socksSchemes].includes(url.protocol)) return url;
  const scheme = url?.protocol.slice(0, -1) ?? 'an unreadable address';
  throw new CoracleError('UNSUPPORTED', `use proxy: ${scheme} instead of an http, https or socks5 proxy`, {
    hint: 'set HTTPS_PROXY and HTTP_PROXY to http://HOST:PORT, or add the registry to NO_PROXY',
  });
}

/** Whether a NO_PROXY list covers the URL: `*`, hosts with all their subdomains, `.suffix`, addresses, CIDR ranges, each with an optional port. */
function isExcluded(url: URL, list: string): boolean {
  const host = bareHost(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const entries = list.toLowerCase().split(',');
  return entries.some((entry) => covers(entry.trim(), host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  if (entry.includes('/')) return inRange(entry, host);
  const withPort = /^(\[[^\]]+\]|[^:]*):(\d+)$/.exec(entry);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = bareHost(withPort?.[1] ?? entry);
  if (isIP(host) !== 0) return name === host;
  const suffix = name.replace(/^\*?\./, '');
  return host.endsWith(`.${suffix}`) || (host === suffix && name === suffix);
}

function inRange(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const version = isIP(network);
  if (version === 0 || version !== isIP(host) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (version === 4 ? 32 : 128)) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const range = new BlockList();
  range.addSubnet(network, Number(bits), family);
  return range.check(host, family);
}

function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

/** The Proxy-Authorization header for a proxy URL that carries a user, else nothing. */
export function proxyAuthorization(proxy: URL): Readonly<Record<string, string>> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}
