/** From a stage's result to the image it makes: the config as the options say, the layers measured. */
import { assembleImage } from '../image/assemble.js';
import type { ImageRecord } from '../image/image-record.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { present } from '../oci/guards.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { inlineCacheAnnotation } from './cache-manifest.js';
import type { BuildOptions } from './options.js';
import type { BuildPlan, PlannedStage } from './plan.js';
import type { BuildSession } from './session.js';
import { squashedTop } from './squash.js';
import type { StageResult } from './stage-files.js';

export type FinishInput = {
  readonly plan: BuildPlan;
  readonly stage: PlannedStage;
  readonly result: StageResult;
  /** The cache that goes with the image. */
  readonly inline: string | undefined;
};

export type Finished = {
  readonly image: ImageRecord;
  /** Its files; undefined for none. */
  readonly top: SnapshotRecord | undefined;
  readonly base: ImageRecord | undefined;
};

/** Puts the image of a finished stage into the store, without a name. Hold a staging lease. */
export async function finishStage(
  session: BuildSession,
  { plan, stage, result, inline }: FinishInput,
): Promise<Finished> {
  const { options } = session;
  const base = baseImage(plan, stage);
  const top = await squashedTop(session, { top: await result.files.top(), base });
  const created = stage.times.created ?? createdTime(result.history, base);
  const history = result.history.map((entry) => ({ ...entry, created: entry.created ?? created }));
  const { architecture, os, variant } = stage.platform;
  const image = await assembleImage(
    {
      config: {
        os,
        architecture,
        ...present('variant', variant),
        created,
        ...present('author', stage.author),
        config: finalConfig(stage.config, base, options),
        ...(options.omitHistory === true ? {} : { history: squashedHistory(history, base, options) }),
      },
      ...present('top', top),
      ...present('base', options.squash === 'all' ? undefined : base),
      ...present('clampMtime', stage.times.files),
      ...(inline === undefined ? {} : { annotations: { [inlineCacheAnnotation]: inline } }),
    },
    session.stores,
  );
  return { image, top, base };
}

/** The config with what the command line adds and takes away, in the order buildah does it. */
export function finalConfig(
  config: ContainerConfig,
  base: Pick<ImageRecord, 'config'> | undefined,
  options: Pick<BuildOptions, 'labels' | 'unsetEnv' | 'unsetLabels' | 'env' | 'inheritLabels'>,
): ContainerConfig {
  const inherited = base?.config.config?.Labels ?? {};
  const own = Object.entries(config.Labels ?? {}).filter(
    ([name, value]) => options.inheritLabels !== false || inherited[name] !== value,
  );
  const labels = Object.fromEntries(
    [...own, ...Object.entries(options.labels ?? {})].filter(
      ([name]) => options.unsetLabels?.includes(name) !== true,
    ),
  );
  const { Labels: _before, ...rest } = config;
  return {
    ...rest,
    ...(config.Env === undefined && options.env === undefined
      ? {}
      : { Env: finalEnv(config.Env ?? [], options) }),
    ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
  };
}

function finalEnv(
  env: readonly string[],
  { env: added = {}, unsetEnv = [] }: Pick<BuildOptions, 'unsetEnv' | 'env'>,
): readonly string[] {
  const variables = new Map(env.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const [name, value] of Object.entries(added)) variables.set(name, `${name}=${value}`);
  for (const name of unsetEnv) variables.delete(name);
  return [...variables.values()];
}

/** After a squash one entry has the layer, so that history and layers still belong together. */
function squashedHistory(
  history: readonly HistoryEntry[],
  base: ImageRecord | undefined,
  { squash }: Pick<BuildOptions, 'squash'>,
): readonly HistoryEntry[] {
  if (squash === undefined) return history;
  const kept = squash === 'all' ? 0 : (base?.config.history?.length ?? 0);
  const last = history.findLastIndex(({ empty_layer }, at) => at >= kept && empty_layer !== true);
  return history.map((entry, at) =>
    at < kept || at === last || entry.empty_layer === true ? entry : { ...entry, empty_layer: true },
  );
}

/** The image below a stage, whose layers keep their descriptors. */
export function baseImage(plan: BuildPlan, stage: PlannedStage): ImageRecord | undefined {
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
