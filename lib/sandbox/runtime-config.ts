/**
 * A launch spec as the runtime specification's config.json, for people and other tools; the native program never
 * reads it. A user given by name is resolved inside the container only: it is named in an annotation.
 * https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
import { hostIdMap } from '../host/id-map.js';
import type {
  RuntimeConfig,
  RuntimeMount,
  RuntimeNamespaceType,
  RuntimeProcess,
} from '../oci/runtime-config.js';
import { runtimeSpecVersion } from '../oci/runtime-config.js';
import { capabilityName } from './capabilities.js';
import type { LaunchSpec, NamespaceName } from './launch-spec.js';
import type { Mount } from './mount.js';
import { sortMounts } from './mounts.js';

const namespaceTypes: Readonly<Record<NamespaceName, RuntimeNamespaceType>> = {
  pid: 'pid',
  ipc: 'ipc',
  uts: 'uts',
  cgroup: 'cgroup',
  net: 'network',
};

/**
 * The JSON text. `rootPath` is relative to the bundle or absolute; `seccomp` is a resolved profile's JSON, put in as it is.
 */
export function runtimeConfigText(
  spec: LaunchSpec,
  options: {
    readonly rootPath: string;
    readonly seccomp?: string | undefined;
    readonly annotations?: Readonly<Record<string, string>>;
  },
): string {
  const text = JSON.stringify(runtimeConfig(spec, options.rootPath, options.annotations ?? {}));
  if (options.seccomp === undefined) return text;
  const marker = '"linux":{';
  const at = text.lastIndexOf(marker) + marker.length;
  return `${text.slice(0, at)}"seccomp":${options.seccomp},${text.slice(at)}`;
}

function runtimeConfig(
  spec: LaunchSpec,
  rootPath: string,
  annotations: Readonly<Record<string, string>>,
): RuntimeConfig {
  const all = Object.keys(namespaceTypes).filter(isNamespace);
  const joined = spec.joinedNamespaces ?? [];
  const made = all
    .filter((name) => !spec.hostNamespaces.includes(name))
    .map((name) => {
      const path = joined.find(({ namespace }) => namespace === name)?.path;
      return { type: namespaceTypes[name], ...(path === undefined ? {} : { path }) };
    });
  const ids = (ranges: LaunchSpec['idMap']['uid']) =>
    ranges.map(({ container, host, size }) => ({ containerID: container, hostID: host, size }));
  const map = hostIdMap(spec.idMap, spec.outerIdMap);
  return {
    ociVersion: runtimeSpecVersion,
    annotations: {
      ...annotations,
      ...(spec.process.user === '' ? {} : { 'coracle.user': spec.process.user }),
    },
    process: runtimeProcess(spec),
    root: { path: rootPath, readonly: spec.rootReadonly },
    ...(spec.hostname === undefined ? {} : { hostname: spec.hostname }),
    mounts: sortMounts(spec.mounts).map(runtimeMount),
    linux: {
      namespaces: [...made, { type: 'mount' }, { type: 'user' }],
      uidMappings: ids(map.uid),
      gidMappings: ids(map.gid),
      ...resourcesOf(spec.cgroup),
      sysctl: spec.sysctls,
      maskedPaths: spec.maskedPaths,
      readonlyPaths: spec.readonlyPaths,
    },
  };
}

/** Limits as the files that they are; of a file that is written for several disks, one cannot be told. */
function resourcesOf(cgroup: LaunchSpec['cgroup']): Pick<RuntimeConfig['linux'], 'resources'> {
  const names = (cgroup?.files ?? []).map(([name]) => name);
  const once = (cgroup?.files ?? []).filter(([name]) => names.indexOf(name) === names.lastIndexOf(name));
  return once.length === 0 ? {} : { resources: { unified: Object.fromEntries(once) } };
}

function isNamespace(name: string): name is NamespaceName {
  return Object.hasOwn(namespaceTypes, name);
}

function runtimeProcess({ process, confinement, rlimits, oomScoreAdj }: LaunchSpec): RuntimeProcess {
  const [uid, gid] = process.user.split(':').map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
  const names = confinement.capabilities.map(capabilityName);
  return {
    terminal: process.tty !== undefined,
    ...(process.tty === undefined
      ? {}
      : { consoleSize: { height: process.tty.rows, width: process.tty.columns } }),
    user: { uid: uid ?? 0, gid: gid ?? 0, umask: process.umask },
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    capabilities: { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] },
    rlimits: rlimits.map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard })),
    noNewPrivileges: confinement.noNewPrivileges,
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
  };
}

/** Types and options in the words of mount(8); what only we understand (creating, copying) is left out. */
function runtimeMount({ type, source, destination, options }: Mount): RuntimeMount {
  const words = options.filter((option) => !/^(?:create=|copyup$|rec$|nofollow-source$)/.test(option));
  const fsType = { dev: 'tmpfs', cgroup2: 'cgroup' }[type as string] ?? type;
  return { destination, type: fsType, source, options: type === 'bind' ? ['rbind', ...words] : words };
}
