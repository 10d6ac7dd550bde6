/**
 * The working containers of a store. Each is a directory `working/<id>` that comes into being, and goes, by one rename; its
 * name stands in its record alone, and whoever gives one holds the lock of all names.
 */
import { chmodSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { checkName } from '../container/names.js';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, namesIn, readJson, writeFileAtomic } from '../host/files.js';
import type { HeldLock } from '../host/staging.js';
import { moveToTrash } from '../host/trash.js';
import type { Stores } from '../image/stores.js';
import { parseWorkingRecord, serializeWorkingRecord, type WorkingRecord } from './record.js';

export type WorkingPlaces = {
  readonly directory: string;
  /** What was written: one layer. */
  readonly fs: string;
  /** Of a command that runs in it, or was killed. */
  readonly run: string;
  /** Where it is mounted, and the record of that. */
  readonly mountPoint: string;
  readonly mount: string;
};

const recordName = 'working.json';
const largest = 16 * 1024 * 1024;

/** Pure. */
export function workingPlaces({ paths }: Pick<Stores, 'paths'>, id: string): WorkingPlaces {
  const directory = join(paths.working, id);
  const at = (name: string): string => join(directory, name);
  return { directory, fs: at('fs'), run: at('run'), mountPoint: at('merged'), mount: at('mount.json') };
}

export class WorkingStore {
  readonly #stores: Pick<Stores, 'paths' | 'locks' | 'staging' | 'snapshots'>;

  constructor(stores: Pick<Stores, 'paths' | 'locks' | 'staging' | 'snapshots'>) {
    this.#stores = stores;
  }

  /** All, in the order they were made. @throws INVALID for a damaged record. */
  list(): readonly WorkingRecord[] {
    return this.#ids()
      .flatMap((id) => this.#read(id) ?? [])
      .sort((a, b) => (a.created < b.created ? -1 : 1));
  }

  /**
   * The one that a person means by a name, an id or the beginning of exactly one id. A name wins.
   * @throws NOT_FOUND, or USAGE when several ids begin so.
   */
  resolve(text: string): WorkingRecord {
    const all = this.list();
    const named = all.find(({ name }) => name === text);
    if (named !== undefined) return named;
    const [first, second] = /^[0-9a-f]+$/.test(text) ? all.filter(({ id }) => id.startsWith(text)) : [];
    if (second !== undefined) {
      throw new CoracleError('USAGE', `open working container ${text}: several ids begin with it`, {
        hint: 'give more digits, or the name',
      });
    }
    if (first !== undefined) return first;
    throw new CoracleError('NOT_FOUND', `open working container ${text}: there is none`, {
      hint: 'coracle working containers lists all; coracle working from IMAGE makes one',
    });
  }

  /**
   * Keeps a new one, under `name` or the first free one of `proposal`, `proposal-1`, ...
   * @throws CONFLICT for a name that is taken.
   */
  create(
    draft: Omit<WorkingRecord, 'name'>,
    { name, proposal }: { readonly name: string | undefined; readonly proposal: string },
  ): WorkingRecord {
    const { paths, staging, snapshots } = this.#stores;
    const made = staging.open().directory('working');
    const parent = draft.snapshot === undefined ? undefined : snapshots.get(draft.snapshot);
    try {
      mkdirSync(join(made, 'fs'));
      chmodSync(join(made, 'fs'), snapshots.rootMode(parent));
      return this.#alone(() => {
        const taken = new Set(this.list().map((record) => record.name));
        const record = { ...draft, name: name === undefined ? freeName(proposal, taken) : checkName(name) };
        refuseTaken(record.name, taken);
        writeFileAtomic(join(made, recordName), serializeWorkingRecord(record), { durable: true });
        ensureDirectory(paths.working);
        renameSync(made, join(paths.working, record.id));
        return record;
      });
    } catch (error) {
      throw ioError('make working container', error);
    }
  }

  /** Replaces the record of one that the caller holds. */
  write(record: WorkingRecord): void {
    const { directory } = workingPlaces(this.#stores, record.id);
    writeFileAtomic(join(directory, recordName), serializeWorkingRecord(record), { durable: true });
  }

  /** Gives one that the caller holds another name. @throws USAGE, CONFLICT */
  rename(record: WorkingRecord, name: string): void {
    this.#alone(() => {
      const others = this.list().filter(({ id }) => id !== record.id);
      refuseTaken(checkName(name), new Set(others.map((other) => other.name)));
      this.write({ ...record, name });
    });
  }

  /** Takes one that the caller holds out of the store; where its files lie now. */
  detach(record: WorkingRecord): string | undefined {
    return moveToTrash(this.#stores.paths, workingPlaces(this.#stores, record.id).directory);
  }

  /**
   * The record as it is now that nobody else may change it, and what lets go of it.
   * @throws CONFLICT when another command works in it, NOT_FOUND when it went meanwhile.
   */
  hold(text: string): { readonly record: WorkingRecord; readonly lock: HeldLock } {
    const { id, name } = this.resolve(text);
    const { directory } = workingPlaces(this.#stores, id);
    const lock = this.#stores.locks.holdLock(join(directory, 'lock'));
    if (lock === undefined) {
      throw new CoracleError('CONFLICT', `use working container ${name}: another command works in it`, {
        hint: 'wait for its end',
      });
    }
    const record = this.#read(id);
    if (record !== undefined) return { record, lock };
    lock.release();
    throw new CoracleError('NOT_FOUND', `open working container ${text}: it was removed`);
  }

  #alone<T>(action: () => T): T {
    ensureDirectory(this.#stores.paths.locks);
    return this.#stores.locks.withLock(join(this.#stores.paths.locks, 'working'), action);
  }

  #ids(): readonly string[] {
    return namesIn(this.#stores.paths.working).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  #read(id: string): WorkingRecord | undefined {
    const path = join(workingPlaces(this.#stores, id).directory, recordName);
    const value = readJson(path, largest);
    return value === undefined ? undefined : parseWorkingRecord(value, path);
  }
}

function freeName(proposal: string, taken: ReadonlySet<string>): string {
  for (let count = 0; ; count++) {
    const name = count === 0 ? proposal : `${proposal}-${count}`;
    if (!taken.has(name)) return name;
  }
}

function refuseTaken(name: string, taken: ReadonlySet<string>): void {
  if (!taken.has(name)) return;
  throw new CoracleError('CONFLICT', `name working container ${name}: another one is called so`, {
    hint: `remove it with coracle working rm ${name}, or choose another name`,
  });
}
