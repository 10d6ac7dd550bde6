/** One step after the other: looked up by key, waited for where another build makes it, else carried out. */
import { join } from 'node:path';
import { waitForLock } from '../content/partial-ingest.js';
import { CoracleError } from '../errors.js';
import { randomHex } from '../host/random.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { type CacheKey, type NamedInputs, stepKey } from './cache-key.js';
import { copyInputs, copyStep, quickCopyInputs, type ResolvedOrigin } from './copy-step.js';
import { linkInputs, linkLayer } from './link-layer.js';
import type { PlannedStage } from './plan.js';
import { type MountOrigins, runInputs } from './run-inputs.js';
import { runStep } from './run-step.js';
import type { BuildSession } from './session.js';
import { rootKey, type StageFiles, type StepResult } from './stage-files.js';
import { type FileStep, nameStep, StepCache, type StepNames } from './step-cache.js';
import { workdirInputs, workdirStep } from './workdir-step.js';

/** A step where it stands. */
export type PlacedStep<S extends FileStep = FileStep> = {
  readonly step: S;
  readonly stage: PlannedStage;
  readonly parent: StageFiles;
  /** Of COPY: where its files come from. */
  readonly origin: ResolvedOrigin | undefined;
  /** Of RUN: where the files of its mounts come from. */
  readonly mounts: MountOrigins | undefined;
};

/** A step's result and the names that others may know it by. */
export type ExecutedStep = {
  readonly stage: number;
  readonly claims: readonly CacheKey[];
  readonly result: StepResult;
};

export class StepExecutor {
  readonly #session: BuildSession;
  readonly #cache: StepCache;
  /** Equal steps of one build run once. */
  readonly #running = new Map<CacheKey, Promise<StepResult>>();
  readonly executed: ExecutedStep[] = [];
  cached = 0;

  constructor(session: BuildSession) {
    this.#session = session;
    this.#cache = new StepCache(session);
  }

  /** The step's result, from the cache or made now. */
  async execute(placed: PlacedStep): Promise<StepResult> {
    const { step, stage, parent } = placed;
    const quick = quickNames(placed);
    const known = quick === undefined ? undefined : this.#find(placed, quick);
    if (known !== undefined) return this.#note(stage, quick, known);
    const inputs = await this.#inputs(placed);
    const claimed = asClaimed(placed);
    const names = nameStep(step, parent, inputs, claimed && (await this.#inputs(claimed)));
    const result = await this.#once(placed, names);
    if (quick !== undefined) await this.#cache.remember(step, parent, quick, result);
    return this.#note(stage, quick, result);
  }

  #note(stage: PlannedStage, quick: StepNames | undefined, result: StepResult): StepResult {
    const claims = [...(quick === undefined ? [] : [quick.claim]), result.files.claim];
    this.executed.push({ stage: stage.index, claims, result });
    return result;
  }

  async #once(placed: PlacedStep, names: StepNames): Promise<StepResult> {
    const running = this.#running.get(names.key);
    if (running === undefined) {
      const made = this.#findOrMake(placed, names);
      this.#running.set(names.key, made);
      return made;
    }
    const result = await running;
    this.#tellCached(placed.step);
    return result;
  }

  async #findOrMake(placed: PlacedStep, names: StepNames): Promise<StepResult> {
    const found = this.#find(placed, names);
    if (found !== undefined) return found;
    this.#explainMiss(placed, names);
    if (!this.#cache.serves(placed.stage)) return this.#runOrLink(placed, names);
    const { paths, locks } = this.#session.stores;
    // Another build that makes the same holds this; its result is then in the cache.
    const lock = await waitForLock(
      join(paths.locks, `step-${names.key}`),
      locks,
      this.#session.options.signal,
    );
    try {
      return this.#find(placed, names) ?? (await this.#runOrLink(placed, names));
    } finally {
      lock.release();
    }
  }

  #find({ step, stage, parent }: PlacedStep, names: StepNames): StepResult | undefined {
    if (!this.#cache.serves(stage)) return undefined;
    const found = this.#cache.find(step, parent, names);
    if (found !== undefined) this.#tellCached(step);
    return found;
  }

  #tellCached(step: FileStep): void {
    this.cached++;
    this.#session.onEvent({ kind: 'cached', step: step.id, time: Date.now() });
  }

  /** For `--explain`; with `--expect-cached` it is the end. */
  #explainMiss({ step, stage, parent }: PlacedStep, names: StepNames): void {
    const { explain, expectCached } = this.#session.options;
    if (explain !== true && expectCached !== true) return;
    const lines = this.#cache.serves(stage)
      ? this.#cache.explain(step, parent, names)
      : ['the build was told not to use the cache'];
    if (expectCached === true) {
      throw new CoracleError('BUILD', `expect cached step ${step.createdBy}: it is not in the cache`, {
        exitCode: 1,
        hint: lines.join('; '),
      });
    }
    const data = Buffer.from(lines.map((line) => `not cached: ${line}\n`).join(''));
    this.#session.onEvent({ kind: 'log', step: step.id, stream: 2, data, time: Date.now() });
  }

  /** COPY --link: a layer made for another parent is put on this one. */
  async #runOrLink(placed: PlacedStep, names: StepNames): Promise<StepResult> {
    const { step, parent, stage } = placed;
    if (step.kind !== 'copy' || !step.link) return this.#run(placed, names);
    const below = await parent.top();
    const own = { ...names.inputs, ...(await linkInputs(this.#session, step, below)) };
    const key = rootKey('link', step.filesTime);
    const alone: StageFiles = { key, claim: key, top: async () => undefined, base: undefined };
    const linked = nameStep(step, alone, own);
    const hit = this.#cache.serves(stage) ? this.#session.cache.find(linked.key) : undefined;
    if (hit?.snapshot === undefined) {
      const made = await this.#run(placed, names);
      await this.#cache.remember(step, alone, linked, made);
      return made;
    }
    const top = await linkLayer(this.#session, step, hit.snapshot, below);
    const result = resultOf(names, parent, { top, created: hit.record.created, madeLayer: true });
    await this.#cache.remember(step, parent, names, result);
    this.#tellCached(step);
    return result;
  }

  async #run(placed: PlacedStep, names: StepNames): Promise<StepResult> {
    const { step, parent } = placed;
    this.#session.onEvent({ kind: 'started', step: step.id, time: Date.now() });
    const below = await parent.top();
    const made = await this.#make(placed, below);
    const created = new Date().toISOString();
    const result = resultOf(this.#anew(names), parent, {
      top: made ?? below,
      created,
      madeLayer: made !== undefined,
    });
    await this.#cache.remember(step, parent, names, result);
    this.#session.onEvent({ kind: 'done', step: step.id, time: Date.now() });
    return result;
  }

  /** A result that takes the place of one that was not wanted is another one: what lies on the old one does not fit it. */
  #anew(names: StepNames): StepNames {
    if (this.#session.cache.find(names.key) === undefined) return names;
    return { ...names, key: stepKey(names.key, 'again', { nonce: randomHex(16) }) };
  }

  #make(
    { step, origin, mounts = new Map() }: PlacedStep,
    below: SnapshotRecord | undefined,
  ): Promise<SnapshotRecord | undefined> {
    switch (step.kind) {
      case 'run':
        return runStep(this.#session, step, below, mounts);
      case 'workdir':
        return workdirStep(this.#session, step, below);
      case 'copy':
        return copyStep(this.#session, step, below, origin ?? { kind: 'context' });
    }
  }

  async #inputs({ step, origin, mounts = new Map() }: PlacedStep): Promise<NamedInputs> {
    switch (step.kind) {
      case 'run':
        return runInputs(this.#session, step, mounts);
      case 'workdir':
        return workdirInputs(step);
      case 'copy':
        return copyInputs(this.#session, step, origin ?? { kind: 'context' });
    }
  }
}

/** The step with the sources of its mounts named as any machine has them; undefined where that changes nothing. */
function asClaimed(placed: PlacedStep): PlacedStep | undefined {
  const mounts = [...(placed.mounts ?? [])];
  if (!mounts.some(([, origin]) => origin.kind === 'files' && origin.claim !== origin.identity))
    return undefined;
  const claimed = mounts.map(
    ([mount, origin]) =>
      [mount, origin.kind === 'files' ? { ...origin, identity: origin.claim } : origin] as const,
  );
  return { ...placed, mounts: new Map(claimed) };
}

/** Names that need no look at the files that COPY takes. */
function quickNames({ step, parent, origin }: PlacedStep): StepNames | undefined {
  if (step.kind !== 'copy' || origin === undefined) return undefined;
  const inputs = quickCopyInputs(step, origin);
  if (inputs === undefined || origin.kind === 'context') return undefined;
  return nameStep(step, parent, inputs, quickCopyInputs(step, { ...origin, identity: origin.claim }));
}

function resultOf(
  { key, claim }: StepNames,
  { base }: StageFiles,
  made: { readonly top: SnapshotRecord | undefined; readonly created: string; readonly madeLayer: boolean },
): StepResult {
  const { top, created, madeLayer } = made;
  return { files: { key, claim, top: async () => top, base }, created, madeLayer };
}
