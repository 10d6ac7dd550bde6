/** The mounts of a container: what every one has, what was asked for, in the order they are attached. Pure. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { Mount } from './mount.js';

/** Paths hidden from containers: they tell about or reach the host. */
export const maskedPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/dev/block',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  '/sys/fs/selinux',
];

/** Paths that containers may read but not write. */
export const readonlyPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** 64 MiB of /dev/shm, as everywhere else. */
export const defaultShmSize = 64 * 1024 * 1024;

const plain = ['nosuid', 'nodev', 'noexec'];

/** Where shared memory is: the container's own, the host's, that of the container whose ipc namespace is used, or nowhere. */
export type SharedMemory = 'own' | 'host' | 'neighbour' | 'none';

/** The file systems that every container has; `devices` is about /dev and /dev/shm. */
export function defaultMounts(
  shmSize = defaultShmSize,
  devices: 'rw' | 'ro' = 'rw',
  memory: SharedMemory = 'own',
  proc: readonly string[] = [],
): Mount[] {
  return [
    { type: 'proc', source: 'proc', destination: '/proc', options: [...plain, ...proc] },
    {
      type: 'dev',
      source: 'tmpfs',
      destination: '/dev',
      options: [devices, 'nosuid', 'mode=0755', 'size=65536'],
    },
    { type: 'devpts', source: 'devpts', destination: '/dev/pts', options: ['nosuid', 'noexec', 'gid=5'] },
    { type: 'mqueue', source: 'mqueue', destination: '/dev/mqueue', options: plain },
    ...sharedMemory(memory, shmSize, devices),
    { type: 'sysfs', source: 'sysfs', destination: '/sys', options: ['ro', ...plain] },
    { type: 'cgroup2', source: 'cgroup2', destination: '/sys/fs/cgroup', options: ['ro', ...plain] },
  ];
}

function sharedMemory(memory: SharedMemory, size: number, access: 'rw' | 'ro'): Mount[] {
  const destination = '/dev/shm';
  switch (memory) {
    case 'own':
      return [
        {
          type: 'tmpfs',
          source: 'shm',
          destination,
          options: [access, ...plain, 'mode=1777', `size=${size}`],
        },
      ];
    case 'host':
      return [{ type: 'bind', source: destination, destination, options: [access, 'rec', ...plain] }];
    case 'neighbour':
      return [{ type: 'neighbour', source: destination, destination, options: [access, ...plain] }];
    case 'none':
      return [];
  }
}

/** Writable places over a read-only root, unless something else is mounted there. */
export function readonlyRootMounts(): Mount[] {
  return ['/run', '/tmp', '/var/tmp'].map((destination) => ({
    type: 'tmpfs',
    source: 'tmpfs',
    destination,
    options: ['nosuid', 'nodev', 'copyup', destination === '/run' ? 'mode=0755' : 'mode=1777'],
  }));
}

/** A host file bound over a file of the container, made there if missing. */
export function bindFile(source: string, destination: string): Mount {
  return { type: 'bind', source, destination, options: ['rw', 'nosuid', 'nodev', 'create=file'] };
}

/** Puts requested mounts over the defaults: one at the same destination replaces it. */
export function combineMounts(defaults: readonly Mount[], requested: readonly Mount[]): Mount[] {
  const taken = new Set<string>();
  for (const { destination } of requested) {
    if (taken.has(destination)) {
      throw new CoracleError('USAGE', `mount ${destination}: two mounts have this destination`);
    }
    taken.add(destination);
  }
  return sortMounts([...defaults.filter(({ destination }) => !taken.has(destination)), ...requested]);
}

/** Parents before what lies below them, else in byte order of the path's components. */
export function sortMounts(mounts: readonly Mount[]): Mount[] {
  const key = ({ destination }: Mount): string => posix.normalize(destination).replaceAll('/', '\0');
  return [...mounts].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
