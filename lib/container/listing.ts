/** Containers as `ps` shows them. Pure. */
import type { PortMapping } from '../network/network-plan.js';
import type { RestartPolicy } from '../sandbox/launch-spec.js';
import { humanDuration, since } from './ages.js';
import type { ContainerStatus, ContainerView } from './view.js';

/** One line of `ps`. */
export type ContainerSummary = {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly command: readonly string[];
  /** RFC 3339. */
  readonly created: string;
  /** `3 minutes ago`. */
  readonly createdAgo: string;
  readonly state: ContainerStatus;
  /** `Up 3 minutes`, `Exited (0) 2 hours ago`, `Created`. */
  readonly status: string;
  /** `0.0.0.0:8080->80/tcp`. */
  readonly ports: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly exitCode: number | undefined;
  /** Of a running container with a health check. */
  readonly health: string | undefined;
  readonly pid: number | undefined;
  /** The pod it is in. */
  readonly pod?: { readonly id: string; readonly name: string } | undefined;
  readonly restartPolicy: RestartPolicy['name'];
  /** `system start` starts it when it does not run. */
  readonly startsOnBoot: boolean;
};

export function summarizeContainer(view: ContainerView, now = Date.now()): ContainerSummary {
  const { record, status, exit, live } = view;
  return {
    id: record.id,
    name: record.name,
    image: record.imageReference ?? record.imageId.slice(0, 12),
    imageId: record.imageId,
    command: record.process.args,
    created: record.created,
    createdAgo: `${humanDuration(since(record.created, now))} ago`,
    state: status,
    status: statusText(view, now),
    ports: portsText(record.ports),
    labels: record.labels,
    exitCode: exit?.code,
    health: view.health?.status,
    pid: live?.pid,
    restartPolicy: record.options.restart?.name ?? 'no',
    startsOnBoot: startsOnBoot(view),
  };
}

/** docker's rule: what has run, always, or unless a command ended it. */
export function startsOnBoot({ record, status, exit }: ContainerView): boolean {
  if (status === 'created' || status === 'dead') return false;
  const policy = record.options.restart?.name;
  return policy === 'always' || (policy === 'unless-stopped' && exit?.stopped !== true);
}

/** The status column. */
export function statusText({ status, live, exit, health }: ContainerView, now: number): string {
  switch (status) {
    case 'created':
      return 'Created';
    case 'starting':
      return 'Starting';
    case 'running':
      return `Up ${humanDuration(since(live?.started ?? '', now))}${healthText(health)}`;
    case 'paused':
      return `Up ${humanDuration(since(live?.started ?? '', now))} (Paused)`;
    case 'dead':
      return 'Dead';
    case 'exited':
      return `Exited (${exit?.code ?? 0}) ${humanDuration(since(exit?.finished ?? '', now))} ago`;
  }
}

function healthText(health: ContainerView['health']): string {
  if (health === undefined) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

/** The ports column; neighbours with the same offset become ranges. */
export function portsText(ports: readonly PortMapping[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.protocol.localeCompare(b.protocol) ||
      a.hostAddress.localeCompare(b.hostAddress) ||
      a.containerPort - b.containerPort ||
      a.hostPort - b.hostPort,
  );
  const ranges: { first: PortMapping; last: PortMapping }[] = [];
  for (const port of sorted) {
    const range = ranges.at(-1);
    if (range !== undefined && follows(range.last, port)) range.last = port;
    else ranges.push({ first: port, last: port });
  }
  return ranges.map(({ first, last }) => rangeText(first, last)).join(', ');
}

function follows(before: PortMapping, next: PortMapping): boolean {
  return (
    before.protocol === next.protocol &&
    before.hostAddress === next.hostAddress &&
    before.hostPort + 1 === next.hostPort &&
    before.containerPort + 1 === next.containerPort
  );
}

function rangeText(first: PortMapping, last: PortMapping): string {
  const range = (from: number, to: number): string => (from === to ? `${from}` : `${from}-${to}`);
  const address = first.hostAddress.includes(':') ? `[${first.hostAddress}]` : first.hostAddress;
  const host = range(first.hostPort, last.hostPort);
  return `${address}:${host}->${range(first.containerPort, last.containerPort)}/${first.protocol}`;
}
