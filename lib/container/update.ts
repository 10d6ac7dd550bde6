/** Changing a container that exists: what it will be started with, and at once what its supervisor does with it. */

import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { encodePlan } from '../native/plan.js';
import { planUpdate } from '../sandbox/launch-plan.js';
import type { RestartPolicy } from '../sandbox/launch-spec.js';
import type { ResourceLimits } from '../sandbox/limits.js';
import { confinementFilter } from './confinement.js';
import { eventsSpec, writeContainerEvent } from './container-events.js';
import { healthPlan } from './health-plan.js';
import { type ContainerHealthcheck, type HealthOptions, mergeHealthcheck } from './healthcheck.js';
import { launchSpec } from './launch.js';
import { connect } from './lifecycle.js';
import type { ContainerRecord } from './record.js';
import { readContainerRecord, writeContainerRecord } from './records.js';
import { readSecrets } from './start.js';
import { isHeld } from './state.js';
import type { ContainerStores } from './stores.js';
import type { ContainerView } from './view.js';

/** Absent fields stay as they are. */
export type ContainerChange = {
  readonly restart?: RestartPolicy | undefined;
  readonly health?: HealthOptions | undefined;
  readonly limits?: ResourceLimits | undefined;
};

/** @throws USAGE for a policy that --rm excludes, or settings of a check that does not exist; HOST for a limit that the kernel refuses */
export async function updateContainer(
  stores: ContainerStores,
  view: ContainerView,
  change: ContainerChange,
): Promise<{ readonly warnings: readonly string[] }> {
  const current = readContainerRecord(view.directory);
  if (current === undefined) {
    throw new CoracleError('NOT_FOUND', `update container ${view.record.name}: it is gone`);
  }
  const record = changed(current, change);
  if (change.health !== undefined && record.healthcheck !== undefined) {
    await writeHealthPlan(stores, record, record.healthcheck, view.directory);
  }
  // Before the record: a limit that the kernel refuses shall not keep the container from its next start.
  const warnings = await applyLimits(view, record, change);
  writeContainerRecord(view.directory, record);
  writeContainerEvent(stores.paths, 'update', record);
  if (change.restart !== undefined || change.health !== undefined)
    await tellSupervisor(stores, view, record, change);
  return { warnings };
}

async function applyLimits(
  { live }: ContainerView,
  record: ContainerRecord,
  { limits }: ContainerChange,
): Promise<readonly string[]> {
  if (limits === undefined || live === undefined) return [];
  const { changeLimits } = await import('./change-limits.js');
  return changeLimits(record.name, live.cgroup, record.options.limits ?? {}, limits);
}

async function tellSupervisor(
  stores: ContainerStores,
  view: ContainerView,
  record: ContainerRecord,
  change: ContainerChange,
): Promise<void> {
  const check = record.healthcheck;
  const health = check === undefined ? false : { ...check, plan: healthPlanPath(view.directory) };
  await tell(stores, view, {
    restart: change.restart,
    health: change.health === undefined ? undefined : health,
  });
}

/** A supervisor that ends meanwhile needs not be told: the next one reads the record. */
async function tell(
  stores: ContainerStores,
  view: ContainerView,
  change: Parameters<typeof planUpdate>[0],
): Promise<void> {
  const link = await connect(stores, view);
  if (link === undefined) return;
  try {
    await link.update(encodePlan(planUpdate(change)));
  } catch (error) {
    const isRefused = error instanceof CoracleError && error.code === 'CONFLICT';
    if (!isRefused || isHeld(view.directory)) throw error;
  } finally {
    link.close();
  }
}

function changed(record: ContainerRecord, { restart, health, limits }: ContainerChange): ContainerRecord {
  if (restart !== undefined && restart.name !== 'no' && record.autoRemove) {
    throw new CoracleError(
      'USAGE',
      `update container ${record.name}: it was made with --rm, it cannot restart`,
    );
  }
  return {
    ...record,
    options: {
      ...record.options,
      ...(restart === undefined ? {} : { restart }),
      ...(limits === undefined ? {} : { limits: { ...record.options.limits, ...limits } }),
    },
    healthcheck: health === undefined ? record.healthcheck : changedCheck(record, health),
  };
}

const perMillisecond = 1_000_000;

/** The check it has takes the place of an image's: what is not given stays. */
function changedCheck(record: ContainerRecord, health: HealthOptions): ContainerHealthcheck | undefined {
  const old = record.healthcheck;
  if (old === undefined && health.Test === undefined) {
    throw new CoracleError('USAGE', `update container ${record.name}: it has no health check to change`, {
      hint: 'give it one with --health-cmd',
    });
  }
  if (old === undefined) return mergeHealthcheck(health, undefined);
  const { onFailure, logCount, logSize } = old;
  const kept = {
    Test: old.test,
    Interval: old.interval * perMillisecond,
    Timeout: old.timeout * perMillisecond,
    StartPeriod: old.startPeriod * perMillisecond,
    StartInterval: old.startInterval * perMillisecond,
    Retries: old.retries,
  };
  return mergeHealthcheck({ onFailure, logCount, logSize, ...health }, kept);
}

function healthPlanPath(directory: string): string {
  return `${directory}/health.plan`;
}

/** Before the record speaks of the check: its supervisor reads the plan at each one. */
async function writeHealthPlan(
  stores: ContainerStores,
  record: ContainerRecord,
  check: ContainerHealthcheck,
  directory: string,
): Promise<void> {
  const filter = await confinementFilter(stores, record);
  const secrets = await readSecrets(record, directory);
  const choice = { mode: 'detach', network: { records: [] }, seccompFile: filter?.program, secrets } as const;
  const plan = healthPlan(record, check, launchSpec(stores, record, choice));
  writeFileAtomic(healthPlanPath(directory), plan);
}

/** Says that a container has another name; its supervisor writes that one into events from now on. */
export async function retell(stores: ContainerStores, view: ContainerView): Promise<void> {
  writeContainerEvent(stores.paths, 'rename', view.record);
  await tell(stores, view, { events: eventsSpec(stores.paths, view.record) });
}
