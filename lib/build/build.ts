/** `build`: Dockerfile and context in, image out. The lines of `build` are the stages of the work. */
import { availableParallelism } from 'node:os';
import { CoracleError } from '../errors.js';
import { assembleImage } from '../image/assemble.js';
import type { ImageRecord } from '../image/image-record.js';
import { present } from '../oci/guards.js';
import type { HistoryEntry } from '../oci/image-config.js';
import { hostPlatform, type Platform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { inlineCacheAnnotation } from './cache-manifest.js';
import { CacheTransfers } from './cache-transfers.js';
import { ContextSources } from './context-sources.js';
import { Contexts } from './contexts.js';
import type { BuildStep } from './events.js';
import { Execution } from './execution.js';
import type { BuildEnvironment, BuildOptions, BuildResult } from './options.js';
import type { BuildPlan, PlannedStage } from './plan.js';
import { planBuild } from './planner.js';
import { BuildSession, type BuildStores } from './session.js';
import { Slots } from './slots.js';
import type { StageResult } from './stage-files.js';

const exportStep = 'export';

/**
 * Builds the target stage and gives the image its names.
 * @throws INVALID and UNSUPPORTED with the place in the Dockerfile, BUILD when a RUN fails, and what the stores throw.
 */
export async function build(
  stores: BuildStores,
  options: BuildOptions,
  environment: BuildEnvironment,
): Promise<BuildResult> {
  const { onEvent, resolveImage } = environment;
  const tags = options.tags ?? [];
  // Found out before an hour of work, not after it.
  for (const tag of tags) parseReference(tag);
  const transfers = new CacheTransfers(options, environment);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const contexts = new Contexts({ stores, options, environment });
  const lease = stores.staging.lease();
  let session: BuildSession | undefined;
  try {
    const { dockerfile, files } = await contexts.main();
    const platform = hostPlatform();
    const contextTime = files.kind === 'fetched' ? files.tree.time : undefined;
    const plan = await planBuild({ dockerfile, options, platform, resolveImage, contexts, contextTime });
    await contexts.fetcher.rest();
    onEvent({ kind: 'planned', steps: shownSteps(plan) });
    for (const warning of plan.warnings) onEvent({ kind: 'warning', ...warning });
    const sources = new ContextSources(stores, files, contexts.files);
    const imports = await transfers.imports();
    const shared = { stores, options: { ...options, signal }, onEvent };
    session = new BuildSession({ ...shared, contexts: sources, imports });
    const source = { name: dockerfile.fileName, lines: dockerfile.lines };
    const slots = new Slots(options.jobs ?? availableParallelism());
    const execution = new Execution({ plan, session, source, slots, stop: () => stop.abort() });
    const result = await execution.target();
    const inline = await transfers.inline(plan, execution.executed);
    onEvent({ kind: 'started', step: exportStep, time: Date.now() });
    const image = await finish(session, { plan, platform, result, options, inline });
    if (tags.length === 0) stores.images.addBuilt(image, undefined);
    const references = tags.flatMap((tag) => stores.images.addBuilt(image, tag) ?? []);
    await transfers.export(session, plan, execution.executed);
    onEvent({ kind: 'done', step: exportStep, time: Date.now() });
    return { image: { ...image, references }, cached: execution.cached, steps: execution.steps };
  } catch (error) {
    if (options.signal?.aborted)
      throw new CoracleError('ABORTED', 'build: interrupted', { cause: error, exitCode: 130 });
    throw error;
  } finally {
    await session?.close();
    await contexts.fetcher.remove();
    await transfers.close();
    lease.release();
  }
}

/** Every step a display should know of, in the order of the file. */
function shownSteps(plan: BuildPlan): readonly BuildStep[] {
  const steps: BuildStep[] = [];
  for (const stage of [...plan.stages.values()].sort((left, right) => left.index - right.index)) {
    const base = stage.base.kind === 'stage' ? lastStep(plan, stage.base.index) : undefined;
    steps.push({
      id: stage.fromId,
      name: stage.fromName,
      inputs: base === undefined ? [] : [base],
      range: stage.fromRange,
    });
    let previous = stage.fromId;
    for (const step of stage.steps) {
      if (step.kind === 'config') continue;
      const from =
        step.kind === 'copy' && step.from.kind === 'stage' ? lastStep(plan, step.from.index) : undefined;
      steps.push({
        id: step.id,
        name: step.name,
        inputs: from === undefined ? [previous] : [previous, from],
        range: step.range,
      });
      previous = step.id;
    }
  }
  const target = lastStep(plan, plan.target);
  steps.push({ id: exportStep, name: 'exporting to image', inputs: target === undefined ? [] : [target] });
  return steps;
}

function lastStep(plan: BuildPlan, index: number): string | undefined {
  const stage = plan.stages.get(index);
  return stage?.steps.filter((step) => step.kind !== 'config').at(-1)?.id ?? stage?.fromId;
}

type Finish = {
  readonly plan: BuildPlan;
  readonly platform: Platform;
  readonly result: StageResult;
  readonly options: BuildOptions;
  readonly inline: string | undefined;
};

async function finish(
  session: BuildSession,
  { plan, platform, result, options, inline }: Finish,
): Promise<ImageRecord> {
  const stage = plan.stages.get(plan.target);
  if (stage === undefined) throw new CoracleError('INTERNAL', 'finish build: the target was not planned');
  const top = await result.files.top();
  const base = baseImage(plan, stage);
  const created = stage.times.created ?? createdTime(result.history, base);
  const labels = { ...stage.config.Labels, ...options.labels };
  return assembleImage(
    {
      config: {
        ...platform,
        created,
        ...present('author', stage.author),
        config: { ...stage.config, ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }) },
        history: result.history.map((entry) => ({ ...entry, created: entry.created ?? created })),
      },
      ...present('top', top),
      ...present('base', base),
      ...present('clampMtime', stage.times.files),
      ...(inline === undefined ? {} : { annotations: { [inlineCacheAnnotation]: inline } }),
    },
    session.stores,
  );
}

/** The image below the target, whose layers keep their descriptors. */
function baseImage(plan: BuildPlan, stage: PlannedStage): ImageRecord | undefined {
  const { base } = stage;
  if (base.kind === 'image') return base.image;
  const below = base.kind === 'stage' ? plan.stages.get(base.index) : undefined;
  return below === undefined ? undefined : baseImage(plan, below);
}

/** The time of the newest step, so that a build that only took steps from the cache gives the same image again. */
function createdTime(history: readonly HistoryEntry[], base: ImageRecord | undefined): string {
  const times = history.flatMap((entry) => (entry.created === undefined ? [] : [Date.parse(entry.created)]));
  const newest = Math.max(0, ...times.filter((time) => Number.isFinite(time)));
  return newest > 0 ? new Date(newest).toISOString() : (base?.config.created ?? new Date(0).toISOString());
}
