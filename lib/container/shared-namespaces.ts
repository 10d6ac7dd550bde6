/** `--pid container:NAME` and the like: namespaces of containers that run. */
import { hostname as hostHostname } from 'node:os';
import { CoracleError } from '../errors.js';
import type { JoinedNamespace } from '../sandbox/launch-spec.js';
import { ContainerStore } from './container-store.js';
import type { NamespaceChoices, NamespaceKind } from './namespace-flags.js';
import type { ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';
import { isHeld } from './state.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import type { ContainerView } from './view.js';

/** The ids of containers whose namespaces are used. */
export type SharedNamespaces = Partial<Readonly<Record<NamespaceKind, string>>>;

/** What the choice comes to: a container that has the host's namespace lends the host's. */
export type ResolvedNamespaces = {
  readonly choices: NamespaceChoices;
  readonly shared: SharedNamespaces;
  /** The host name that comes with the namespace. */
  readonly hostname?: string | undefined;
};

/**
 * Looks up the containers whose namespaces are asked for.
 * @throws NOT_FOUND, CONFLICT for one that does not lend its ipc namespace, USAGE for settings that are not ours then.
 */
export function resolveNamespaces(
  { paths }: Pick<ContainerStores, 'paths'>,
  asked: NamespaceChoices,
  options: RunOptions,
): ResolvedNamespaces {
  const containers = new ContainerStore(paths);
  let { choices, shared }: ResolvedNamespaces = { choices: asked, shared: {} };
  let hostname = asked.uts?.mode === 'host' ? hostHostname() : undefined;
  for (const kind of ['pid', 'ipc', 'uts', 'cgroup'] as const) {
    const choice = asked[kind];
    if (choice?.mode !== 'container') continue;
    const { record } = containers.resolve(choice.container);
    const theirs = record.options.namespaces?.[kind]?.mode;
    if (kind === 'ipc' && (theirs === 'private' || theirs === 'none')) throw notLent(record, theirs);
    if (kind === 'uts') ({ hostname } = record);
    if (theirs === 'host') choices = { ...choices, [kind]: { mode: 'host' } };
    else shared = { ...shared, [kind]: record.id };
  }
  if (hostname !== undefined && options.hostname !== undefined) {
    throw new CoracleError('USAGE', 'use --hostname and --uts: only one of them at a time', {
      hint: 'the host name is that of the namespace',
    });
  }
  return { choices, shared, hostname };
}

function notLent({ name }: ContainerRecord, mode: string): CoracleError {
  return new CoracleError('CONFLICT', `use --ipc container:${name}: its ipc namespace is ${mode}`, {
    hint: `make ${name} with --ipc shareable`,
  });
}

/**
 * Where the namespaces of a start come from.
 * @throws CONFLICT when one of the containers does not run.
 */
export function joinedNamespaces(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  { name, sharedNamespaces = {} }: ContainerRecord,
): readonly JoinedNamespace[] {
  return Object.entries(sharedNamespaces).map(([kind, id]) => {
    const view = lender(stores, name, id, `whose ${kind} namespace it uses`);
    const pid = view.live?.pid;
    const path = pid === undefined ? undefined : `/proc/${pid}/ns/${kind}`;
    return { namespace: kind as NamespaceKind, socket: containerPlaces(stores, id).socket, path };
  });
}

/** The socket of the container whose user namespace is used. @throws CONFLICT when it does not run. */
export function joinedUser(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  { name, userContainer }: ContainerRecord,
): string | undefined {
  if (userContainer === undefined) return undefined;
  lender(stores, name, userContainer, 'whose user namespace it uses');
  return containerPlaces(stores, userContainer).socket;
}

function lender(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  name: string,
  id: string,
  what: string,
): ContainerView {
  const view = new ContainerStore(stores.paths).get(id);
  if (view !== undefined && isHeld(containerPlaces(stores, id).directory)) return view;
  const other = view?.record.name ?? id.slice(0, 12);
  const state = view === undefined ? 'is gone' : 'does not run';
  throw new CoracleError('CONFLICT', `start container ${name}: ${other}, ${what}, ${state}`, {
    hint: view === undefined ? 'remove it and make it again' : `coracle start ${other}`,
  });
}

/** Names of the containers that use a namespace of this one. */
export function namespaceGuests({ paths }: Pick<ContainerStores, 'paths'>, id: string): readonly string[] {
  return new ContainerStore(paths)
    .list()
    .filter(({ record }) => usesOf(record).includes(id))
    .map(({ record }) => record.name);
}

function usesOf({ sharedNamespaces = {}, userContainer }: ContainerRecord): readonly (string | undefined)[] {
  return [...Object.values(sharedNamespaces), userContainer];
}
