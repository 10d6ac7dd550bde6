/** How containers reach the network. */
import { probe } from '../native/probes.js';
import { type NetworkFacts, readNetworkFacts } from '../network/host-facts.js';
import { isLoopback, parseResolvConf } from '../network/name-files.js';
import { idMapOf } from './id-map-of.js';
import { type Finding, fail, fine, warn } from './report.js';
import type { Subject } from './subject.js';

const withoutNetwork = 'containers run with --network none or --network host only';

export function checkNetwork(subject: Subject): readonly Finding[] {
  const facts = readNetworkFacts(subject.env);
  const program = facts.pasta ?? facts.slirp4netns;
  return [checkProgram(facts, program), ...checkTun(), ...checkNames(facts)];
}

/** A network namespace with a working loopback. */
export function checkNetworkNamespace(subject: Subject): readonly Finding[] {
  const found = probe('netns', [], idMapOf(subject));
  if (found.works) return [fine('network-namespace', 'network namespaces', 'allowed')];
  return [
    fail('network-namespace', 'network namespaces', {
      detail: found.reason ?? 'refused',
      consequence: 'containers run with --network host only',
      fix: 'as root: sysctl -w user.max_net_namespaces=15000',
    }),
  ];
}

function checkProgram(facts: NetworkFacts, program: string | undefined): Finding {
  if (facts.pasta !== undefined) return fine('network-helper', 'network helper', `pasta (${facts.pasta})`);
  const fix = 'as root: apt-get install passt';
  if (program !== undefined) {
    return warn('network-helper', 'network helper', {
      detail: `slirp4netns (${program})`,
      consequence: 'it works, pasta is faster',
      fix,
    });
  }
  return warn('network-helper', 'network helper', {
    detail: 'neither pasta nor slirp4netns is installed',
    consequence: withoutNetwork,
    fix,
  });
}

function checkTun(): readonly Finding[] {
  const found = probe('tun');
  if (found.works) return [fine('tun', '/dev/net/tun', 'can be opened')];
  return [
    warn('tun', '/dev/net/tun', {
      detail: found.reason ?? 'cannot be opened',
      consequence: withoutNetwork,
      fix: 'as root: modprobe tun; mkdir -p /dev/net; test -e /dev/net/tun || mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun',
    }),
  ];
}

/** Resolvers on the host's loopback cannot be reached from containers; slirp4netns has one of its own. */
function checkNames(facts: NetworkFacts): readonly Finding[] {
  const servers = [facts.resolvConf, facts.resolvedConf].flatMap((text) => parseResolvConf(text).nameservers);
  const reachable = servers.filter((server) => !isLoopback(server));
  const [id, title] = ['name-servers', 'name servers'];
  if (reachable.length > 0) return [fine(id, title, [...new Set(reachable)].join(', '))];
  if (facts.slirp4netns !== undefined) {
    return [fine(id, title, 'only on loopback: slirp4netns is used, which forwards to them')];
  }
  return [
    warn(id, title, {
      detail: servers.length === 0 ? 'none in /etc/resolv.conf' : `only on loopback: ${servers.join(', ')}`,
      consequence: 'names do not resolve in containers unless --dns is given',
      fix: 'as root: apt-get install slirp4netns, or name a reachable server in /etc/resolv.conf',
    }),
  ];
}
