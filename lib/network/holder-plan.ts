/** The plan of the process that holds a user's networks: native/PROTOCOL.md 2.8. Pure. */
import type { IdMap } from '../host/id-map.js';
import { idMapRecords } from '../native/id-map-records.js';
import type { PlanRecord } from '../native/plan.js';
import type { NetworkFacts } from './host-facts.js';
import { uplinkPrefix6 } from './network-plan.js';
import { uplinkPrefix } from './plan-record.js';

/** The interface that leads out of the holder's namespace; native/network/firewall.h knows it. */
const uplink = 'uplink0';

/** Which map its user namespace has: one id is enough, but where we are root of a namespace already only its own maps can be written. */
export function holderIdMap(store: IdMap, uid: number, gid: number): IdMap {
  if (store.how === 'direct') return store;
  return {
    ...store,
    how: 'single',
    uid: [{ container: 0, host: uid, size: 1 }],
    gid: [{ container: 0, host: gid, size: 1 }],
  };
}

/** Without pasta and slirp4netns, containers reach each other and nothing else; slirp4netns leads out by IPv4 alone. */
export function holderPlan(directory: string, idMap: IdMap, facts: NetworkFacts): readonly PlanRecord[] {
  return [['dir', directory], ...idMapRecords(idMap), ...uplinkRecords(facts)];
}

function uplinkRecords({ pasta, slirp4netns, tun, hostSubnets, hostAddress6 }: NetworkFacts): PlanRecord[] {
  if (!tun) return [];
  const prefix = uplinkPrefix(hostSubnets);
  if (pasta !== undefined) {
    const six = hostAddress6 === undefined ? withoutSix : withSix;
    return [['net-helper', 'pasta', pasta, ...pastaArguments(prefix), ...six]];
  }
  return slirp4netns === undefined
    ? []
    : [['net-helper', 'slirp4netns', slirp4netns, ...slirpArguments(prefix)]];
}

/** As for a container's own pasta (S36): nothing of the host's loopback, no ports. */
const pastaArguments = (prefix: string): readonly string[] => [
  ...['--quiet', '--config-net', '--no-map-gw', '--ns-ifname', uplink],
  ...['-a', `${prefix}.2`, '-n', '24', '-g', `${prefix}.1`],
  ...['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none'],
  ...['--no-dhcp', '--no-dhcpv6', '--no-ra', '--netns-only', '--netns', '@NETNS@'],
];

const withoutSix: readonly string[] = ['--ipv4-only', '--no-ndp'];

/** The way out has to answer who has its address. */
const withSix: readonly string[] = ['-a', `${uplinkPrefix6}2`, '-g', `${uplinkPrefix6}1`];

const slirpArguments = (prefix: string): readonly string[] => [
  ...['--configure', '--mtu=65520', '--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'],
  ...[`--cidr=${prefix}.0/24`, '--netns-type=path', '--ready-fd', '@READY@', '@NETNS@', uplink],
];
