/** RUN: the command in a sandbox above the stage's stack; what it changed becomes the layer by rename. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { noteCgroup } from '../host/left-cgroup.js';
import { inStore, openInStore } from '../image/stores.js';
import type { LaunchSpec } from '../sandbox/launch-spec.js';
import { runProcess } from '../sandbox/run-process.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { ActiveSnapshot } from '../snapshot/snapshot-store.js';
import { MountStubs } from './mount-stubs.js';
import type { RunStep } from './plan.js';
import type { MountOrigins } from './run-inputs.js';
import { RunMounts } from './run-mounts.js';
import { type RunRoot, rootStack, withRoot } from './run-root.js';
import { runSpec } from './run-spec.js';
import type { BuildSession } from './session.js';

const killedBySignal = 128;

/** Runs the step and commits its layer. @throws BUILD when the command fails, with its exit code in the message. */
export async function runStep(
  session: BuildSession,
  step: RunStep,
  parent: SnapshotRecord | undefined,
  origins: MountOrigins,
): Promise<SnapshotRecord> {
  return session.commitLayer(parent, step, (active) => runIn(session, step, active, origins));
}

/** Where a command runs that is no step of a build, and what is done with its sandbox. */
export type LayerRun = {
  readonly active: ActiveSnapshot;
  readonly origins: MountOrigins;
  /** Directory for the supervisor's records and the mounts' files; removed in the end. */
  readonly records: string;
  /** The layer holds files already. */
  readonly filled?: boolean;
  /** Where the layer and what lies below it are mounted already. */
  readonly mounted?: string | undefined;
  readonly process: (spec: LaunchSpec) => Promise<void>;
};

function runIn(
  session: BuildSession,
  step: RunStep,
  active: ActiveSnapshot,
  origins: MountOrigins,
): Promise<void> {
  const records = session.stores.staging.open().directory('run');
  return runInLayer(session, step, {
    active,
    origins,
    records,
    process: (spec) => run(session, step, spec),
  });
}

/** Runs a command with `active` as the writable layer, which is in the kernel's form afterwards. */
export async function runInLayer(
  session: BuildSession,
  step: RunStep,
  { active, origins, records, filled, mounted, process }: LayerRun,
): Promise<void> {
  const driver = session.stores.driver(session.options.storageDriver);
  const mounts = new RunMounts(session, step, { directory: join(records, 'mounts'), driver });
  try {
    await mounts.open(origins);
    const plain = { active, driver, stubs: undefined, filled, mounted };
    const stubs = await planStubs(session, plain, mounts);
    const root = stubs === undefined ? plain : { ...plain, stubs: makeStubs(stubs, records) };
    await withRoot(session, root, async (rootRecords) => {
      const { mounts: opened, secrets } = mounts;
      const places = { records, root: rootRecords, mounts: opened, secrets };
      const spec = await runSpec(session, step, places);
      if (spec.cgroup?.place.kind === 'directory') noteCgroup(records, spec.cgroup.place.path);
      await process(spec);
    });
    await removeStubs(session, stubs, active);
  } finally {
    await mounts.close();
    await removeRecords(session, records, step);
  }
}

async function run(session: BuildSession, step: RunStep, spec: LaunchSpec): Promise<void> {
  const outcome = await runProcess(spec, {
    onOutput: (stream, data) =>
      session.onEvent({ kind: 'log', step: step.id, stream, data, time: Date.now() }),
    onWarning: (message) => session.onEvent({ kind: 'warning', message }),
    signal: session.options.signal,
  });
  if (outcome.code === 0 && outcome.signal === 0) return;
  const why = outcome.oom ? 'was killed because memory ran out' : 'did not complete successfully';
  const code = outcome.signal === 0 ? outcome.code : killedBySignal + outcome.signal;
  throw new CoracleError('BUILD', `process "${step.command.args.join(' ')}" ${why}: exit code: ${code}`, {
    exitCode: 1,
  });
}

/** Undefined where nothing is mounted, or everything's place is there. */
async function planStubs(
  session: BuildSession,
  root: RunRoot,
  { places }: RunMounts,
): Promise<MountStubs | undefined> {
  if (places.length === 0) return undefined;
  const stubs = await MountStubs.plan(session.agent(), await rootStack(session, root), places);
  return stubs.isEmpty ? undefined : stubs;
}

function makeStubs(stubs: MountStubs, records: string): string {
  const layer = join(records, 'stubs');
  mkdirSync(layer, { mode: 0o755 });
  stubs.make(layer);
  return layer;
}

async function removeStubs(
  session: BuildSession,
  stubs: MountStubs | undefined,
  active: ActiveSnapshot,
): Promise<void> {
  if (stubs === undefined) return;
  const agent = session.agent();
  await stubs.remove(agent, await openInStore(agent, session.stores.paths, active.fs, { writable: true }));
}

/** What a step wrote into its mounts may belong to anybody. */
async function removeRecords(session: BuildSession, records: string, step: RunStep): Promise<void> {
  if (step.mounts.length === 0) return rmSync(records, { recursive: true, force: true });
  const agent = session.agent();
  await agent.remove(...inStore(agent, session.stores.paths, records), { recursive: true });
}
