/**
 * Pods: containers that have namespaces in common. A pod is a container of a kind of its own, its *holder*, with the
 * pod's name, network and ports, in which nothing is executed: its supervisor keeps the namespaces while members come
 * and go. Members name the holder; nothing else is stored.
 */
import { CoracleError } from '../errors.js';
import { humanDuration, since } from './ages.js';
import type { ContainerStore } from './container-store.js';
import type { NamespaceChoices } from './namespace-flags.js';
import type { RunOptions, SharedByPod } from './run-options.js';
import type { ContainerView } from './view.js';

export const sharedByDefault: readonly SharedByPod[] = ['ipc', 'net', 'uts'];
const sharable: readonly SharedByPod[] = ['net', 'ipc', 'uts', 'pid', 'cgroup'];

/** `Created`, `Running`, `Degraded` (some members do not run), `Paused`, `Exited`, `Stopped`. */
export type PodStatus = 'Created' | 'Running' | 'Degraded' | 'Paused' | 'Exited' | 'Stopped';

export type PodView = {
  readonly id: string;
  readonly name: string;
  readonly holder: ContainerView;
  /** In the order in which they were made. */
  readonly members: readonly ContainerView[];
  readonly status: PodStatus;
  readonly share: readonly SharedByPod[];
  readonly exitPolicy: 'continue' | 'stop';
  /** `3 minutes ago`. */
  readonly createdAgo: string;
};

/** All pods, newest first. */
export function listPods(containers: ContainerStore): readonly PodView[] {
  const views = containers.list();
  return views.flatMap((holder) => {
    const { pod } = holder.record.options;
    if (pod?.kind !== 'holder') return [];
    const { id, name } = holder.record;
    const members = views.filter((view) => holderOf(view) === id).reverse();
    const createdAgo = `${humanDuration(since(holder.record.created, Date.now()))} ago`;
    const { share, exitPolicy = 'continue' } = pod;
    return [{ id, name, holder, members, share, exitPolicy, status: podStatus(holder, members), createdAgo }];
  });
}

function holderOf({ record }: ContainerView): string | undefined {
  return record.options.pod?.kind === 'member' ? record.options.pod.holder : undefined;
}

function podStatus(holder: ContainerView, members: readonly ContainerView[]): PodStatus {
  const states = members.map(({ status }) => status);
  const all = (status: string): boolean => states.every((each) => each === status);
  if (holder.status !== 'running')
    return holder.status === 'created' && all('created') ? 'Created' : 'Exited';
  if (members.length === 0 || all('running')) return 'Running';
  if (all('paused')) return 'Paused';
  return states.some((status) => status === 'running') ? 'Degraded' : 'Stopped';
}

/** A pod by its name, its id, or the beginning of it. @throws NOT_FOUND, USAGE for an ambiguous id */
export function findPod(containers: ContainerStore, text: string): PodView {
  const pods = listPods(containers);
  const named = pods.find(({ name, id }) => name === text || id === text);
  const begun = text === '' ? [] : pods.filter(({ id }) => id.startsWith(text));
  const found = named ?? (begun.length === 1 ? begun[0] : undefined);
  if (found !== undefined) return found;
  if (begun.length > 1) throw new CoracleError('USAGE', `find pod ${text}: ${begun.length} ids begin so`);
  throw new CoracleError('NOT_FOUND', `find pod ${text}: no such pod`, { hint: 'coracle pod ps shows all' });
}

/** `--share`: a list, `none` or nothing. @throws USAGE */
export function parseShare(text: string | undefined): readonly SharedByPod[] {
  if (text === undefined) return sharedByDefault;
  if (text === '' || text === 'none') return [];
  return text.split(',').map((word) => {
    const known = sharable.find((each) => each === word);
    if (known !== undefined) return known;
    throw new CoracleError('USAGE', `share ${word} in a pod: not one of ${sharable.join(', ')}`);
  });
}

/** The options of a member: what the pod has is the pod's to set. @throws USAGE */
export function memberOptions(options: RunOptions, { id, name, share, holder }: PodView): RunOptions {
  const given = [
    options.network !== undefined || options.networkContainer !== undefined || options.networks !== undefined
      ? ['net', '--network']
      : [],
    (options.publish ?? []).length > 0 ? ['net', '--publish'] : [],
    options.hostname !== undefined ? ['uts', '--hostname'] : [],
  ].find(([what]) => share.some((each) => each === what));
  if (given !== undefined) {
    throw new CoracleError('USAGE', `use ${given[1]} in pod ${name}: it is the pod's`, {
      hint: 'give it to coracle pod create',
    });
  }
  const spaces = (['pid', 'ipc', 'uts', 'cgroup'] as const).filter((each) => share.includes(each));
  const shared = Object.fromEntries(
    spaces.map((each) => [each, { mode: 'container', container: id }] as const),
  );
  const namespaces: NamespaceChoices = { ...shared, ...options.namespaces };
  const network = share.includes('net')
    ? holder.record.network === 'host'
      ? { network: 'host' as const }
      : { network: 'container' as const, networkContainer: id }
    : {};
  return {
    ...options,
    ...network,
    ...(Object.keys(namespaces).length === 0 ? {} : { namespaces }),
    pod: { kind: 'member', holder: id },
  };
}
