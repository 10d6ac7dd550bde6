/**
 * Carries out a plan: stages as promises that wait for one another only where one needs the other's files, steps bounded in
 * number. The first failure stops what else runs.
 */
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import { type BuildSource, placeError } from './build-source.js';
import type { ResolvedOrigin } from './copy-step.js';
import type { BuildPlan, PlannedStage, RunStep } from './plan.js';
import type { MountOrigins } from './run-inputs.js';
import type { MountSource, RunMount } from './run-mount.js';
import type { BuildSession } from './session.js';
import type { Slots } from './slots.js';
import {
  imageIdentity,
  once,
  rootKey,
  type StageFiles,
  type StageResult,
  type StepResult,
} from './stage-files.js';
import type { FileStep } from './step-cache.js';
import { type ExecutedStep, StepExecutor } from './step-executor.js';

export type ExecutionInput = {
  readonly plan: BuildPlan;
  readonly session: BuildSession;
  readonly source: BuildSource;
  readonly slots: Slots;
  /** Ends the steps that run, when one has failed. */
  readonly stop: () => void;
};

export class Execution {
  readonly #input: ExecutionInput;
  readonly #executor: StepExecutor;
  readonly #stages = new Map<number, Promise<StageResult>>();
  #failure: { readonly error: unknown } | undefined;
  steps = 0;

  constructor(input: ExecutionInput) {
    this.#input = input;
    this.#executor = new StepExecutor(input.session);
  }

  /** Steps taken from the cache. */
  get cached(): number {
    return this.#executor.cached;
  }

  /** Every step that has a result, in the order they got it. */
  get executed(): readonly ExecutedStep[] {
    return this.#executor.executed;
  }

  /** The results of stages. Starts every stage of the plan and waits for all, so that no step is still running when one failed. */
  async results(targets: readonly number[]): Promise<readonly StageResult[]> {
    const { plan } = this.#input;
    const all = [...plan.stages.keys()].map((index) => this.#stage(index));
    const settled = await Promise.allSettled(all);
    if (this.#failure !== undefined) throw this.#failure.error;
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return Promise.all(targets.map((index) => this.#stage(index)));
  }

  /** The result of any stage of the plan. */
  resultOf(index: number): Promise<StageResult> {
    return this.#stage(index);
  }

  #stage(index: number): Promise<StageResult> {
    const known = this.#stages.get(index);
    if (known !== undefined) return known;
    const stage = this.#input.plan.stages.get(index);
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
      const result = await this.#step(step, stage, files);
      files = result.files;
      const entry = { created: stage.times.created ?? result.created, created_by: step.createdBy };
      history = [...history, result.madeLayer ? entry : { ...entry, empty_layer: true }];
    }
    return { files, history };
  }

  async #base(stage: PlannedStage): Promise<StageResult> {
    this.#tell('started', stage.fromId);
    const result = await this.#openBase(stage);
    this.#tell('done', stage.fromId);
    return result;
  }

  async #openBase({ base, times }: PlannedStage): Promise<StageResult> {
    switch (base.kind) {
      case 'scratch': {
        const key = rootKey('scratch', times.files);
        return { files: { key, claim: key, top: async () => undefined, base: undefined }, history: [] };
      }
      case 'stage':
        return this.#stage(base.index);
      case 'image': {
        const { image } = base;
        const key = rootKey(imageIdentity(image), times.files);
        const top = once(() => this.#input.session.unpacked(image));
        return { files: { key, claim: key, top, base: image }, history: image.config.history ?? [] };
      }
    }
  }

  async #step(step: FileStep, stage: PlannedStage, parent: StageFiles): Promise<StepResult> {
    const { session, slots, source } = this.#input;
    this.steps++;
    let begun = false;
    try {
      // A stage that failed is told of once, by its own step.
      const origin = step.kind === 'copy' ? await this.#origin(step.from) : undefined;
      const mounts = step.kind === 'run' ? await this.#mountOrigins(step) : undefined;
      return await slots.run(async () => {
        session.options.signal?.throwIfAborted();
        begun = true;
        return this.#executor.execute({ step, stage, parent, origin, mounts });
      });
    } catch (error) {
      this.#fail(step, placeError(error, source, step), begun);
      throw this.#failure?.error;
    }
  }

  /** Only the first failure is the build's; what it stopped was canceled, and what had not begun is not spoken of. */
  #fail(step: FileStep, error: unknown, begun: boolean): void {
    const { session, stop } = this.#input;
    const first = this.#failure === undefined;
    const message = error instanceof Error ? error.message : String(error);
    const reason = first ? message : 'canceled';
    if (first || begun)
      session.onEvent({ kind: 'failed', step: step.id, reason, canceled: !first, time: Date.now() });
    this.#failure ??= { error };
    if (first) stop();
  }

  async #mountOrigins(step: RunStep): Promise<MountOrigins> {
    const origins = new Map<RunMount, ResolvedOrigin>();
    for (const mount of step.mounts) if ('from' in mount) origins.set(mount, await this.#origin(mount.from));
    return origins;
  }

  async #origin(from: MountSource): Promise<ResolvedOrigin> {
    if (from.kind === 'context') return from;
    if (from.kind === 'scratch') {
      return { kind: 'files', identity: 'scratch', claim: 'scratch', top: async () => undefined };
    }
    if (from.kind === 'stage') {
      const { files } = await this.#stage(from.index);
      return { kind: 'files', identity: files.key, claim: files.claim, top: files.top };
    }
    const identity = imageIdentity(from.image);
    const top = once(() => this.#input.session.unpacked(from.image));
    return { kind: 'files', identity, claim: identity, top };
  }

  #tell(kind: 'started' | 'done', step: string): void {
    this.#input.session.onEvent({ kind, step, time: Date.now() });
  }
}
