/** Further processes in a running container: the container's own confinement, its own records for the native program. */
import { CoracleError } from '../errors.js';
import type { Environment } from '../host/paths.js';
import { handOver, type Started, startDetached } from '../native/supervisor.js';
import { allCapabilities } from '../sandbox/capabilities.js';
import { planExec } from '../sandbox/launch-plan.js';
import type { ExecSpec } from '../sandbox/launch-spec.js';
import { parseUser } from '../sandbox/user.js';
import { confinementFilter } from './confinement.js';
import { eventsSpec } from './container-events.js';
import { defaultDetachKeys, parseDetachKeys } from './detach-keys.js';
import { checkEnvironment, mergeEnvironment, workingDirectory } from './process.js';
import { processSpec } from './process-spec.js';
import { requireTerminal } from './require-terminal.js';
import type { ExecOptions } from './run-options.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import type { ContainerView } from './view.js';

/**
 * Runs a command in a container and becomes its client: this process is replaced, its exit code will be the command's.
 * @throws CONFLICT when the container does not run.
 */
export async function execInForeground(
  stores: ContainerStores,
  view: ContainerView,
  options: ExecOptions,
): Promise<never> {
  requireTerminal(options);
  return handOver('exec', planExec(await execSpec(stores, view, options, 'foreground')));
}

/** Starts a command in a container and leaves it alone; returns once it was executed. */
export async function execDetached(
  stores: ContainerStores,
  view: ContainerView,
  options: ExecOptions,
): Promise<Started> {
  return startDetached('exec', planExec(await execSpec(stores, view, options, 'detach')));
}

/** The spec of an exec session; user and directory are the container's unless told otherwise. */
export async function execSpec(
  stores: ContainerStores,
  view: ContainerView,
  options: ExecOptions,
  mode: 'foreground' | 'detach',
): Promise<ExecSpec> {
  const { record, status } = view;
  if (status !== 'running') {
    throw new CoracleError('CONFLICT', `exec in container ${record.name}: it is not running (${status})`, {
      hint: `coracle ps -a shows its state, coracle logs ${record.name} why it ended`,
    });
  }
  if (options.command.length === 0) {
    throw new CoracleError('USAGE', `exec in container ${record.name}: no command given`);
  }
  const tty = options.tty ?? false;
  const process = {
    args: options.command,
    env: mergeEnvironment([
      record.process.env,
      tty && !record.process.tty ? ['TERM=xterm'] : [],
      await secretVariables(view),
      checkEnvironment(options.env ?? []),
    ]),
    cwd: workingDirectory(options.workdir, record.process.cwd),
    user: parseUser(options.user ?? record.process.user),
    tty,
    interactive: options.interactive ?? false,
  };
  const filter = options.privileged ? undefined : await confinementFilter(stores, record);
  return {
    mode,
    socket: containerPlaces(stores, record.id).socket,
    process: processSpec(process, record.options, mode),
    confinement: {
      capabilities: options.privileged ? allCapabilities() : record.capabilities,
      noNewPrivileges: record.options.security?.noNewPrivileges ?? false,
      apparmor: record.options.security?.apparmor,
      personality: record.options.personality,
      seccompFile: filter?.program,
    },
    rlimits: record.options.ulimits ?? [],
    events: eventsSpec(stores.paths, record),
    preserveFds: options.preserveFds ? checkInherited(options.preserveFds, stores.env) : undefined,
    detachKeys: mode === 'foreground' ? parseDetachKeys(options.detachKeys ?? defaultDetachKeys) : undefined,
    signalProxy: false,
  };
}

/** The plan of an exec session is in memory only, so its secrets may stand in it. */
async function secretVariables({ record, directory }: ContainerView): Promise<readonly string[]> {
  if (record.secrets === undefined) return [];
  const { launchSecrets } = await import('./secrets.js');
  return launchSecrets(record, directory).env.map(
    ({ name, value }) => `${name}=${Buffer.from(value).toString()}`,
  );
}

const mostPreserved = 16;

/** The launcher counted what was given to us: of those that are open now some are Node's own. @throws USAGE */
function checkInherited(count: number, env: Environment): number {
  if (count > mostPreserved) {
    throw new CoracleError('USAGE', `preserve ${count} descriptors: ${mostPreserved} at most`);
  }
  const given = Number(env.CORACLE_DESCRIPTORS ?? 0);
  if (count <= given) return count;
  throw new CoracleError('USAGE', `preserve ${count} descriptors: descriptor ${3 + given} is not open`);
}
