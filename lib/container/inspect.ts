/** A container in the words of `docker inspect` and `podman inspect`. Pure. */
import type { IdRange } from '../host/id-map.js';
import { capabilityName } from '../sandbox/capabilities.js';
import type { MountRequest } from '../sandbox/mount.js';
import { defaultShmSize } from '../sandbox/mounts.js';
import { signalName } from '../sandbox/signals.js';
import { parseVolumeOptions } from '../volume/volume-options.js';
import type { VolumeStore } from '../volume/volume-store.js';
import type { ContainerHealthcheck } from './healthcheck.js';
import type { UserNamespace } from './inner-map.js';
import { cgroupPath, limitFields } from './inspect-limits.js';
import { namespaceText } from './namespace-flags.js';
import type { SecretUse, VolumeUse } from './record.js';
import type { ContainerView } from './view.js';

const never = '0001-01-01T00:00:00Z';

/** A JSON document; the fields that scripts read keep their names and shapes. */
export type ContainerInspection = Readonly<Record<string, unknown>>;

/** What is told of a container's place on a network, with docker's names. */
export type NetworkPlace = ContainerInspection & { readonly IPAddress: string };

/** `volumes` finds where they are. */
export function inspectContainer(
  view: ContainerView,
  extra: {
    readonly volumes: Pick<VolumeStore, 'get'>;
    readonly networks: Readonly<Record<string, NetworkPlace>>;
  },
): ContainerInspection {
  const { record, directory } = view;
  return {
    Id: record.id,
    Created: record.created,
    Path: record.process.args[0] ?? '',
    Args: record.process.args.slice(1),
    State: stateFields(view),
    Image: `sha256:${record.imageId}`,
    ImageName: record.imageReference ?? '',
    ImageDigest: record.imageDigest,
    Name: record.name,
    RestartCount: view.live?.restarts ?? view.exit?.restarts ?? 0,
    Driver: record.driver,
    ResolvConfPath: `${directory}/resolv.conf`,
    HostnamePath: `${directory}/hostname`,
    HostsPath: `${directory}/hosts`,
    LogPath: record.log?.path ?? '',
    OCIConfigPath: `${directory}/config.json`,
    BoundingCaps: record.capabilities.map(capabilityName).sort(),
    EffectiveCaps: record.capabilities.map(capabilityName).sort(),
    Mounts: mountFields(view, extra.volumes),
    Config: configFields(view),
    HostConfig: hostFields(view),
    NetworkSettings: {
      IPAddress: Object.values(extra.networks)[0]?.IPAddress ?? '',
      Ports: portFields(view),
      Networks: extra.networks,
    },
  };
}

function stateFields(view: ContainerView): ContainerInspection {
  const { status, live, exit } = view;
  return {
    Status: status,
    Running: status === 'running' || status === 'paused',
    Paused: status === 'paused',
    Restarting: false,
    OOMKilled: exit?.oom ?? false,
    Dead: status === 'dead',
    Pid: live?.pid ?? 0,
    CgroupPath: cgroupPath(live?.cgroup),
    ExitCode: status === 'exited' ? (exit?.code ?? 0) : 0,
    Error: status === 'exited' ? (exit?.error ?? '') : '',
    StartedAt: live?.started ?? (exit?.started || never),
    FinishedAt: exit?.finished || never,
    ...healthFields(view),
  };
}

function healthFields({ record, health }: ContainerView): ContainerInspection {
  if (record.healthcheck === undefined) return {};
  const log = (health?.log ?? []).map(({ start, end, code, output }) => ({
    Start: start,
    End: end,
    ExitCode: code,
    Output: output,
  }));
  return { Health: { Status: health?.status ?? 'starting', FailingStreak: health?.failing ?? 0, Log: log } };
}

function configFields({ record }: ContainerView): ContainerInspection {
  const { process, options } = record;
  return {
    Hostname: record.hostname,
    User: process.user,
    Tty: process.tty,
    OpenStdin: process.interactive,
    Env: process.env,
    Cmd: record.command,
    Entrypoint: record.entrypoint,
    Image: record.imageReference ?? record.imageId,
    Volumes: Object.fromEntries(record.volumes.map(({ destination }) => [destination, {}])),
    WorkingDir: process.cwd,
    Labels: sorted(record.labels),
    StopSignal: signalName(record.stopSignal),
    StopTimeout: record.stopTimeout,
    Umask: (options.umask ?? 0o022).toString(8).padStart(4, '0'),
    Secrets: (record.secrets ?? []).map(secretFields),
    ExposedPorts: Object.fromEntries(record.exposed.map((port) => [port, {}])),
    ...(record.healthcheck === undefined ? {} : { Healthcheck: checkFields(record.healthcheck) }),
  };
}

function secretFields(use: SecretUse): ContainerInspection {
  const { uid: UID, gid: GID, mode: Mode } = use.type === 'mount' ? use : { uid: 0, gid: 0, mode: 0 };
  return { Name: use.name, ID: use.id, Type: use.type, Target: use.target, UID, GID, Mode };
}

const perMillisecond = 1_000_000;

function checkFields(check: ContainerHealthcheck): ContainerInspection {
  return {
    Test: testFields(check.test),
    Interval: check.interval * perMillisecond,
    Timeout: check.timeout * perMillisecond,
    StartPeriod: check.startPeriod * perMillisecond,
    StartInterval: check.startInterval * perMillisecond,
    Retries: check.retries,
    OnFailure: check.onFailure,
  };
}

/** The shell's own words need not be told. */
function testFields(test: ContainerHealthcheck['test']): readonly string[] {
  const [kind, shell, flag, line, ...rest] = test;
  const byShell = kind === 'CMD' && shell === '/bin/sh' && flag === '-c' && line !== undefined;
  return byShell && rest.length === 0 ? ['CMD-SHELL', line] : test;
}

function hostFields({ record }: ContainerView): ContainerInspection {
  const { options } = record;
  return {
    Binds: bindTexts(record.options.mounts),
    AutoRemove: record.autoRemove,
    Privileged: false,
    NetworkMode:
      record.networkContainer === undefined ? record.network : `container:${record.networkContainer}`,
    PidMode: namespaceText(options.namespaces?.pid),
    IpcMode: namespaceText(options.namespaces?.ipc ?? { mode: 'shareable' }),
    UTSMode: namespaceText(options.namespaces?.uts),
    UsernsMode: record.userNamespace === undefined ? '' : 'private',
    IDMappings: mapFields(record.userNamespace),
    Devices: (options.deviceNodes ?? []).map(({ source, destination }) => ({
      PathOnHost: source,
      PathInContainer: destination,
      CgroupPermissions: 'rwm',
    })),
    CgroupMode: namespaceText(options.namespaces?.cgroup),
    PortBindings: portFields({ record }),
    ReadonlyRootfs: options.readonlyRoot ?? false,
    CapAdd: options.capabilityAdd ?? [],
    CapDrop: options.capabilityDrop ?? [],
    Init: options.init ?? false,
    OomScoreAdj: options.oomScoreAdj ?? 0,
    ShmSize: options.shmSize ?? defaultShmSize,
    Dns: options.dns ?? [],
    ExtraHosts: (options.extraHosts ?? []).map(({ name, address }) => `${name}:${address}`),
    ...limitFields(options),
    Ulimits: (options.ulimits ?? []).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    RestartPolicy: { Name: options.restart?.name ?? 'no', MaximumRetryCount: options.restart?.maximum ?? 0 },
    LogConfig: { Type: record.log?.driver ?? 'none', Path: record.log?.path ?? '' },
    SecurityOpt: securityTexts(record.options.security),
  };
}

/** podman's form: `CONTAINER:FROM:SIZE`, by the ids of the store where the namespace is inside of the store's. */
function mapFields(namespace: UserNamespace | undefined): ContainerInspection | undefined {
  if (namespace === undefined) return undefined;
  const text = ({ container, host, size }: IdRange): string => `${container}:${host}:${size}`;
  return { UidMap: namespace.idMap.uid.map(text), GidMap: namespace.idMap.gid.map(text) };
}

function securityTexts(security: ContainerView['record']['options']['security']): string[] {
  const seccomp = security?.seccomp;
  return [
    ...(security?.noNewPrivileges ? ['no-new-privileges'] : []),
    ...(seccomp?.kind === 'unconfined' ? ['seccomp=unconfined'] : []),
    ...(seccomp?.kind === 'file' ? [`seccomp=${seccomp.path}`] : []),
  ];
}

/** docker's texts: what was asked for, not what the image declares. */
function bindTexts(mounts: readonly MountRequest[] = []): string[] {
  return mounts.flatMap((mount) => {
    if (mount.type !== 'bind' && mount.type !== 'volume') return [];
    const source = mount.type === 'bind' ? mount.source : mount.name;
    return source === undefined ? [] : [`${source}:${mount.destination}:${mount.readonly ? 'ro' : 'rw'}`];
  });
}

function mountFields({ record }: ContainerView, store: Pick<VolumeStore, 'get'>): ContainerInspection[] {
  const volumes = record.volumes.map((use) => ({
    Type: 'volume',
    Name: use.name,
    Source: volumeSource(store, use.name),
    Destination: use.destination,
    Driver: 'local',
    ...mannerFields(use),
  }));
  const others = (record.options.mounts ?? []).flatMap((request) => otherMountFields(request));
  return [...volumes, ...others];
}

function volumeSource(store: Pick<VolumeStore, 'get'>, name: string): string {
  const volume = store.get(name);
  const backing = parseVolumeOptions(volume?.options);
  return backing.kind === 'bind' ? backing.device : (volume?.data ?? '');
}

function otherMountFields(request: MountRequest): ContainerInspection[] {
  const { destination: Destination } = request;
  switch (request.type) {
    case 'bind':
      return [{ Type: 'bind', Source: request.source, Destination, Driver: '', ...mannerFields(request) }];
    case 'image':
      return [
        { Type: 'image', Source: request.image, Destination, Driver: '', Mode: '', RW: !request.readonly },
      ];
    default:
      return [];
  }
}

function mannerFields(request: Extract<MountRequest, { type: 'bind' }> | VolumeUse): ContainerInspection {
  const { readonly, suid, dev, propagation = 'rprivate', relabel } = request;
  const depth = 'recursive' in request && !request.recursive ? 'bind' : 'rbind';
  return {
    Mode: relabel === undefined ? '' : relabel === 'shared' ? 'z' : 'Z',
    Options: [...(suid === true ? [] : ['nosuid']), ...(dev === true ? [] : ['nodev']), depth],
    RW: !readonly,
    Propagation: propagation,
  };
}

function portFields({ record }: Pick<ContainerView, 'record'>): Record<string, unknown> {
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const exposed of record.exposed) ports[exposed.includes('/') ? exposed : `${exposed}/tcp`] = null;
  for (const { protocol, hostAddress, hostPort, containerPort } of record.ports) {
    const key = `${containerPort}/${protocol}`;
    ports[key] = [...(ports[key] ?? []), { HostIp: hostAddress, HostPort: `${hostPort}` }];
  }
  return sorted(ports);
}

/** As Go writes maps. */
function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([one], [other]) => (one < other ? -1 : 1)));
}
