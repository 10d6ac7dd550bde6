/** The cgroup of a container's next start, and what is said beforehand of limits that will not hold. */
import { CoracleError } from '../errors.js';
import { readCgroupFacts } from '../host/cgroup.js';
import type { Environment } from '../host/paths.js';
import { type CgroupSpec, decideCgroup } from '../sandbox/cgroup-place.js';
import type { ContainerRecord } from './record.js';
import { readLive } from './records.js';
import type { RunOptions } from './run-options.js';
import { type ContainerStores, containerPlaces } from './stores.js';

/** Whether anything about cgroups was asked for. */
export function asksForCgroup({ limits, cgroup }: Pick<RunOptions, 'limits' | 'cgroup'>): boolean {
  return limits !== undefined || cgroup !== undefined;
}

/**
 * Of a service the supervisor is the main process, which systemd hears only inside of its unit.
 * @throws HOST where a cgroup that was asked for cannot be made.
 */
export function cgroupAtStart(
  stores: Pick<ContainerStores, 'env' | 'paths' | 'runtime'>,
  { id, options }: Pick<ContainerRecord, 'id' | 'options'>,
  isService: boolean,
): CgroupSpec | undefined {
  const pod = options.pod?.kind === 'member' ? cgroupOfHolder(stores, options.pod.holder) : undefined;
  if (pod === undefined && !asksForCgroup(options)) return undefined;
  const request = { ...options.cgroup, limits: options.limits, pod, isService };
  const { spec } = decideCgroup(`coracle-${id}`, request, readCgroupFacts(stores.env));
  return spec === undefined || options.pod?.kind !== 'holder' ? spec : { ...spec, holdsPod: true };
}

/** Only one with limits of its own has a cgroup. */
function cgroupOfHolder(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  holder: string,
): string | undefined {
  return readLive(containerPlaces(stores, holder).directory)?.cgroup;
}

/** What of the limits will not hold. @throws HOST with `required`, naming them */
export function limitsProblem(
  env: Environment,
  options: Pick<RunOptions, 'limits' | 'cgroup'>,
  required: boolean,
): string | undefined {
  const request = { ...options.cgroup, limits: options.limits };
  const { problem } = decideCgroup('coracle-new', request, readCgroupFacts(env));
  if (problem !== undefined && required) throw new CoracleError('HOST', problem.text, { hint: problem.hint });
  return problem === undefined ? undefined : `${problem.text}\nhint: ${problem.hint}`;
}
