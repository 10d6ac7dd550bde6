/** The caches of others that a build reads, and those it leaves: places opened, failures told. */
import { CoracleError } from '../errors.js';
import { exportCache, inlineCache, stepsOfTarget } from './cache-export.js';
import { ImportedCaches } from './cache-import.js';
import { layoutOrigin, layoutTarget } from './cache-layout.js';
import type { CacheOrigin, CachePlaces, CacheTarget } from './cache-place.js';
import {
  type CacheDestination,
  type CacheSource,
  parseCacheDestination,
  parseCacheSource,
  parseMountsDestination,
  parseMountsSource,
} from './cache-request.js';
import { exportMounts, importMounts, type MountTransfer } from './mount-transfer.js';
import type { BuildEnvironment, BuildOptions } from './options.js';
import type { BuildPlan } from './plan.js';
import type { BuildSession } from './session.js';
import type { ExecutedStep } from './step-executor.js';

export class CacheTransfers {
  readonly #sources: readonly CacheSource[];
  readonly #destinations: readonly CacheDestination[];
  readonly #mountSources: readonly CacheSource[];
  readonly #mountDestinations: readonly CacheDestination[];
  readonly #mountNames = new Set<string>();
  readonly #began = Date.now();
  readonly #environment: BuildEnvironment;
  #imports: ImportedCaches | undefined;

  /** Reads the requests, so that a mistake in them is told before an hour of work. @throws USAGE, UNSUPPORTED */
  constructor(
    options: Pick<BuildOptions, 'cacheFrom' | 'cacheTo' | 'cacheMountsFrom' | 'cacheMountsTo'>,
    environment: BuildEnvironment,
  ) {
    this.#mountSources = (options.cacheMountsFrom ?? []).map(parseMountsSource);
    this.#mountDestinations = (options.cacheMountsTo ?? []).map(parseMountsDestination);
    this.#sources = (options.cacheFrom ?? []).map(parseCacheSource);
    this.#destinations = (options.cacheTo ?? []).map(parseCacheDestination);
    this.#environment = environment;
  }

  /** The caches to look in; undefined for none. */
  async imports(): Promise<ImportedCaches | undefined> {
    if (this.#sources.length === 0) return undefined;
    const origins = this.#sources.map((source) => this.#origin(source));
    this.#imports = await ImportedCaches.open(origins, (message) => this.#warn(message));
    return this.#imports;
  }

  /** Ends the connections that imports may still read from. */
  async close(): Promise<void> {
    await this.#imports?.close();
  }

  /** What the image's manifest says of its steps, where an inline cache was asked for. */
  async inline(plan: BuildPlan, executed: readonly ExecutedStep[]): Promise<string | undefined> {
    const wanted = this.#destinations.some(({ place }) => place.kind === 'inline');
    return wanted ? inlineCache(stepsOfTarget(plan, executed)) : undefined;
  }

  /** Writes all that was asked for. */
  async export(session: BuildSession, plan: BuildPlan, executed: readonly ExecutedStep[]): Promise<void> {
    for (const destination of this.#destinations) {
      const { place, max } = destination;
      if (place.kind === 'inline') continue;
      const target = this.#target(place);
      const steps = max ? executed : stepsOfTarget(plan, executed);
      await this.#tolerate(destination, target, () => exportCache(session, steps, destination, target));
    }
  }

  /** Brings the cache mounts of others into the store. */
  async importMounts(transfer: Omit<MountTransfer, 'warn'>): Promise<void> {
    for (const source of this.#mountSources) {
      const origin = this.#origin(source);
      try {
        const names = await importMounts({ ...transfer, warn: (text) => this.#warn(text) }, origin);
        for (const name of names) this.#mountNames.add(name);
      } finally {
        await origin.close();
      }
    }
  }

  /** Leaves the cache mounts that this build used, or was given. */
  async exportMounts(transfer: Omit<MountTransfer, 'warn'>): Promise<void> {
    const chosen = { began: this.#began, names: this.#mountNames };
    for (const destination of this.#mountDestinations) {
      if (destination.place.kind === 'inline') continue;
      const target = this.#target(destination.place);
      await this.#tolerate(destination, target, () =>
        exportMounts({ ...transfer, warn: (text) => this.#warn(text) }, destination, target, chosen),
      );
    }
  }

  /** Closes the target; a failure of `action` is a warning where that was asked for. */
  async #tolerate(
    { ignoreError }: CacheDestination,
    target: CacheTarget,
    action: () => Promise<void>,
  ): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!ignoreError || !(error instanceof CoracleError) || error.code === 'ABORTED') throw error;
      this.#warn(`export cache ${target.name}: ${error.message}`);
    } finally {
      await target.close();
    }
  }

  #origin(source: CacheSource): CacheOrigin {
    return source.kind === 'local' ? layoutOrigin(source) : this.#registries().origin(source.reference);
  }

  #target(place: CacheSource): CacheTarget {
    return place.kind === 'local' ? layoutTarget(place) : this.#registries().target(place.reference);
  }

  #registries(): CachePlaces {
    const { caches } = this.#environment;
    if (caches !== undefined) return caches;
    throw new CoracleError('UNSUPPORTED', 'use a cache in a registry: this build knows no registries');
  }

  #warn(message: string): void {
    this.#environment.onEvent({ kind: 'warning', message });
  }
}
