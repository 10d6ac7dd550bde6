/** A pod in the words of `podman pod inspect`. */
import type { PodView } from '../lib/index.js';

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
    ExitPolicy: exitPolicy,
    NumContainers: members.length + 1,
    Containers: [holder, ...members].map((view) => ({
      Id: view.record.id,
      Name: view.record.name,
      State: view.status,
    })),
  };
}
