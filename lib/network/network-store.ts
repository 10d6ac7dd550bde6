/** User-defined networks on disk: `networks/<name>/` with `network.json` and the leases of its addresses. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { randomBytes, randomHex } from '../host/random.js';
import type { Locks } from '../host/staging.js';
import { writeEvent } from '../native/journal.js';
import { hostSubnets } from './host-facts.js';
import { Leases } from './leases.js';
import { type NetworkRecord, parseNetworkRecord } from './network-record.js';
import { type NewNetwork, planNetworkRecord } from './plan-record.js';

const largestRecord = 256 * 1024;
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

export class NetworkStore {
  readonly #paths: StorePaths;
  readonly #locks: Locks;

  constructor({ paths, locks }: { readonly paths: StorePaths; readonly locks: Locks }) {
    this.#paths = paths;
    this.#locks = locks;
  }

  /** Runs a short synchronous action alone among all who change networks and leases. Not for nesting. */
  locked<T>(action: () => T): T {
    return this.#locks.withLock(join(this.#paths.ownLocks, 'networks'), action);
  }

  /** @throws USAGE, CONFLICT when the name or a subnet is taken. */
  create(network: NewNetwork): NetworkRecord {
    return this.locked(() => {
      const record = planNetworkRecord(network, {
        id: randomHex(32),
        created: new Date().toISOString(),
        known: this.list(),
        host: hostSubnets(),
        random: randomBytes(7),
      });
      ensureDirectory(join(this.#paths.networks, record.name));
      writeFileAtomic(this.#path(record.name), JSON.stringify(record), { durable: true });
      writeEvent(this.#paths, 'network', 'create', { id: record.id, name: record.name });
      return record;
    });
  }

  /** Writes a network anew, as `change` has it. @throws NOT_FOUND, and what `change` throws. */
  update(text: string, change: (network: NetworkRecord) => NetworkRecord): NetworkRecord {
    return this.locked(() => {
      const record = change(this.resolve(text));
      writeFileAtomic(this.#path(record.name), JSON.stringify(record), { durable: true });
      return record;
    });
  }

  /** In the order of their names. */
  list(): readonly NetworkRecord[] {
    return namesIn(this.#paths.networks)
      .filter((name) => namePattern.test(name))
      .sort()
      .map((name) => this.get(name))
      .filter((network) => network !== undefined);
  }

  get(name: string): NetworkRecord | undefined {
    const path = this.#path(name);
    const stored = readJson(path, largestRecord);
    return stored === undefined ? undefined : parseNetworkRecord(stored, path);
  }

  /** The network of a name, an id, or the beginning of exactly one id. @throws NOT_FOUND, USAGE */
  resolve(text: string): NetworkRecord {
    const found = this.find(text);
    if (found !== undefined) return found;
    throw new CoracleError('NOT_FOUND', `use network ${text}: no such network`, {
      hint: `coracle network create ${text} makes it; coracle network ls lists what there is`,
    });
  }

  find(text: string): NetworkRecord | undefined {
    const named = namePattern.test(text) ? this.get(text) : undefined;
    if (named !== undefined || !/^[0-9a-f]{1,64}$/.test(text)) return named;
    const [first, second] = this.list().filter(({ id }) => id.startsWith(text));
    if (second === undefined) return first;
    throw new CoracleError('USAGE', `use network ${text}: several ids begin with it`, {
      hint: 'give more digits, or the name',
    });
  }

  /** Forgets a network; its record goes at once, before its leases do. */
  remove({ id, name }: Pick<NetworkRecord, 'id' | 'name'>): void {
    const directory = join(this.#paths.networks, name);
    const gone = join(this.#paths.networks, `.${id}`);
    try {
      renameSync(directory, gone);
      rmSync(gone, { recursive: true, force: true });
      writeEvent(this.#paths, 'network', 'remove', { id, name });
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw ioError(`remove network ${name}`, error);
    }
  }

  leases(name: string, runs: (id: string) => boolean): Leases {
    return new Leases(this.#paths, name, runs);
  }

  #path(name: string): string {
    return join(this.#paths.networks, name, 'network.json');
  }
}
