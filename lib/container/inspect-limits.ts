/** Limits and cgroups in the words of `docker inspect` and `podman inspect`. Pure. */
import type { DeviceLimit } from '../sandbox/limits.js';
import type { RunOptions } from './run-options.js';

type Fields = Readonly<Record<string, unknown>>;

/** docker's names and units; 0 where nothing was asked for. */
export function limitFields({ limits = {}, cgroup = {} }: RunOptions): Fields {
  return {
    Memory: limits.memory ?? 0,
    MemoryReservation: limits['memory-reservation'] ?? 0,
    MemorySwap: limits['memory-swap'] ?? 0,
    NanoCpus: Math.round((limits.cpus ?? 0) * 1e9),
    CpuShares: limits['cpu-shares'] ?? 0,
    CpuPeriod: limits['cpu-period'] ?? 0,
    CpuQuota: limits['cpu-quota'] ?? 0,
    CpusetCpus: limits['cpuset-cpus'] ?? '',
    CpusetMems: limits['cpuset-mems'] ?? '',
    PidsLimit: limits['pids-limit'] ?? 0,
    BlkioWeight: limits['blkio-weight'] ?? 0,
    BlkioWeightDevice: deviceFields(limits['blkio-weight-device'], 'Weight'),
    BlkioDeviceReadBps: deviceFields(limits['device-read-bps'], 'Rate'),
    BlkioDeviceWriteBps: deviceFields(limits['device-write-bps'], 'Rate'),
    BlkioDeviceReadIOps: deviceFields(limits['device-read-iops'], 'Rate'),
    BlkioDeviceWriteIOps: deviceFields(limits['device-write-iops'], 'Rate'),
    Cgroups: cgroup.mode ?? 'default',
    CgroupParent: cgroup.parent ?? '',
    CgroupConf: limits['cgroup-conf'] ?? null,
  };
}

function deviceFields(limits: readonly DeviceLimit[] = [], name: 'Rate' | 'Weight'): readonly Fields[] {
  return limits.map(({ device, value }) => ({ Path: device, [name]: value }));
}

/** Below the mount of the hierarchy; empty without a cgroup of its own. */
export function cgroupPath(directory: string | undefined): string {
  return (directory ?? '').replace(/^\/sys\/fs\/cgroup(?:\/unified(?=\/))?/, '');
}
