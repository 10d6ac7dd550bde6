/**
 * Container names. A name is reserved by a symbolic link `containers/.names/<name>` whose target tells the
 * container and the process that made it: one system call, so nobody ever sees half a reservation.
 */
import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { bootId, isAlive, startTicks } from '../host/process.js';
import { randomBytes } from '../host/random.js';
import { hasContainerRecord } from './records.js';

/** Who holds a name. */
export type Reservation = { readonly name: string; readonly id: string; readonly makerAlive: boolean };

/** Checks a name that a person gave. @throws USAGE */
export function checkName(name: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw new CoracleError('USAGE', `name container "${name}": not a container name`, {
    hint: 'up to 128 letters, digits, _, . and -, the first a letter or digit',
  });
}

/**
 * Takes a name for a container, a generated one when `name` is undefined.
 * @throws CONFLICT saying which container has it.
 */
export function reserveName(paths: StorePaths, id: string, name: string | undefined): string {
  const target = `${id}:${process.pid}:${startTicks(process.pid) ?? 0}:${bootId()}`;
  if (name !== undefined) {
    if (link(paths, checkName(name), target) || takeLeftover(paths, name, target)) return name;
    const holder = readReservation(paths, name)?.id.slice(0, 12) ?? 'another container';
    throw new CoracleError('CONFLICT', `name container ${name}: the name is used by ${holder}`, {
      hint: `remove it with coracle rm ${name}, or choose another --name`,
    });
  }
  for (let attempt = 0; ; attempt++) {
    const generated = generateName(attempt);
    if (link(paths, generated, target)) return generated;
  }
}

/** A name whose container was never finished and whose maker is dead is free. */
function takeLeftover(paths: StorePaths, name: string, target: string): boolean {
  const holder = readReservation(paths, name);
  if (holder === undefined) return link(paths, name, target);
  if (holder.makerAlive || hasContainerRecord(`${paths.containers}/${holder.id}`)) return false;
  releaseName(paths, name, holder.id);
  return link(paths, name, target);
}

/** Gives a name back if that container has it. */
export function releaseName(paths: StorePaths, name: string, id: string): void {
  if (readReservation(paths, name)?.id !== id) return;
  try {
    unlinkSync(`${paths.names}/${name}`);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw ioError(`release name ${name}`, error);
  }
}

/** Who holds the name; undefined when it is free. */
export function readReservation(paths: StorePaths, name: string): Reservation | undefined {
  try {
    const [id = '', pid, start, boot] = readlinkSync(`${paths.names}/${name}`).split(':');
    return {
      name,
      id,
      // Looked at when somebody asks, which is seldom.
      get makerAlive() {
        return boot === bootId() && isAlive(Number(pid), Number(start));
      },
    };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL', 'ENOTDIR')) return undefined;
    throw ioError(`read name ${name}`, error);
  }
}

/** All reservations. */
export function listReservations(paths: StorePaths): readonly Reservation[] {
  return namesIn(paths.names)
    .map((name) => readReservation(paths, name))
    .filter((reservation) => reservation !== undefined);
}

function link(paths: StorePaths, name: string, target: string): boolean {
  try {
    ensureDirectory(paths.names);
    symlinkSync(target, `${paths.names}/${name}`);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw ioError(`reserve name ${name}`, error);
  }
}

function generateName(attempt: number): string {
  const bytes = randomBytes(4);
  const adjective = adjectives[bytes.readUInt16LE(0) % adjectives.length] ?? 'calm';
  const noun = nouns[bytes.readUInt16LE(2) % nouns.length] ?? 'coracle';
  return attempt < 8 ? `${adjective}_${noun}` : `${adjective}_${noun}_${attempt}`;
}

const adjectives =
  `able airy amber ample apt brave bright brisk calm candid careful cheery civil clear clever cosy curious
  dapper deft eager early easy fair fine fleet fond frank fresh gentle glad golden good grand handy happy hardy hearty
  honest humble jolly keen kind lively loyal lucid lucky mellow merry mild neat nimble noble patient placid plucky
  proud quick quiet ready robust sage serene sharp silver sincere smart snug sober sound spry stable steady stout
  sturdy sunny swift tender tidy trim trusty upbeat vivid warm wise witty`.split(/\s+/);

const nouns =
  `anchor atoll barge bay beacon bilge boat bollard boom bow brig buoy canal canoe cape cargo clipper coast
  compass cove creek current cutter delta dinghy dock drift dune eddy estuary ferry fjord fleet foam galley gull
  gunwale harbour haven heron hull inlet island isthmus jetty kayak keel kelp ketch lagoon lake lantern lighthouse
  lock lugger mast mooring narrows oar otter paddle pebble pelican pier pilot pontoon port prow punt quay raft rapids
  reach reed reef rigging ripple river rudder sail schooner seal shoal shore skiff sloop sound spar spray stern stream
  surf swell tender thwart tide tiller towpath trawler tug wake wave weir wharf willow yawl`.split(/\s+/);
