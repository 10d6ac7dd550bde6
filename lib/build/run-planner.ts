/** Reads a RUN into a step: what it runs, what it sees, and what it may only do with the builder's leave. */
import type { ExpandedRunInstruction } from '../dockerfile/instructions.js';
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import type { RunStep } from './plan.js';
import type { Planner } from './planner.js';
import { runCommand } from './run-command.js';
import { planRunMounts } from './run-mount.js';
import type { Entitlement } from './run-settings.js';
import { proxyArguments } from './scope.js';
import type { StageState } from './stage-state.js';

/** The stage the instruction is read in, as far as it has come. */
export type RunPlace = { readonly planner: Planner; readonly state: StageState; readonly stage: number };

/** @throws UNSUPPORTED when it asks for what the builder was not allowed, INVALID for mounts that cannot be. */
export async function planRun(
  instruction: ExpandedRunInstruction,
  { planner, state, stage }: RunPlace,
): Promise<Omit<RunStep, 'id' | 'name'> & { readonly shown: string }> {
  checkEntitlements(instruction, planner);
  const { args, files } = runCommand(instruction.command, state.shell);
  const shown = state.scope.arguments();
  const prefix = shown.length === 0 ? '' : `|${shown.length} ${shown.join(' ')} `;
  const mounts = await planRunMounts(instruction.mounts, {
    workdir: state.workdir,
    cacheNamespace: planner.buildArgument('BUILDKIT_CACHE_MOUNT_NS') ?? '',
    resolveSource: (name) => planner.resolveSource(name, stage, instruction),
  });
  return {
    kind: 'run',
    range: instruction.range,
    createdBy: `RUN ${prefix}${args.join(' ')}`,
    shown: instruction.original,
    command: { args, files },
    env: state.scope.variables(),
    proxies: proxies(planner, state),
    cwd: state.workdir,
    user: state.user,
    network: instruction.network,
    platform: planner.platformOf(stage),
    security: instruction.security,
    mounts,
    ...present('hostname', planner.buildArgument('BUILDKIT_SANDBOX_HOSTNAME')),
  };
}

function checkEntitlements(instruction: ExpandedRunInstruction, planner: Planner): void {
  const { allow = [], network } = planner.input.options;
  const need = (entitlement: Entitlement, what: string): void => {
    if (allow.includes(entitlement)) return;
    throw new CoracleError('UNSUPPORTED', `run with ${what}: the build was not allowed to`, {
      hint: `if you trust this Dockerfile, add --allow ${entitlement} to the build command`,
    });
  };
  // A build told to use the host's network has said so already.
  if (instruction.network === 'host' && network !== 'host') need('network.host', '--network=host');
  if (instruction.security === 'insecure') need('security.insecure', '--security=insecure');
}

/** Those of --build-arg and those the build gives to all, unless the stage has its own. */
function proxies(planner: Planner, { scope }: StageState): readonly string[] {
  const given = planner.input.options.proxies ?? {};
  return proxyArguments.flatMap((name) => {
    if (scope.has(name)) return [];
    const value = planner.buildArgument(name) ?? given[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}
