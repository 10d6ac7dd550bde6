/** The syscall filter of a container and of what is executed in it. */
import type { SeccompFilter } from '../sandbox/seccomp.js';
import type { ContainerRecord } from './record.js';
import type { ContainerStores } from './stores.js';

/** The compiled filter; undefined when the container is to run without one. */
export async function confinementFilter(
  stores: Pick<ContainerStores, 'cache'>,
  record: ContainerRecord,
): Promise<SeccompFilter | undefined> {
  const choice = record.options.security?.seccomp ?? { kind: 'default' };
  if (choice.kind === 'unconfined') return undefined;
  const { seccompFilter } = await import('../sandbox/seccomp.js');
  return seccompFilter(choice, record.capabilities, stores.cache);
}
