/** The cgroup of a container's next start, and what is said beforehand of limits that will not hold. */
import { userInfo } from 'node:os';
import { CoracleError } from '../errors.js';
import { type CgroupFacts, readCgroupFacts } from '../host/cgroup.js';
import type { Environment } from '../host/paths.js';
import { type CgroupDecision, decideCgroup } from '../sandbox/cgroup-place.js';
import type { RunOptions } from './run-options.js';

/** Whether anything about cgroups was asked for. */
export function asksForCgroup({ limits, cgroup }: Pick<RunOptions, 'limits' | 'cgroup'>): boolean {
  return limits !== undefined || cgroup !== undefined;
}

/** @throws HOST where a cgroup that was asked for cannot be made. */
export function cgroupAtStart(
  env: Environment,
  id: string,
  { limits, cgroup }: Pick<RunOptions, 'limits' | 'cgroup'>,
): CgroupDecision {
  return decideCgroup(`coracle-${id}`, { ...cgroup, limits }, hostFacts(env));
}

function hostFacts(env: Environment): CgroupFacts {
  const { uid, username } = userInfo();
  return readCgroupFacts(env, { uid, name: username });
}

/** What of the limits will not hold. @throws HOST with `required`, naming them */
export function limitsProblem(
  env: Environment,
  options: Pick<RunOptions, 'limits' | 'cgroup'>,
  required: boolean,
): string | undefined {
  const { problem } = cgroupAtStart(env, 'new', options);
  if (problem !== undefined && required) throw new CoracleError('HOST', problem.text, { hint: problem.hint });
  return problem === undefined ? undefined : `${problem.text}\nhint: ${problem.hint}`;
}
