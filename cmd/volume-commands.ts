/** The table's rows for volumes. */
import type { CommandEntry } from './command-entry.js';

const group = 'Containers';

export const volumeCommands: readonly CommandEntry[] = [
  {
    name: 'volume create',
    summary: 'Make a volume',
    group,
    load: () => import('./volume-create.js'),
  },
  {
    name: 'volume exists',
    summary: 'Tell whether there is a volume',
    group,
    load: () => import('./volume-exists.js'),
  },
  {
    name: 'volume export',
    summary: "Write a volume's files as a tar",
    group,
    load: () => import('./volume-export.js'),
  },
  {
    name: 'volume import',
    summary: "Unpack a tar over a volume's files",
    group,
    load: () => import('./volume-import.js'),
  },
  {
    name: 'volume inspect',
    summary: 'Show everything known about volumes',
    group,
    load: () => import('./volume-inspect.js'),
  },
  {
    name: 'volume ls',
    aliases: ['volume list'],
    summary: 'List volumes',
    group,
    load: () => import('./volume-ls.js'),
  },
  {
    name: 'volume mount',
    summary: "Print where a volume's files are",
    group,
    load: () => import('./volume-mount.js'),
  },
  {
    name: 'volume prune',
    summary: 'Remove volumes that no container has',
    group,
    load: () => import('./volume-prune.js'),
  },
  {
    name: 'volume rm',
    aliases: ['volume remove'],
    summary: 'Remove volumes',
    group,
    load: () => import('./volume-rm.js'),
  },
  {
    name: 'volume unmount',
    aliases: ['volume umount'],
    summary: 'Undo volume mount',
    group,
    load: () => import('./volume-unmount.js'),
  },
];
