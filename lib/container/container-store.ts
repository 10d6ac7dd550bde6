/**
 * The containers of a store as they are on disk. A container *is* its directory with a container.json; its state is
 * derived when it is looked at.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { namesIn } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { readHealth } from './healthcheck.js';
import { readReservation } from './names.js';
import type { ContainerRecord } from './record.js';
import { readContainerRecord } from './records.js';
import { readState } from './state.js';
import { type ContainerView, isActive } from './view.js';

export class ContainerStore {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  /** All containers, newest first. */
  list(records = this.records()): readonly ContainerView[] {
    return [...records.values()]
      .flatMap((record) => (record === undefined ? [] : (this.#view(record) ?? [])))
      .sort((a, b) => (a.record.created < b.record.created ? 1 : -1));
  }

  /** The record of each directory that `ids` lists; undefined where there is none yet, or never will be. */
  records(): ReadonlyMap<string, ContainerRecord | undefined> {
    return new Map(this.ids().map((id) => [id, readContainerRecord(join(this.#paths.containers, id))]));
  }

  /** Directory names that are ids, whether finished or not. */
  ids(): readonly string[] {
    return namesIn(this.#paths.containers).filter((name) => /^[0-9a-f]{64}$/.test(name));
  }

  /** The container of a full id; undefined when there is none, or it is being made. */
  get(id: string): ContainerView | undefined {
    const record = readContainerRecord(join(this.#paths.containers, id));
    return record === undefined ? undefined : this.#view(record);
  }

  /** Undefined for one that was removed since its record was read: what is gone looks as if it had never run. */
  #view(record: ContainerRecord): ContainerView | undefined {
    const directory = join(this.#paths.containers, record.id);
    const view = { record, directory, ...readState(directory) };
    if (view.status === 'created' && !existsSync(directory)) return undefined;
    return record.healthcheck === undefined || !isActive(view)
      ? view
      : { ...view, health: readHealth(directory) };
  }

  /**
   * The container that a person means by a name, an id or the beginning of exactly one id. A name wins.
   * @throws NOT_FOUND, or USAGE when several ids begin so.
   */
  resolve(text: string): ContainerView {
    const view = this.find(text);
    if (view !== undefined) return view;
    throw new CoracleError('NOT_FOUND', `open container ${text}: no such container`, {
      hint: 'coracle ps -a lists all containers',
    });
  }

  /** As `resolve`, but undefined when there is none. */
  find(text: string): ContainerView | undefined {
    const named = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(text)
      ? readReservation(this.#paths, text)
      : undefined;
    if (named !== undefined) {
      const view = this.get(named.id);
      if (view !== undefined) return view;
    }
    if (!/^[0-9a-f]{1,64}$/.test(text)) return undefined;
    const [first, second] = this.ids().filter((id) => id.startsWith(text));
    if (second !== undefined) {
      throw new CoracleError('USAGE', `open container ${text}: several ids begin with it`, {
        hint: 'give more digits, or the name',
      });
    }
    return first === undefined ? undefined : this.get(first);
  }
}
