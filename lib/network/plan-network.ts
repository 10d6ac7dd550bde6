/** Decides a container's network from what was asked and what the host has. Pure. */
import { CoracleError } from '../errors.js';
import type { PlanRecord } from '../native/plan.js';
import { type HelperPlan, pastaPlan, slirpPlan } from './helper-options.js';
import type { NetworkFacts } from './host-facts.js';
import {
  type DnsChoice,
  endLine,
  hostNames,
  isLoopback,
  parseResolvConf,
  type ResolvConf,
  renderHosts,
  renderResolvConf,
} from './name-files.js';
import type { HostEntry, NetworkMode, NetworkPlan, PortMapping } from './network-plan.js';

/** What was asked for; an undefined mode lets the host's facts decide. */
export type NetworkRequest = {
  readonly mode: NetworkMode | undefined;
  /** Of pasta or slirp4netns, where the mode is one of them. */
  readonly helperOptions?: readonly string[] | undefined;
  readonly ports: readonly PortMapping[];
  readonly dns: DnsChoice;
  readonly extraHosts: readonly HostEntry[];
  /** Text of `--hosts-file`. */
  readonly hostsBase?: string | undefined;
  readonly hostname: string;
  readonly name: string;
};

const gatewayName = 'host-gateway';

/**
 * The network of one container.
 * @throws HOST when the mode needs a program or device that is missing, USAGE when ports are published without a network.
 */
export function planNetwork(request: NetworkRequest, facts: NetworkFacts): NetworkPlan {
  const mode = chooseMode(request, facts);
  const helper = helperPlan(mode, request.helperOptions ?? [], facts);
  if (helper === undefined && request.ports.length > 0) {
    throw new CoracleError('USAGE', `publish ports: not possible with --network ${mode}`, {
      hint:
        mode === 'host'
          ? 'the container listens on the host itself: leave -p out'
          : 'leave --network none out',
    });
  }
  const host = hostResolvers(facts);
  const names = nameservers(mode, request.dns, { host, resolver: helper?.resolver });
  const address = helper?.address ?? helper?.address6;
  return {
    mode,
    address,
    records: [
      ...helperRecords(mode, facts, helper),
      ...request.ports.map((port) => publishRecord(port, helper)),
    ],
    warnings: names.warnings,
    files: {
      resolvConf:
        mode === 'none' && request.dns.servers.length === 0
          ? ''
          : renderResolvConf(host, request.dns, names.servers),
      hosts: hostsText(request, mode, helper, facts),
      hostname: `${request.hostname}\n`,
    },
  };
}

/** The mode alone: as asked, else pasta, else slirp4netns. */
export function chooseMode(request: Pick<NetworkRequest, 'mode' | 'dns'>, facts: NetworkFacts): NetworkMode {
  const { mode } = request;
  if (mode === 'none' || mode === 'host' || mode === 'container' || mode === 'bridge') return mode;
  if (mode !== undefined && facts[mode] === undefined) throw missing(mode, mode === 'pasta' ? 'passt' : mode);
  if (!facts.tun) {
    throw new CoracleError('HOST', 'plan network: /dev/net/tun cannot be opened', {
      hint: 'run as root: modprobe tun; chmod 666 /dev/net/tun. Or use --network none or --network host',
    });
  }
  if (mode !== undefined) return mode;
  // An older pasta cannot reach resolvers on the host's loopback; slirp4netns forwards to them.
  const loopbackOnly = request.dns.servers.length === 0 && reachable(hostResolvers(facts)).length === 0;
  if (facts.pasta !== undefined && !(loopbackOnly && facts.slirp4netns !== undefined)) return 'pasta';
  if (facts.slirp4netns !== undefined) return 'slirp4netns';
  throw missing('pasta or slirp4netns', 'passt');
}

function missing(program: string, packageName: string): CoracleError {
  return new CoracleError('HOST', `plan network: ${program} is not installed`, {
    hint: `install the package ${packageName}, or use --network none or --network host`,
  });
}

/** The host's resolvers; where only a local stub is listed, what systemd-resolved says lies behind it. */
function hostResolvers(facts: NetworkFacts): ResolvConf {
  const host = parseResolvConf(facts.resolvConf);
  if (reachable(host).length > 0 || facts.resolvedConf === '') return host;
  const behind = parseResolvConf(facts.resolvedConf);
  return { ...host, nameservers: behind.nameservers };
}

function reachable({ nameservers: servers }: ResolvConf): string[] {
  return servers.filter((server) => !isLoopback(server));
}

function nameservers(
  mode: NetworkMode,
  dns: DnsChoice,
  { host, resolver }: { readonly host: ResolvConf; readonly resolver: string | undefined },
): { readonly servers: readonly string[]; readonly warnings: readonly string[] } {
  if (dns.servers.length > 0) return { servers: dns.servers, warnings: [] };
  if (mode === 'none') return { servers: [], warnings: [] };
  if (mode === 'host') return { servers: host.nameservers, warnings: [] };
  const servers = reachable(host);
  if (servers.length > 0) return { servers, warnings: [] };
  if (mode === 'slirp4netns' && resolver !== undefined) return { servers: [resolver], warnings: [] };
  const warning =
    'names will not resolve: every nameserver of the host is on its loopback, which pasta does not reach; give --dns or use --network slirp4netns';
  return { servers: [], warnings: [warning] };
}

function hostsText(
  request: NetworkRequest,
  mode: NetworkMode,
  helper: HelperPlan | undefined,
  facts: NetworkFacts,
): string {
  const address = helper?.address ?? helper?.address6;
  const onlySix = helper?.address === undefined && helper?.address6 !== undefined;
  const host = helper === undefined ? undefined : onlySix ? facts.hostAddress6 : facts.hostAddress;
  const extra = request.extraHosts.map((entry) => resolveGateway(entry, mode, host));
  if (mode === 'host') return hostHosts(extra, request.hostsBase, facts);
  const { hostname, name, hostsBase: base } = request;
  return renderHosts({ extra, base, hostname, name, address, host });
}

/** The container is on the host itself, which it finds by the loopback. */
function hostHosts(extra: readonly HostEntry[], base: string | undefined, facts: NetworkFacts): string {
  const lines = [...extra, ...hostNames.map((name) => ({ name, address: '127.0.0.1' }))];
  const [own, self] = [lines.slice(0, extra.length), lines.slice(extra.length)].map((part) =>
    part.map(({ address, name }) => `${address}\t${name}\n`).join(''),
  );
  return [own, endLine(base ?? ''), endLine(facts.hosts), self].join('');
}

/** The host's loopback is closed to containers: its address is one of its interfaces. */
function resolveGateway(entry: HostEntry, mode: NetworkMode, host: string | undefined): HostEntry {
  if (entry.address !== gatewayName) return entry;
  if (mode === 'host') return { ...entry, address: '127.0.0.1' };
  if (host !== undefined) return { ...entry, address: host };
  throw new CoracleError(
    'HOST',
    `add host ${entry.name}: the host has no address that --network ${mode} reaches`,
  );
}

function helperRecords(mode: NetworkMode, facts: NetworkFacts, helper: HelperPlan | undefined): PlanRecord[] {
  if (helper === undefined) return [];
  const name = mode === 'pasta' ? 'pasta' : 'slirp4netns';
  return [['net-helper', name, facts[name] ?? name, ...helper.arguments]];
}

/** Without an address it is found out inside. */
function publishRecord(
  { protocol, hostAddress, hostPort, containerPort }: PortMapping,
  helper: HelperPlan | undefined,
): PlanRecord {
  const ends = [helper?.address ?? helper?.address6 ?? '', `${containerPort}`];
  const second = helper?.address === undefined ? [] : (helper.address6 ?? []);
  return ['publish', protocol, hostAddress, `${hostPort}`, ...ends, ...[second].flat()];
}

function helperPlan(
  mode: NetworkMode,
  options: readonly string[],
  facts: NetworkFacts,
): HelperPlan | undefined {
  if (mode === 'pasta') return pastaPlan(options, facts.hostAddress6 !== undefined);
  return mode === 'slirp4netns' ? slirpPlan(options) : undefined;
}
