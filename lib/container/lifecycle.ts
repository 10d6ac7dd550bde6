/** Stopping, killing, waiting for and removing containers. Their supervisors do the work and own the timers. */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoracleError } from '../errors.js';
import { SupervisorLink } from '../native/control.js';
import { parseJson } from '../oci/guards.js';
import { collectLeftovers, detachContainer } from './collect.js';
import { ContainerStore } from './container-store.js';
import { parseExit } from './records.js';
import { isRemoved } from './removed.js';
import { isHeld } from './state.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import type { ContainerView, ExitRecord } from './view.js';

export type StopOptions = {
  /** Number; the container's own otherwise. */
  readonly signal?: number | undefined;
  /** Seconds until SIGKILL; the container's own otherwise. */
  readonly timeout?: number | undefined;
};

/** Stops a container and waits for its end; one that does not run is stopped already. */
export async function stopContainer(
  stores: ContainerStores,
  view: ContainerView,
  options: StopOptions = {},
): Promise<void> {
  const link = await connect(stores, view);
  if (link === undefined) return;
  const timeoutMs = options.timeout === undefined ? undefined : options.timeout * 1000;
  await unlessEnded(link.stop(options.signal, timeoutMs));
  await link.ended();
  link.close();
}

/** Sends a signal (default SIGKILL) to a container's first process. @throws CONFLICT when it does not run. */
export async function killContainer(stores: ContainerStores, view: ContainerView, signal = 9): Promise<void> {
  const link = await connect(stores, view);
  if (link === undefined) throw notRunning(stores, 'kill', view);
  await link.signal(signal);
  link.close();
}

/** Waits until a container does not run and returns how it ended; undefined for one that never ran. */
export async function waitContainer(
  stores: ContainerStores,
  view: ContainerView,
): Promise<ExitRecord | undefined> {
  const link = await connect(stores, view);
  const text = await link?.ended();
  if (text !== undefined) return parseExit(parseJson(text, `exit of ${view.record.name}`), 'exit record');
  return new ContainerStore(stores.paths).get(view.record.id)?.exit ?? view.exit;
}

export type RemoveOptions = {
  /** Kill it first if it runs. */
  readonly force?: boolean | undefined;
  /** Its anonymous volumes too. */
  readonly volumes?: boolean | undefined;
};

/**
 * Removes a container with its files.
 * @throws IN_USE when it runs and `force` is not set.
 */
export async function removeContainer(
  stores: ContainerStores,
  view: ContainerView,
  options: RemoveOptions = {},
): Promise<void> {
  if (!options.force) await refuseGuests(stores, view);
  for (const path of await detachStopped(stores, view, options)) await stores.removeTree(path);
  await collectLeftovers(stores);
}

/** Milliseconds: somebody else removes it, which is over soon, or starts it again between its end and our claim. */
const claimPatience = 10_000;

async function detachStopped(
  stores: ContainerStores,
  view: ContainerView,
  { force = false, volumes = view.record.autoRemove }: RemoveOptions,
): Promise<readonly string[]> {
  const { name } = view.record;
  for (const deadline = Date.now() + claimPatience; Date.now() < deadline; await sleep(10)) {
    if (isHeld(view.directory) && !isRemoved(view.directory)) {
      if (!force) {
        throw new CoracleError('IN_USE', `remove container ${name}: it is running`, {
          hint: `coracle stop ${name} first, or coracle rm -f ${name}`,
        });
      }
      await stopContainer(stores, view, { signal: 9, timeout: 0 });
    }
    const trashed = detachContainer(stores, view.record, { volumes });
    if (trashed !== undefined) return trashed;
  }
  throw new CoracleError('IN_USE', `remove container ${name}: others start it again and again`, {
    hint: 'try again',
  });
}

async function refuseGuests(stores: ContainerStores, { record }: ContainerView): Promise<void> {
  const { networkGuests } = await import('./network-container.js');
  const { namespaceGuests } = await import('./shared-namespaces.js');
  const ofNetwork = networkGuests(stores, record.id);
  const guests = ofNetwork.length > 0 ? ofNetwork : namespaceGuests(stores, record.id);
  if (guests.length === 0) return;
  const what = ofNetwork.length > 0 ? 'its network is' : 'its namespaces are';
  throw new CoracleError('IN_USE', `remove container ${record.name}: ${what} used by ${guests.join(', ')}`, {
    hint: `coracle rm ${guests.join(' ')} first, or coracle rm -f ${record.name}`,
  });
}

/** With the state as it is by now. */
export function notRunning(
  { paths }: Pick<ContainerStores, 'paths'>,
  verb: string,
  { record }: ContainerView,
): CoracleError {
  const status = new ContainerStore(paths).get(record.id)?.status ?? 'removed';
  const shown = status === 'running' || status === 'starting' ? 'started meanwhile' : status;
  return new CoracleError('CONFLICT', `${verb} container ${record.name}: it is not running (${shown})`);
}

/** How long a supervisor may hold its lock without listening: it starts, or it ends. */
const patience = { attempts: 200, milliseconds: 25 } as const;

/** A link to the supervisor; undefined when there is none. */
export async function connect(
  stores: ContainerStores,
  view: ContainerView,
): Promise<SupervisorLink | undefined> {
  const { socket } = containerPlaces(stores, view.record.id);
  for (let attempt = 0; isHeld(view.directory); attempt++) {
    const link = await SupervisorLink.open(socket, view.record.name);
    if (link !== undefined) return link;
    if (attempt >= patience.attempts) throw unreachable(view, socket);
    await sleep(patience.milliseconds);
  }
  return undefined;
}

function unreachable(view: ContainerView, socket: string): CoracleError {
  const reason = existsSync(socket) ? 'its supervisor does not answer' : `its socket ${socket} is gone`;
  const pid = view.live?.supervisor;
  return new CoracleError('IO', `control container ${view.record.name}: ${reason}`, {
    hint: pid === undefined ? 'try again' : `kill -TERM ${pid} asks the supervisor to stop it`,
  });
}

/** A stop that comes too late has done its work. */
async function unlessEnded(request: Promise<void>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof CoracleError && error.code === 'CONFLICT')) throw error;
  }
}
