/** The plan of the exec session that checks a container's health. */
import { CoracleError } from '../errors.js';
import { encodePlan } from '../native/plan.js';
import { planExec } from '../sandbox/launch-plan.js';
import type { LaunchSpec } from '../sandbox/launch-spec.js';
import { type ContainerHealthcheck, healthCommand } from './healthcheck.js';
import type { ContainerRecord } from './record.js';

/** Runs as the container's own process does: its user, environment, directory, capabilities and filter. */
export function healthPlan(
  record: ContainerRecord,
  check: ContainerHealthcheck,
  spec: LaunchSpec,
): Uint8Array {
  if (spec.socket === undefined) {
    throw new CoracleError('INTERNAL', `check health of ${record.name}: its supervisor has no socket`);
  }
  return encodePlan(
    planExec(
      {
        mode: 'child',
        socket: spec.socket,
        process: { ...spec.process, args: healthCommand(check), tty: undefined, stdin: undefined },
        confinement: spec.confinement,
        rlimits: spec.rlimits,
        signalProxy: false,
      },
      spec,
    ),
  );
}
