/** The options of `build` that say what RUN steps get and how they are confined. */
import { statSync } from 'node:fs';
import {
  CoracleError,
  checkIsolation,
  parseEntitlement,
  parseRunFlags,
  parseSecretFlag,
  parseSshFlag,
  proxyArguments,
  type RunSettings,
} from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';
import { cgroupOptions, limitOptions, readLimits } from './limits.js';
import { readSize } from './run-texts.js';

export const runOptions = [
  {
    name: 'secret',
    kind: 'list',
    value: 'id=ID,src=FILE|env=NAME',
    summary: 'Secret for RUN --mount=type=secret; never in the image, the cache or a message',
  },
  {
    name: 'ssh',
    kind: 'list',
    value: 'default|ID=SOCKET|ID=KEY,…',
    summary: 'Agent for RUN --mount=type=ssh: a running one, or one with these keys',
  },
  {
    name: 'allow',
    kind: 'list',
    value: 'ENTITLEMENT',
    summary: 'Let the Dockerfile use network.host (RUN --network=host) or security.insecure',
  },
  {
    name: 'add-host',
    kind: 'list',
    value: 'NAME:ADDRESS',
    summary: 'Line of /etc/hosts in RUN steps; host-gateway is this host',
  },
  { name: 'dns', kind: 'list', value: 'ADDRESS', summary: 'Name server of RUN steps' },
  { name: 'dns-search', kind: 'list', value: 'DOMAIN', summary: 'Search domain of RUN steps' },
  { name: 'dns-option', kind: 'list', value: 'OPTION', summary: "Option of RUN steps' resolv.conf" },
  {
    name: 'volume',
    short: 'v',
    kind: 'list',
    value: 'SOURCE:DIR[:OPTIONS]',
    summary: 'Directory or file of this host that RUN steps see, and write to unless it is ro',
  },
  { name: 'shm-size', kind: 'string', value: 'SIZE', summary: 'Size of /dev/shm (default: 64m)' },
  { name: 'ulimit', kind: 'list', value: 'NAME=SOFT[:HARD]', summary: 'Resource limit of RUN steps' },
  ...limitOptions,
  ...cgroupOptions.filter(({ name }) => name === 'cgroup-parent'),
  { name: 'cap-add', kind: 'list', value: 'CAPABILITY', summary: 'Give RUN steps a capability, or ALL' },
  { name: 'cap-drop', kind: 'list', value: 'CAPABILITY', summary: 'Take one away from them, or ALL' },
  {
    name: 'security-opt',
    kind: 'list',
    value: 'OPTION',
    summary: 'no-new-privileges, seccomp=FILE|unconfined, mask=PATHS, unmask=PATHS|ALL',
  },
  { name: 'group-add', kind: 'list', value: 'GROUP', summary: 'Further group of RUN steps' },
  {
    name: 'http-proxy',
    kind: 'toggle',
    summary: "Give RUN steps this environment's proxy variables (default: false)",
  },
  {
    name: 'isolation',
    kind: 'string',
    value: 'KIND',
    summary: 'How steps are confined: oci or rootless, which are the same here',
  },
] as const satisfies readonly OptionSpec[];

/** Why options of docker's and buildah's `build` about RUN steps are refused. */
export const refusedOfRuns = {
  'use --memory, --cpus and the like': 'resource',
  'steps get no devices': 'device',
  'each step has namespaces of its own, with the ids of your user and its ranges in /etc/subuid':
    'userns userns-uid-map userns-gid-map userns-uid-map-user userns-gid-map-group pid ipc uts cgroupns',
  'the runtime is built in': 'runtime runtime-flag cni-config-dir cni-plugin-path',
};

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function runSettings(values: Values<typeof runOptions>): RunSettings {
  if (values.isolation !== undefined) checkIsolation(values.isolation);
  const context = { cwd: process.cwd(), env: process.env };
  const { mounts, extraHosts, dns, security, ulimits } = parseRunFlags(
    {
      volume: values.volume,
      addHost: values['add-host'],
      dns: values.dns,
      securityOpt: values['security-opt'],
      ulimit: values.ulimit,
    },
    context,
  );
  refuseVolumes(values.volume, mounts ?? []);
  refuseKeptGroups(values['group-add']);
  return {
    secrets: values.secret.map((text) => parseSecretFlag(text, context)),
    ssh: values.ssh.map((text) => parseSshFlag(text, context, isSocket)),
    allow: values.allow.flatMap((text) => text.split(',')).map(parseEntitlement),
    proxies: values['http-proxy'] === true ? ownProxies() : undefined,
    extraHosts,
    dns,
    dnsSearch: values['dns-search'],
    dnsOptions: values['dns-option'],
    shmSize: values['shm-size'] === undefined ? undefined : readSize('--shm-size', values['shm-size']),
    ulimits,
    limits: readLimits(values),
    cgroupParent: values['cgroup-parent'],
    requireLimits: values['require-limits'],
    capabilityAdd: values['cap-add'].flatMap((text) => text.split(',')),
    capabilityDrop: values['cap-drop'].flatMap((text) => text.split(',')),
    security,
    groups: values['group-add'],
    mounts,
  };
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

function ownProxies(): Record<string, string> {
  return Object.fromEntries(
    proxyArguments.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** A build has no named volumes: what it keeps between steps is a cache mount. */
function refuseVolumes(texts: readonly string[], mounts: NonNullable<RunSettings['mounts']>): void {
  const over = mounts.findIndex((mount) => mount.type === 'bind' && mount.overlay !== undefined);
  if (over >= 0) {
    throw new CoracleError(
      'UNSUPPORTED',
      `use volume "${texts[over]}": a build has no place for the writes of O`,
      {
        hint: 'make it read-only with ro, or COPY what the step is to change',
      },
    );
  }
  const other = mounts.findIndex(({ type }) => type !== 'bind');
  if (other < 0) return;
  throw new CoracleError('UNSUPPORTED', `use volume "${texts[other]}": a build has no named volumes`, {
    hint: 'give a path that begins with / or ./, or use RUN --mount=type=cache in the Dockerfile',
  });
}

function refuseKeptGroups(groups: readonly string[]): void {
  if (!groups.includes('keep-groups')) return;
  throw new CoracleError(
    'UNSUPPORTED',
    'use --group-add keep-groups: groups of the host do not exist in a step',
  );
}
