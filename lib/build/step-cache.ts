/** Where results of steps are looked up and kept: the store's cache first, then what was imported. */
import { present } from '../oci/guards.js';
import { type CacheKey, type NamedInputs, stepKey } from './cache-key.js';
import { explainMiss } from './explain.js';
import type { PlannedStage, Step } from './plan.js';
import type { BuildSession } from './session.js';
import { layersIdentity, once, rootKey, type StageFiles, type StepResult } from './stage-files.js';

/** A step that makes files. */
export type FileStep = Exclude<Step, { kind: 'config' }>;

/** The names of a step's result, and what they are made of. */
export type StepNames = { readonly key: CacheKey; readonly claim: CacheKey; readonly inputs: NamedInputs };

/** The names of `step` with `inputs` above `parent`; `claimed` are the inputs as any machine has them, mostly the same. */
export function nameStep(
  step: FileStep,
  parent: StageFiles,
  inputs: NamedInputs,
  claimed: NamedInputs = inputs,
): StepNames {
  return {
    key: stepKey(parent.key, step.kind, inputs),
    claim: stepKey(parent.claim, step.kind, claimed),
    inputs,
  };
}

export class StepCache {
  readonly #session: BuildSession;

  constructor(session: BuildSession) {
    this.#session = session;
  }

  /** Whether steps of `stage` may be taken from the cache. */
  serves(stage: PlannedStage): boolean {
    const { noCache, noCacheFilter = [] } = this.#session.options;
    if (noCache === true) return false;
    return !noCacheFilter.some((name) => name.toLowerCase() === stage.label || name === String(stage.index));
  }

  /** The result known by `names`, if any. */
  find(step: FileStep, parent: StageFiles, names: StepNames): StepResult | undefined {
    return this.#findOwn(parent, names) ?? this.#findImported(step, parent, names);
  }

  /** Remembers a result by `names`. */
  async remember(step: Step, parent: StageFiles, names: StepNames, result: StepResult): Promise<void> {
    const top = await result.files.top();
    const { key, claim } = result.files;
    this.#session.cache.put({
      version: 1,
      key: names.key,
      parent: parent.key,
      result: key,
      ...(claim === key ? {} : { claim }),
      instruction: step.createdBy,
      inputs: names.inputs,
      created: result.created,
      madeLayer: result.madeLayer,
      ...present('snapshot', top?.id),
    });
  }

  /** Why nothing was found: what differs from the nearest step that is known, a line each. */
  explain(step: FileStep, parent: StageFiles, names: StepNames): readonly string[] {
    const { cache } = this.#session;
    const asked = { parent: parent.key, instruction: step.createdBy, inputs: names.inputs };
    return explainMiss(asked, cache.list(), (prefix) => this.#session.contextChanges(prefix));
  }

  #findOwn(parent: StageFiles, { key }: StepNames): StepResult | undefined {
    const { cache, options } = this.#session;
    const hit = cache.find(key);
    if (hit === undefined) return undefined;
    const { result, claim = result, created, madeLayer } = hit.record;
    if (options.cacheTtl !== undefined && Date.now() - Date.parse(created) >= options.cacheTtl)
      return undefined;
    cache.touch(key);
    const files = { key: result, claim, top: async () => hit.snapshot, base: parent.base };
    return { files, created, madeLayer };
  }

  #findImported(step: FileStep, parent: StageFiles, { claim }: StepNames): StepResult | undefined {
    const found = this.#session.imports?.find(claim, parent.base);
    if (found === undefined) return undefined;
    const { result, created, madeLayer, diffIds } = found;
    const files: StageFiles = {
      key: rootKey(layersIdentity(diffIds), step.filesTime),
      claim: result,
      top: once(async () => this.#session.imports?.unpack(this.#session, found, parent, step.filesTime)),
      base: parent.base,
    };
    return { files, created, madeLayer };
  }
}
