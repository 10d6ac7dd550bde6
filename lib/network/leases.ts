/**
 * Who has which address of a network: a link `networks/<name>/leases/<address>` to the id of a container, or, for a step of a
 * build, to its directory in the store. Links appear whole or not at all; one whose owner is gone is nobody's. All changes are made under the lock of the networks.
 */

import { existsSync, lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { containerRooms } from '../host/using-roots.js';
import { candidates, whyNot } from './allot.js';
import type { NetworkSubnet } from './network-record.js';

/** What is asked for: an address, or the one it had before, or any. */
export type LeaseRequest = {
  readonly container: string;
  readonly wanted?: string | undefined;
  readonly before?: string | undefined;
};

/** How long an address is its container's though it does not run: it may be about to. */
const freshMs = 60_000;

export class Leases {
  readonly #paths: StorePaths;
  readonly #network: string;
  readonly #directory: string;
  /** Whether a container of this id runs. */
  readonly #runs: (id: string) => boolean;

  constructor(paths: StorePaths, network: string, runs: (id: string) => boolean) {
    this.#paths = paths;
    this.#network = network;
    this.#directory = join(paths.networks, network, 'leases');
    this.#runs = runs;
  }

  /**
   * An address of the subnet for a container.
   * @throws CONFLICT when the one it wants is another's or none is left, USAGE when it cannot have it.
   */
  take(subnet: NetworkSubnet, { container, wanted, before }: LeaseRequest): string {
    ensureDirectory(this.#directory);
    if (wanted !== undefined) return this.#takeWanted(subnet, wanted, container);
    const usable = before !== undefined && whyNot(subnet, before) === undefined;
    if (before !== undefined && usable && this.#tryTake(before, container)) return before;
    for (const address of candidates(subnet)) if (this.#tryTake(address, container)) return address;
    for (const address of candidates(subnet)) if (this.#takeIdle(address, container)) return address;
    throw new CoracleError(
      'CONFLICT',
      `allot address on network ${this.#network}: none of ${subnet.subnet} is left`,
      {
        hint: 'remove containers, or make a network with a larger --subnet',
      },
    );
  }

  /** Gives back what a container has. */
  release(container: string): void {
    for (const [address, owner] of this.list()) {
      if (owner === container) rmSync(join(this.#directory, address), { force: true });
    }
  }

  /** Addresses and the ids of those who have them. What is nobody's is removed. */
  list(): ReadonlyMap<string, string> {
    const all = new Map<string, string>();
    for (const address of namesIn(this.#directory)) {
      const owner = this.#owner(address);
      if (owner !== undefined) all.set(address, owner);
    }
    return all;
  }

  #takeWanted(subnet: NetworkSubnet, wanted: string, container: string): string {
    const reason = whyNot(subnet, wanted);
    if (reason !== undefined) {
      throw new CoracleError('USAGE', `use address ${wanted} on network ${this.#network}: ${reason}`);
    }
    if (this.#tryTake(wanted, container) || this.#takeIdle(wanted, container)) return wanted;
    const owner = this.#owner(wanted)?.slice(0, 12);
    throw new CoracleError(
      'CONFLICT',
      `use address ${wanted} on network ${this.#network}: container ${owner} has it`,
    );
  }

  #tryTake(address: string, container: string): boolean {
    const owner = this.#owner(address);
    if (owner !== undefined) return owner === container;
    try {
      symlinkSync(container, join(this.#directory, address));
      return true;
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) return false;
      throw ioError(`write lease ${address}`, error);
    }
  }

  /** From a container that does not run: it gets another one when it starts. */
  #takeIdle(address: string, container: string): boolean {
    const path = join(this.#directory, address);
    const owner = this.#owner(address);
    if (owner === undefined) return this.#tryTake(address, container);
    const since = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (!isContainer(owner) || this.#runs(owner) || Date.now() - since < freshMs) return false;
    rmSync(path, { force: true });
    return this.#tryTake(address, container);
  }

  /** Undefined when nobody has it; what a removed container left is cleared away. */
  #owner(address: string): string | undefined {
    const path = join(this.#directory, address);
    const owner = readLink(path);
    if (owner === undefined) return undefined;
    const rooms = isContainer(owner) ? containerRooms(this.#paths) : [this.#paths.root];
    if (rooms.some((room) => existsSync(join(room, owner)))) return owner;
    rmSync(path, { force: true });
    return undefined;
  }
}

function isContainer(owner: string): boolean {
  return /^[0-9a-f]{64}$/.test(owner);
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL')) return undefined;
    throw ioError(`read lease ${path}`, error);
  }
}
