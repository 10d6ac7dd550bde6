/** `--network container:NAME`: the network of a container that runs. */
import { CoracleError } from '../errors.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { ContainerStore } from './container-store.js';
import type { ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';
import { isHeld } from './state.js';
import { type ContainerStores, containerPlaces } from './stores.js';

/**
 * The container whose network namespace is meant: itself on the network of another one, that one is.
 * @throws NOT_FOUND, and USAGE for what makes no sense with a network that others have set up.
 */
export function networkOwner(
  { paths }: Pick<ContainerStores, 'paths'>,
  name: string,
  options: RunOptions,
): ContainerRecord {
  refuseOwnSettings(name, options);
  const containers = new ContainerStore(paths);
  const { record } = containers.resolve(name);
  if (record.networkContainer === undefined) return record;
  return containers.resolve(record.networkContainer).record;
}

function refuseOwnSettings(name: string, options: RunOptions): void {
  const given = [
    (options.publish ?? []).length > 0 ? '--publish' : [],
    (options.dns ?? []).length + (options.dnsSearch ?? []).length + (options.dnsOptions ?? []).length > 0
      ? '--dns'
      : [],
    (options.extraHosts ?? []).length > 0 ? '--add-host' : [],
    options.hostsFile === undefined ? [] : '--hosts-file',
    Object.keys(options.sysctls ?? {}).some((key) => key.startsWith('net.')) ? '--sysctl net.*' : [],
  ].flat();
  if (given.length === 0) return;
  throw new CoracleError('USAGE', `use ${given[0]}: not possible with --network container:${name}`, {
    hint: `give it to ${name}, whose network it is`,
  });
}

/**
 * The plan's part of a container on the network of another.
 * @throws CONFLICT when that one does not run.
 */
export function networkOfContainer(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  owner: string,
  { name, hostname }: { readonly name: string; readonly hostname: string },
): NetworkPlan {
  const view = new ContainerStore(stores.paths).get(owner);
  const places = containerPlaces(stores, owner);
  if (view === undefined || !isHeld(places.directory)) {
    const other = view?.record.name ?? owner.slice(0, 12);
    const reason = view === undefined ? 'is gone' : 'does not run';
    throw new CoracleError(
      'CONFLICT',
      `start container ${name}: ${other}, whose network it uses, ${reason}`,
      {
        hint: view === undefined ? 'remove it and make it again' : `coracle start ${other}`,
      },
    );
  }
  return {
    mode: 'container',
    address: undefined,
    records: [['net-of', places.socket]],
    warnings: [],
    files: { hostname: `${hostname}\n` },
  };
}

/** Names of the containers that are on the network of this one. */
export function networkGuests({ paths }: Pick<ContainerStores, 'paths'>, id: string): readonly string[] {
  const views = new ContainerStore(paths).list();
  return views.flatMap(({ record }) => (record.networkContainer === id ? [record.name] : []));
}
