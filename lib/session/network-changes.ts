/** What changes the networks of containers that may run: put on them, taken off, told anew. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readAttachments, writeAttachments } from '../container/attachments.js';
import { bridgeWhileRunning, canBeOnMore, holdOf, runs } from '../container/bridge.js';
import { ContainerStore } from '../container/container-store.js';
import { connect } from '../container/lifecycle.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { hostInterfaces } from '../host/interfaces.js';
import { writeEvent } from '../native/journal.js';
import { type Attachment, addAttachments } from '../network/attachment.js';
import type { AttachmentRequest } from '../network/network-flags.js';
import type { NetworkRecord } from '../network/network-record.js';
import { NetworkStore } from '../network/network-store.js';
import { checkResolver } from '../network/plan-record.js';
import { usesOf } from './networks.js';
import type { AllStores, Session } from './session.js';

/** Servers, each `ADDRESS[#PORT]`. */
export type ResolverChange = { readonly add: readonly string[]; readonly drop: readonly string[] };

/** @throws NOT_FOUND for a network, or a server to be dropped that it does not have, USAGE for one that is none. */
export async function updateNetwork(
  session: Session,
  name: string,
  { add, drop }: ResolverChange,
): Promise<NetworkRecord> {
  const stores = await session.allStores();
  const changed = new NetworkStore(stores).update(name, (network) => {
    const missing = drop.find((server) => !network.resolvers.includes(server));
    if (missing !== undefined) {
      throw new CoracleError('NOT_FOUND', `update network ${network.name}: ${missing} is no server of it`);
    }
    const added = add.map((text) => checkResolver(network.name, text));
    const kept = network.resolvers.filter((server) => !drop.includes(server) && !added.includes(server));
    return { ...network, resolvers: [...kept, ...added] };
  });
  const users = usesOf(stores).filter(({ attachments }) =>
    attachments.some(({ network }) => network === changed.name),
  );
  for (const { view } of users) if (isActive(view)) await tell(stores, view);
  return changed;
}

/** Puts a container on one more network, also while it runs. @throws NOT_FOUND, CONFLICT */
export async function connectNetwork(
  session: Session,
  container: string,
  request: AttachmentRequest,
): Promise<void> {
  const { stores, view } = await bridged(session, container, 'connect');
  const before = readAttachments(view.directory);
  const after = addAttachments(new NetworkStore(stores), before, [request], interfacesOf(view));
  await change(stores, view, before, after);
  report(stores, 'connect', view, after.at(-1)?.network ?? request.network);
}

/** Takes a container off a network. @throws NOT_FOUND, CONFLICT */
export async function disconnectNetwork(session: Session, container: string, name: string): Promise<void> {
  const { stores, view } = await bridged(session, container, 'disconnect');
  const networks = new NetworkStore(stores);
  const network = networks.find(name)?.name ?? name;
  const before = readAttachments(view.directory);
  const after = before.filter((one) => one.network !== network);
  if (after.length === before.length) {
    throw new CoracleError('NOT_FOUND', `disconnect ${view.record.name}: it is not on network ${network}`);
  }
  if (
    view.record.network === 'bridge' &&
    before[0]?.network === network &&
    view.record.ports.length > 0 &&
    isActive(view)
  ) {
    throw new CoracleError(
      'CONFLICT',
      `disconnect ${view.record.name}: its published ports lead to network ${network}`,
      {
        hint: `coracle stop ${view.record.name} first`,
      },
    );
  }
  await change(stores, view, before, after);
  networks.locked(() => networks.leases(network, runs(stores)).release(view.record.id));
  report(stores, 'disconnect', view, network);
}

/** What a helper of the container's own may call its interface: as this host has them, or as it is told. */
function interfacesOf({ record: { network, options } }: ContainerView): readonly string[] {
  if (!canBeOnMore(network)) return [];
  return ['eth0', 'tap0', ...Object.keys(hostInterfaces()), ...(options.networkOptions ?? [])];
}

function report(
  stores: AllStores,
  status: 'connect' | 'disconnect',
  view: ContainerView,
  name: string,
): void {
  const id = new NetworkStore(stores).find(name)?.id;
  writeEvent(stores.paths, 'network', status, { id, name, attributes: { container: view.record.id } });
}

/** Has the networks of a running container set up again where something of them is missing. */
export async function reloadNetworks(session: Session, container: string): Promise<string> {
  const { stores, view } = await bridged(session, container, 'reload networks of');
  if (!isActive(view)) {
    throw new CoracleError('CONFLICT', `reload networks of ${view.record.name}: it does not run`);
  }
  await tell(stores, view);
  return view.record.id;
}

async function bridged(
  session: Session,
  container: string,
  verb: string,
): Promise<{ readonly stores: AllStores; readonly view: ContainerView }> {
  const stores = await session.allStores();
  const view = new ContainerStore(stores.paths).resolve(container);
  const { name, network } = view.record;
  if (network === 'bridge' || canBeOnMore(network)) return { stores, view };
  throw new CoracleError('CONFLICT', `${verb} ${name}: its network is ${network}`, {
    hint: 'containers made with --network NAME, pasta or slirp4netns can be on user-defined networks',
  });
}

/** A change that the holder of networks refuses is taken back. */
async function change(
  stores: AllStores,
  view: ContainerView,
  before: readonly Attachment[],
  after: readonly Attachment[],
): Promise<void> {
  writeAttachments(view.directory, after);
  // A plan that was kept knows nothing of it.
  rmSync(join(view.directory, 'prepared'), { force: true });
  if (!isActive(view)) return;
  try {
    await tell(stores, view);
  } catch (error) {
    writeAttachments(view.directory, before);
    await tell(stores, view).catch(() => undefined);
    throw error;
  }
}

async function tell(stores: AllStores, view: ContainerView): Promise<void> {
  bridgeWhileRunning(stores, view.record);
  const link = await connect(stores, view);
  if (link === undefined) return;
  try {
    await link.networks(holdOf(stores, view.record.id));
  } finally {
    link.close();
  }
}

/** After a change of its name others are to find it by the new one. */
export async function renamed(session: Session, name: string): Promise<void> {
  const stores = await session.allStores();
  const view = new ContainerStore(stores.paths).find(name);
  if (
    view !== undefined &&
    usesOf(stores).some((use) => use.view.record.id === view.record.id) &&
    isActive(view)
  )
    await tell(stores, view);
}
