/** What a container's network is made of: the choice, the records of its plan, the texts of its files. */
import type { PlanRecord } from '../native/plan.js';

/** What leads out by IPv6 has addresses of this prefix: a unique local one (RFC 4193), which nobody else will have drawn. */
export const uplinkPrefix6 = 'fdc0:6f72:6163:6c65::';

/** How a container reaches the network. */
export type NetworkMode = 'none' | 'host' | 'pasta' | 'slirp4netns' | 'container' | 'bridge';

/** One published port, resolved: host side first. */
export type PortMapping = {
  readonly protocol: 'tcp' | 'udp';
  /** Empty text is never used: `0.0.0.0` for all IPv4 addresses, `::` for all IPv6 ones. */
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
};

/** One published port as asked for; without a host port a free one is chosen when the container is made. */
export type PortRequest = {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  readonly hostPort: number | undefined;
  readonly containerPort: number;
};

/** A line of /etc/hosts. */
export type HostEntry = { readonly name: string; readonly address: string };

/** The network of one container, decided. */
export type NetworkPlan = {
  readonly mode: NetworkMode;
  /** The container's own address; undefined for none and host. */
  readonly address: string | undefined;
  /** `net-helper` and `publish` records. */
  readonly records: readonly PlanRecord[];
  /** What does not work as one may expect, one sentence each. */
  readonly warnings: readonly string[];
  /** Texts of files; one that is undefined is not made here. */
  readonly files: {
    readonly resolvConf?: string | undefined;
    readonly hosts?: string | undefined;
    readonly hostname?: string | undefined;
  };
};
