/** A config.json to begin with, and what this runtime can do. */
import { detectIdMap, type IdRange } from '../host/id-map.js';
import { hookKinds } from '../oci/bundle-hooks.js';
import type { RuntimeConfig, RuntimeIdMapping, RuntimeNamespaceType } from '../oci/runtime-config.js';
import { runtimeSpecVersion } from '../oci/runtime-config.js';
import { allCapabilities, capabilityName } from '../sandbox/capabilities.js';

const granted = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];

/** What runc's spec makes; `rootless` with a user namespace of all ids that this user may map. */
export function exampleConfig(rootless: boolean): RuntimeConfig {
  const map = rootless ? detectIdMap() : undefined;
  const namespaces: RuntimeNamespaceType[] = ['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'];
  return {
    ociVersion: runtimeSpecVersion,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: {
        bounding: granted,
        effective: granted,
        permitted: granted,
        inheritable: [],
        ambient: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'coracle',
    mounts: exampleMounts(map === undefined || map.how !== 'single'),
    linux: {
      ...(map === undefined ? {} : { uidMappings: ranges(map.uid), gidMappings: ranges(map.gid) }),
      namespaces: [...namespaces, ...(rootless ? (['user'] as const) : [])].map((type) => ({ type })),
      maskedPaths: 'acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi'
        .split(' ')
        .map((name) => `/proc/${name}`)
        .concat('/sys/firmware'),
      readonlyPaths: 'bus fs irq sys sysrq-trigger'.split(' ').map((name) => `/proc/${name}`),
    },
  };
}

function ranges(map: readonly IdRange[]): readonly RuntimeIdMapping[] {
  return map.map(({ container, host, size }) => ({ containerID: container, hostID: host, size }));
}

function exampleMounts(groups: boolean): RuntimeConfig['mounts'] {
  const row = (destination: string, type: string, ...options: string[]) => ({
    destination,
    type,
    source: type,
    options,
  });
  return [
    row('/proc', 'proc'),
    row('/dev', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
    row(
      '/dev/pts',
      'devpts',
      'nosuid',
      'noexec',
      'newinstance',
      'ptmxmode=0666',
      'mode=0620',
      ...(groups ? ['gid=5'] : []),
    ),
    row('/dev/shm', 'tmpfs', 'nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'),
    row('/dev/mqueue', 'mqueue', 'nosuid', 'noexec', 'nodev'),
    row('/sys', 'sysfs', 'nosuid', 'noexec', 'nodev', 'ro'),
    row('/sys/fs/cgroup', 'cgroup', 'nosuid', 'noexec', 'nodev', 'relatime', 'ro'),
  ];
}

/** https://github.com/opencontainers/runtime-spec/blob/main/features.md */
export function runtimeFeatures(): object {
  const off = { enabled: false };
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: runtimeSpecVersion,
    hooks: hookKinds,
    mountOptions:
      'async atime bind defaults dev diratime exec newinstance noatime nodev nodiratime noexec nosuid private rbind relatime ro rprivate rro rw strictatime suid tmpcopyup'.split(
        ' ',
      ),
    linux: {
      namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'],
      capabilities: allCapabilities().map(capabilityName),
      cgroup: { v1: false, v2: true, systemd: true, systemdUser: true, rdma: false },
      seccomp: {
        enabled: true,
        actions: ['ALLOW', 'ERRNO', 'KILL', 'KILL_PROCESS', 'KILL_THREAD', 'LOG', 'TRACE', 'TRAP'].map(
          (name) => `SCMP_ACT_${name}`,
        ),
        operators: ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`),
        archs: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_AARCH64'],
        knownFlags: [],
        supportedFlags: [],
      },
      apparmor: off,
      selinux: off,
      intelRdt: off,
      mountExtensions: { idmap: off },
    },
  };
}
