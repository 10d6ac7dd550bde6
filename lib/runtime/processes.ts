/** The processes of a container, as the host sees them. */
import { readdirSync, statSync } from 'node:fs';
import { hasErrno } from '../errors.js';
import { type ProcessFacts, readProcessFacts } from '../host/process-facts.js';
import { cgroupProcesses } from './cgroup-files.js';
import { type ContainerRecord, isRunning } from './records.js';

/**
 * All of them, the first one first. They are told by their cgroup; without one by their pid namespace, or where that is the
 * host's by their mount namespace, and one that left it for another of its own is not found.
 */
export function containerProcesses(record: ContainerRecord): readonly ProcessFacts[] {
  const first = isRunning(record) ? [record.pid] : [];
  const others = record.cgroup === '' ? byNamespace(record) : cgroupProcesses(record.cgroup);
  return [...new Set([...first, ...others])].flatMap((pid) => readProcessFacts(pid) ?? []);
}

function byNamespace(record: ContainerRecord): readonly number[] {
  const [name, inode] = record.ownPids
    ? (['pid', record.pidNamespace] as const)
    : (['mnt', record.mountNamespace] as const);
  return inode === 0 ? [] : pids().filter((pid) => namespaceOf(pid, name) === inode);
}

function pids(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Undefined for a process that is gone or not ours to look at. */
function namespaceOf(pid: number, name: 'pid' | 'mnt'): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/${name}`).ino;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
