/** What this host offers for networks; the only reading part, apart from ports. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import { hostInterfaces } from '../host/interfaces.js';
import type { Environment } from '../host/paths.js';

/** Facts that the choice of a network depends on. */
export type NetworkFacts = {
  /** Paths of the programs, undefined where missing. */
  readonly pasta: string | undefined;
  readonly slirp4netns: string | undefined;
  /** Whether /dev/net/tun can be opened. */
  readonly tun: boolean;
  /** Text of /etc/resolv.conf. */
  readonly resolvConf: string;
  /** Text of systemd-resolved's list of real servers, where there is one. */
  readonly resolvedConf: string;
  /** Text of /etc/hosts. */
  readonly hosts: string;
  /** Addresses of the host's interfaces with the length of their prefix. */
  readonly hostSubnets: readonly string[];
  /** An IPv4 address of the host other than loopback. */
  readonly hostAddress: string | undefined;
  /** An IPv6 address of the host that others reach; undefined where no route of IPv6 leads out. */
  readonly hostAddress6: string | undefined;
};

/** For containers without any network: nothing needs to be read. */
export const noNetworkFacts: NetworkFacts = {
  pasta: undefined,
  slirp4netns: undefined,
  tun: false,
  resolvConf: '',
  resolvedConf: '',
  hosts: '',
  hostSubnets: [],
  hostAddress: undefined,
  hostAddress6: undefined,
};

export function readNetworkFacts(env: Environment): NetworkFacts {
  return {
    pasta: findProgram('pasta', env),
    slirp4netns: findProgram('slirp4netns', env),
    tun: canOpenTun(),
    resolvConf: readText('/etc/resolv.conf'),
    resolvedConf: readText('/run/systemd/resolve/resolv.conf'),
    hosts: readText('/etc/hosts'),
    hostSubnets: hostSubnets(),
    hostAddress: outwardAddress('IPv4'),
    hostAddress6: leadsOut6(readText('/proc/net/ipv6_route')) ? outwardAddress('IPv6') : undefined,
  };
}

/** `ADDRESS/BITS` of every interface. */
export function hostSubnets(): string[] {
  const addresses = Object.values(hostInterfaces()).flatMap((each) => each ?? []);
  return addresses.flatMap(({ cidr }) => (cidr === null ? [] : [cidr]));
}

function outwardAddress(wanted: 'IPv4' | 'IPv6'): string | undefined {
  const addresses = Object.values(hostInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(
    ({ internal, family, address }) => !internal && family === wanted && !address.startsWith('fe80:'),
  )?.address;
}

/** Whether there is a default route by an interface other than the loopback, which has one that refuses. */
function leadsOut6(table: string): boolean {
  return /^0{32} 00 .* (?!lo$)\S+$/m.test(table);
}

function canOpenTun(): boolean {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'ENXIO')) return false;
    throw ioError('open /dev/net/tun', error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return '';
    throw ioError(`read ${path}`, error);
  }
}
