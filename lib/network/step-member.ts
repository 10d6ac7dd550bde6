/** A step of a build, or a command in a working container, on user-defined networks. */
import { relative } from 'node:path';
import { randomHex } from '../host/random.js';
import { addAttachments } from './attachment.js';
import type { NetworkFacts } from './host-facts.js';
import { arrangeMember, type MemberStores, memberPlan } from './members.js';
import type { DnsChoice } from './name-files.js';
import type { AttachmentRequest } from './network-flags.js';
import type { HostEntry, NetworkPlan } from './network-plan.js';
import { NetworkStore } from './network-store.js';

export type StepMember = {
  readonly hostname: string;
  /** Its directory in the store: what it has on networks it has for as long as that is there. */
  readonly directory: string;
  readonly dns: DnsChoice;
  readonly extraHosts: readonly HostEntry[];
  readonly networks: readonly AttachmentRequest[];
};

/** Nobody finds it by a name. @throws NOT_FOUND, USAGE, CONFLICT */
export function joinForStep(stores: MemberStores, step: StepMember, facts: NetworkFacts): NetworkPlan {
  const { networks, directory, ...rest } = step;
  const member = {
    ...rest,
    ...{ id: randomHex(32), name: '', directory, hostsBase: undefined },
    owner: relative(stores.paths.root, directory),
  };
  const attachments = addAttachments(new NetworkStore(stores), [], networks);
  const arranged = arrangeMember(stores, member, attachments, { facts, runs: () => true });
  return memberPlan(stores, arranged, { directory, ports: [], facts });
}

/** Says at once that a network is not there. @throws NOT_FOUND, USAGE */
export function requireNetworks(
  stores: Pick<MemberStores, 'paths' | 'locks'>,
  networks: readonly AttachmentRequest[],
): void {
  const store = new NetworkStore(stores);
  for (const { network } of networks) store.resolve(network);
}
