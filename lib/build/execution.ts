/**
 * Carries out a plan: stages as promises that wait for one another only where one needs the other's files, steps bounded in
 * number, every result looked up by key first.
 */
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { type BuildSource, placeError } from './build-source.js';
import { baseKey, type CacheKey, type NamedInputs, stepKey } from './cache-key.js';
import { copyInputs, copyStep, imageIdentity, quickCopyInputs, type ResolvedOrigin } from './copy-step.js';
import { linkInputs, linkLayer } from './link-layer.js';
import type { BuildPlan, CopyStep, PlannedStage, Step } from './plan.js';
import { runInputs, runStep } from './run-step.js';
import type { BuildSession } from './session.js';
import type { Slots } from './slots.js';
import type { Times } from './times.js';
import { workdirInputs, workdirStep } from './workdir-step.js';

/** A stage's files so far. `top` is looked up when needed: a base image is not unpacked for the sake of a cached build. */
export type StageFiles = { readonly key: CacheKey; readonly top: () => Promise<SnapshotRecord | undefined> };

export type StageResult = {
  readonly files: StageFiles;
  readonly history: readonly HistoryEntry[];
};

type StepResult = { readonly files: StageFiles; readonly madeLayer: boolean; readonly created: string };

type StepWork = {
  readonly key: CacheKey;
  readonly inputs: NamedInputs;
  readonly origin: ResolvedOrigin | undefined;
};

export class Execution {
  readonly #plan: BuildPlan;
  readonly #session: BuildSession;
  readonly #source: BuildSource;
  readonly #slots: Slots;
  readonly #stages = new Map<number, Promise<StageResult>>();
  /** Equal steps of one build run once. */
  readonly #running = new Map<CacheKey, Promise<StepResult>>();
  cached = 0;
  steps = 0;

  constructor(input: { plan: BuildPlan; session: BuildSession; source: BuildSource; slots: Slots }) {
    this.#plan = input.plan;
    this.#session = input.session;
    this.#source = input.source;
    this.#slots = input.slots;
  }

  /** Starts every stage of the plan and waits for all, so that no step is still running when one failed. */
  async target(): Promise<StageResult> {
    const all = [...this.#plan.stages.keys()].map((index) => this.#stage(index));
    const settled = await Promise.allSettled(all);
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return this.#stage(this.#plan.target);
  }

  #stage(index: number): Promise<StageResult> {
    const known = this.#stages.get(index);
    if (known !== undefined) return known;
    const stage = this.#plan.stages.get(index);
    if (stage === undefined) throw new CoracleError('INTERNAL', `build stage ${index}: it was not planned`);
    const started = this.#runStage(stage);
    this.#stages.set(index, started);
    return started;
  }

  async #runStage(stage: PlannedStage): Promise<StageResult> {
    let { files, history } = await this.#base(stage);
    for (const step of stage.steps) {
      if (step.kind === 'config') {
        const entry = { ...present('created', stage.times.created), created_by: step.createdBy };
        history = [...history, { ...entry, empty_layer: true }];
        continue;
      }
      const result = await this.#step(step, files);
      files = result.files;
      const entry = { created: stage.times.created ?? result.created, created_by: step.createdBy };
      history = [...history, result.madeLayer ? entry : { ...entry, empty_layer: true }];
    }
    return { files, history };
  }

  async #base(stage: PlannedStage): Promise<StageResult> {
    const { base } = stage;
    this.#begin(stage.fromId);
    const result = await this.#openBase(base, stage.times);
    this.#end(stage.fromId);
    return result;
  }

  async #openBase(base: PlannedStage['base'], times: Times): Promise<StageResult> {
    switch (base.kind) {
      case 'scratch':
        return { files: { key: rootKey('scratch', times.files), top: async () => undefined }, history: [] };
      case 'stage':
        return this.#stage(base.index);
      case 'image': {
        const { image } = base;
        const top = once(() => this.#session.unpacked(image));
        return {
          files: { key: rootKey(imageIdentity(image), times.files), top },
          history: image.config.history ?? [],
        };
      }
    }
  }

  async #step(step: Exclude<Step, { kind: 'config' }>, parent: StageFiles): Promise<StepResult> {
    this.#session.options.signal?.throwIfAborted();
    this.steps++;
    try {
      const origin = step.kind === 'copy' ? await this.#origin(step) : undefined;
      return await this.#slots.run(() => this.#lookUpOrRun(step, parent, origin));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#session.onEvent({ kind: 'failed', step: step.id, reason, time: Date.now() });
      throw placeError(error, this.#source, step);
    }
  }

  async #lookUpOrRun(
    step: Exclude<Step, { kind: 'config' }>,
    parent: StageFiles,
    origin: ResolvedOrigin | undefined,
  ): Promise<StepResult> {
    const quick = step.kind === 'copy' && origin !== undefined ? quickCopyInputs(step, origin) : undefined;
    const quickKey = quick === undefined ? undefined : keyOf(step, parent, quick);
    const known = quickKey === undefined ? undefined : this.#find(step, quickKey);
    if (known !== undefined) return known;
    const inputs = await this.#inputs(step, origin);
    const key = keyOf(step, parent, inputs);
    const found = this.#find(step, key);
    if (found !== undefined && quickKey === undefined) return found;
    const running =
      this.#running.get(key) ??
      (found === undefined ? this.#runOrLink(step, parent, { key, inputs, origin }) : Promise.resolve(found));
    this.#running.set(key, running);
    const result = await running;
    if (quickKey !== undefined && quick !== undefined)
      await this.#remember(step, parent, { key: quickKey, inputs: quick }, result);
    return result;
  }

  #find(step: Step, key: CacheKey): StepResult | undefined {
    if (this.#session.options.noCache === true) return undefined;
    const hit = this.#session.cache.find(key);
    if (hit === undefined) return undefined;
    this.#session.cache.touch(key);
    this.cached++;
    this.#session.onEvent({ kind: 'cached', step: step.id, time: Date.now() });
    return resultOf(hit.record.result, hit.snapshot, hit.record.created, hit.record.madeLayer);
  }

  /** COPY --link: a layer made for another parent is put on this one. */
  async #runOrLink(
    step: Exclude<Step, { kind: 'config' }>,
    parent: StageFiles,
    work: StepWork,
  ): Promise<StepResult> {
    if (step.kind !== 'copy' || !step.link) return this.#run(step, parent, work);
    const below = await parent.top();
    const own = { ...work.inputs, ...(await linkInputs(this.#session, step, below)) };
    const alone: StageFiles = { key: rootKey('link', step.filesTime), top: async () => undefined };
    const key = keyOf(step, alone, own);
    const hit = this.#session.options.noCache === true ? undefined : this.#session.cache.find(key);
    if (hit?.snapshot === undefined) {
      const made = await this.#run(step, parent, work);
      await this.#remember(step, alone, { key, inputs: own }, made);
      return made;
    }
    const top = await linkLayer(this.#session, step, hit.snapshot, below);
    const result = resultOf(work.key, top, hit.record.created, true);
    await this.#remember(step, parent, work, result);
    this.cached++;
    this.#session.onEvent({ kind: 'cached', step: step.id, time: Date.now() });
    return result;
  }

  async #run(
    step: Exclude<Step, { kind: 'config' }>,
    parent: StageFiles,
    { key, inputs, origin }: StepWork,
  ): Promise<StepResult> {
    this.#begin(step.id);
    const below = await parent.top();
    const made = await this.#make(step, below, origin);
    const result = resultOf(key, made ?? below, new Date().toISOString(), made !== undefined);
    await this.#remember(step, parent, { key, inputs }, result);
    this.#end(step.id);
    return result;
  }

  #make(
    step: Exclude<Step, { kind: 'config' }>,
    below: SnapshotRecord | undefined,
    origin: ResolvedOrigin | undefined,
  ): Promise<SnapshotRecord | undefined> {
    switch (step.kind) {
      case 'run':
        return runStep(this.#session, step, below);
      case 'workdir':
        return workdirStep(this.#session, step, below);
      case 'copy':
        return copyStep(this.#session, step, below, origin ?? { kind: 'context' });
    }
  }

  async #remember(
    step: Step,
    parent: StageFiles,
    { key, inputs }: { key: CacheKey; inputs: NamedInputs },
    result: StepResult,
  ): Promise<void> {
    const top = await result.files.top();
    this.#session.cache.put({
      version: 1,
      key,
      parent: parent.key,
      result: result.files.key,
      instruction: step.createdBy,
      inputs,
      created: result.created,
      madeLayer: result.madeLayer,
      ...present('snapshot', top?.id),
    });
  }

  async #inputs(
    step: Exclude<Step, { kind: 'config' }>,
    origin: ResolvedOrigin | undefined,
  ): Promise<NamedInputs> {
    switch (step.kind) {
      case 'run':
        return runInputs(step);
      case 'workdir':
        return workdirInputs(step);
      case 'copy':
        return copyInputs(this.#session, step, origin ?? { kind: 'context' });
    }
  }

  async #origin(step: CopyStep): Promise<ResolvedOrigin> {
    const { from } = step;
    if (from.kind === 'context') return from;
    if (from.kind === 'stage') {
      const { files } = await this.#stage(from.index);
      return { kind: 'files', identity: files.key, top: files.top };
    }
    const { image } = from;
    return { kind: 'files', identity: imageIdentity(image), top: once(() => this.#session.unpacked(image)) };
  }

  #begin(step: string): void {
    this.#session.onEvent({ kind: 'started', step, time: Date.now() });
  }

  #end(step: string): void {
    this.#session.onEvent({ kind: 'done', step, time: Date.now() });
  }
}

/** Where files get other times, nothing is shared. */
function rootKey(identity: string, filesTime: number | undefined): CacheKey {
  return baseKey(filesTime === undefined ? identity : `${identity} ${filesTime}`);
}

function keyOf(step: Step, parent: StageFiles, inputs: NamedInputs): CacheKey {
  return stepKey(parent.key, step.kind, inputs);
}

function resultOf(
  key: CacheKey,
  top: SnapshotRecord | undefined,
  created: string,
  madeLayer: boolean,
): StepResult {
  return { files: { key, top: async () => top }, created, madeLayer };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
