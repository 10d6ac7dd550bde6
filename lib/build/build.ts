/** `build`: Dockerfile and context in, images out. The lines of `build` are the stages of the work. */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { CoracleError } from '../errors.js';
import { hostPlatform, type Platform, parsePlatform } from '../oci/platform.js';
import { parseReference } from '../oci/reference.js';
import { basePlatforms } from './base-platforms.js';
import { BuildFinish } from './build-finish.js';
import { CacheTransfers } from './cache-transfers.js';
import { ContextSources } from './context-sources.js';
import { Contexts } from './contexts.js';

import { warningEvent, warningsOnce } from './events.js';
import { Execution } from './execution.js';

import type { BuildEnvironment, BuildOptions, BuildResult } from './options.js';
import { checkOutputs } from './outputs.js';
import { type PlanInput, planBuild } from './planner.js';
import { type MergedPlan, mergePlans } from './platform-plans.js';
import { Secrets } from './secrets.js';
import { BuildSession, type BuildStores } from './session.js';
import { exportStep, shownSteps } from './shown-steps.js';
import { Slots } from './slots.js';

/**
 * Builds the target stage, for each platform, and takes it where the outputs say.
 * @throws INVALID and UNSUPPORTED with the place in the Dockerfile, BUILD when a RUN fails, and what the stores throw.
 */
export async function build(
  stores: BuildStores,
  options: BuildOptions,
  environment: BuildEnvironment,
): Promise<BuildResult> {
  const { onEvent } = environment;
  // Found out before an hour of work, not after it.
  for (const tag of options.tags ?? []) parseReference(tag);
  checkOutputs(options);
  const invocation = { id: randomUUID(), started: new Date() };
  const transfers = new CacheTransfers(options, environment);
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const secrets = new Secrets(options.secrets ?? []);
  const contexts = new Contexts({ stores, options, environment, readSecret: (id) => secrets.read(id) });
  const lease = stores.staging.lease();
  let session: BuildSession | undefined;
  try {
    const { dockerfile, files } = await contexts.main();
    const contextTime = files.kind === 'fetched' ? files.tree.time : undefined;
    const { resolveImage } = environment;
    const source = { name: dockerfile.fileName, lines: dockerfile.lines };
    const { plan, targets } = await planPlatforms({
      dockerfile,
      options,
      resolveImage,
      contexts,
      contextTime,
      ignored: files.kind === 'directory' ? files.tree.ignore : files.ignore,
      onWarning: warningsOnce((warning) => onEvent(warningEvent(warning, source))),
      imagePlatforms: environment.imagePlatforms,
    });
    await contexts.fetcher.rest();
    onEvent({ kind: 'planned', steps: shownSteps(plan, targets) });
    const sources = new ContextSources(stores, files, contexts.files);
    await transfers.importMounts({ stores, signal });
    const imports = await transfers.imports();
    const { fetcher, request, readSecret } = contexts;
    const shared = { stores, options: { ...options, signal }, onEvent };
    const remotes = { fetcher, request, readSecret };
    session = new BuildSession({ ...shared, contexts: sources, imports, remotes, secrets });
    // Steps wait for networks, too: on one processor two get further than one.
    const slots = new Slots(options.jobs ?? Math.max(2, availableParallelism()));
    const execution = new Execution({ plan, session, source, slots, stop: () => stop.abort() });
    const results = await execution.results(targets);
    const inline = (target: number): Promise<string | undefined> =>
      transfers.inline({ ...plan, target }, execution.executed);
    onEvent({ kind: 'started', step: exportStep, time: Date.now() });
    const finish = new BuildFinish({
      ...{ session, plan, targets, results, source, invocation, inline },
      resultOf: async (index) => execution.resultOf(index),
      tool: environment.tool ?? 'coracle',
    });
    const made = await finish.deliver(environment.exporter);
    await transfers.export(session, plan, execution.executed);
    await transfers.exportMounts({ stores, signal });
    onEvent({ kind: 'done', step: exportStep, time: Date.now() });
    return { ...made, cached: execution.cached, steps: execution.steps };
  } catch (error) {
    if (options.signal?.aborted)
      throw new CoracleError('ABORTED', 'build: interrupted', { cause: error, exitCode: 130 });
    throw error;
  } finally {
    await inTurn(
      () => session?.close(),
      () => contexts.fetcher.remove(),
      () => transfers.close(),
      () => lease.release(),
    );
  }
}

/** Each of them, also where one before it failed. @throws what the first of those threw */
async function inTurn(...actions: readonly (() => unknown)[]): Promise<void> {
  const settled = [];
  for (const action of actions) settled.push(...(await Promise.allSettled([(async () => action())()])));
  const failed = settled.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

type PlatformsInput = Omit<PlanInput, 'platform'> & {
  readonly options: BuildOptions;
  readonly imagePlatforms: BuildEnvironment['imagePlatforms'];
};

async function planPlatforms({ imagePlatforms, ...input }: PlatformsInput): Promise<MergedPlan> {
  const wanted =
    input.options.allPlatforms === true && imagePlatforms !== undefined
      ? await basePlatforms(input, imagePlatforms)
      : targetPlatforms(input.options);
  const plans = [];
  for (const platform of wanted) plans.push(await planBuild({ ...input, platform }));
  return mergePlans(plans);
}

/** Each platform once, in the order given. @throws USAGE */
function targetPlatforms({ platforms = [] }: BuildOptions): readonly Platform[] {
  const parsed = platforms.map((text) => parsePlatform(text));
  const distinct = new Map(parsed.map((platform) => [JSON.stringify(platform), platform]));
  return distinct.size === 0 ? [hostPlatform()] : [...distinct.values()];
}
