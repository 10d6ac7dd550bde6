/** A pod in the words of `podman pod inspect`. */
import type { PodView } from '../lib/index.js';

/** What its containers together may use; only what was asked for. */
function limitFields({ record, live }: PodView['holder']): Record<string, unknown> {
  const { limits = {}, cgroup } = record.options;
  const period = limits['cpu-period'] ?? (limits.cpus === undefined ? undefined : usualPeriod);
  return {
    CgroupParent: cgroup?.parent,
    CgroupPath: live?.cgroup,
    cpu_period: period,
    cpu_quota:
      limits['cpu-quota'] ??
      (limits.cpus === undefined ? undefined : Math.round(limits.cpus * (period ?? 0))),
    cpu_shares: limits['cpu-shares'],
    cpuset_cpus: limits['cpuset-cpus'],
    cpuset_mems: limits['cpuset-mems'],
    memory_limit: limits.memory,
    memory_swap: limits['memory-swap'],
    blkio_weight: limits['blkio-weight'],
  };
}

const usualPeriod = 100_000;

/** The JSON document. */
export function podDocument({
  id,
  name,
  holder,
  members,
  status,
  share,
  exitPolicy,
}: PodView): Record<string, unknown> {
  const { record } = holder;
  return {
    Id: id,
    Name: name,
    Created: record.created,
    State: status,
    Hostname: record.hostname,
    Labels: record.labels,
    CreateInfra: true,
    InfraContainerID: id,
    InfraConfig: {
      NetworkMode: record.network,
      PortBindings: Object.fromEntries(
        record.ports.map(({ protocol, hostAddress, hostPort, containerPort }) => [
          `${containerPort}/${protocol}`,
          [{ HostIp: hostAddress, HostPort: `${hostPort}` }],
        ]),
      ),
      userns: record.options.userns?.mode ?? '',
    },
    SharedNamespaces: share,
    ...limitFields(holder),
    ExitPolicy: exitPolicy,
    NumContainers: members.length + 1,
    Containers: [holder, ...members].map((view) => ({
      Id: view.record.id,
      Name: view.record.name,
      State: view.status,
    })),
  };
}
