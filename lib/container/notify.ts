/** Who tells systemd that a service of one container is ready: podman's `--sdnotify`, sd_notify(3). */
import { CoracleError } from '../errors.js';
import type { Environment } from '../host/paths.js';
import type { NotifySpec } from '../sandbox/launch-spec.js';
import type { Mount } from '../sandbox/mount.js';
import type { ContainerRecord } from './record.js';
import type { ContainerPlaces } from './stores.js';

const inside = '/run/notify';

/** What the container's process is told. */
export const notifyVariable = `NOTIFY_SOCKET=${inside}/notify.sock`;

/** Undefined where nobody waits for it, or nobody is to know. @throws USAGE for `healthy` without a check. */
export function notifySpec(
  env: Environment,
  record: Pick<ContainerRecord, 'name' | 'options' | 'healthcheck'>,
  places: ContainerPlaces,
): NotifySpec | undefined {
  const socket = env.NOTIFY_SOCKET;
  const mode = record.options.sdnotify ?? 'container';
  if (mode === 'healthy' && record.healthcheck === undefined) {
    throw new CoracleError(
      'USAGE',
      `start container ${record.name}: with --sdnotify healthy it needs a health check`,
      {
        hint: 'give it one with --health-cmd',
      },
    );
  }
  if (socket === undefined || !/^[/@]./.test(socket) || mode === 'ignore') return undefined;
  return { mode, socket, directory: `${places.socketDirectory}/n` };
}

/** The directory with the socket, where the container finds it. */
export function notifyMount(directory: string): Mount {
  const options = ['rw', 'nosuid', 'nodev', 'noexec', 'create=dir'];
  return { type: 'bind', source: directory, destination: inside, options };
}
