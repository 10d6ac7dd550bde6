/** SELinux, where it is on: what the files of containers are called. */
import { existsSync } from 'node:fs';

/** Whether the kernel enforces or at least knows labels. */
export function selinuxIsOn(directory = '/sys/fs/selinux'): boolean {
  return existsSync(`${directory}/enforce`);
}

const sharedLabel = 'system_u:object_r:container_file_t:s0';

/** The label of files that all containers may have, or one alone, by two categories that come of its id. */
export function fileLabel(relabel: 'shared' | 'private', id: string): string {
  if (relabel === 'shared') return sharedLabel;
  const first = Number.parseInt(id.slice(0, 4), 16) % 1024;
  const second = Number.parseInt(id.slice(4, 8), 16) % 1024;
  const other = first === second ? (second + 1) % 1024 : second;
  return `${sharedLabel}:c${Math.min(first, other)},c${Math.max(first, other)}`;
}
