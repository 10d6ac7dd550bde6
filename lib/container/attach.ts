/** Becoming the client of a running container. */
import { CoracleError } from '../errors.js';
import type { PlanRecord } from '../native/plan.js';
import { handOver } from '../native/supervisor.js';
import { defaultDetachKeys, parseDetachKeys } from './detach-keys.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import type { ContainerView } from './view.js';

export type AttachOptions = {
  /** Leave standard input alone. */
  readonly noStdin?: boolean | undefined;
  readonly detachKeys?: string | undefined;
  readonly signalProxy?: boolean | undefined;
};

/**
 * Shows a container's output and, where it was made with `-i`, feeds its input: this process is replaced, its exit code
 * will be the container's.
 * @throws CONFLICT when the container does not run.
 */
export function attachInForeground(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  view: ContainerView,
  options: AttachOptions = {},
): never {
  const { record, status } = view;
  if (status !== 'running') {
    throw new CoracleError('CONFLICT', `attach to container ${record.name}: it is not running (${status})`, {
      hint: `coracle logs ${record.name} shows what it printed`,
    });
  }
  const keys = Buffer.from(parseDetachKeys(options.detachKeys ?? defaultDetachKeys)).toString('hex');
  const input = record.process.interactive && !options.noStdin;
  const records: PlanRecord[] = [
    ['socket', containerPlaces(stores, record.id).socket],
    ...(record.process.tty ? [['tty', '24', '80'] as const] : []),
    ...(input ? [['stdin', 'open'] as const] : []),
    ...(keys === '' ? [] : [['detach-keys', keys] as const]),
    ...((options.signalProxy ?? true) ? [['sig-proxy'] as const] : []),
  ];
  return handOver('attach', records);
}
