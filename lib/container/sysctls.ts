/** Kernel settings that belong to a namespace of the container: the others are the host's. Pure. */
import { CoracleError } from '../errors.js';
import type { RunOptions } from './run-options.js';

const ipc = ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'];

/** @throws USAGE naming the setting that no container has for itself, or this one has not. */
export function checkSysctls({
  sysctls = {},
  namespaces = {},
  network,
  networkContainer,
}: Pick<RunOptions, 'sysctls' | 'namespaces' | 'network' | 'networkContainer'>): void {
  for (const key of Object.keys(sysctls)) {
    const name = key.replaceAll('/', '.');
    if (name.startsWith('net.')) {
      if (network === 'host' || networkContainer !== undefined) throw shared(key, 'network');
    } else if (name.startsWith('fs.mqueue.') || ipc.some((each) => name === `kernel.${each}`)) {
      const mode = namespaces.ipc?.mode;
      if (mode === 'host' || mode === 'container') throw shared(key, 'ipc');
    } else {
      throw new CoracleError('USAGE', `set sysctl ${key}: it is not of a namespace of the container`, {
        hint: 'net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* are; the rest is of the whole host',
      });
    }
  }
}

function shared(key: string, what: string): CoracleError {
  return new CoracleError('USAGE', `set sysctl ${key}: its ${what} namespace is not the container's own`);
}
