/** The table's rows for networks. */
import type { CommandEntry } from './command-entry.js';

const group = 'Containers';

export const networkCommands: readonly CommandEntry[] = [
  {
    name: 'network connect',
    summary: 'Put a container on a network',
    group,
    load: () => import('./network-connect.js'),
  },
  {
    name: 'network create',
    summary: 'Make a network',
    group,
    load: () => import('./network-create.js'),
  },
  {
    name: 'network disconnect',
    summary: 'Take a container off a network',
    group,
    load: () => import('./network-disconnect.js'),
  },
  {
    name: 'network exists',
    summary: 'Tell whether there is a network',
    group,
    load: () => import('./network-exists.js'),
  },
  {
    name: 'network inspect',
    summary: 'Show everything known about networks',
    group,
    load: () => import('./network-inspect.js'),
  },
  {
    name: 'network ls',
    aliases: ['network list'],
    summary: 'List networks',
    group,
    load: () => import('./network-ls.js'),
  },
  {
    name: 'network prune',
    summary: 'Remove networks that no container is on',
    group,
    load: () => import('./network-prune.js'),
  },
  {
    name: 'network reload',
    summary: "Set up running containers' networks again",
    group,
    load: () => import('./network-reload.js'),
  },
  {
    name: 'network rm',
    aliases: ['network remove'],
    summary: 'Remove networks',
    group,
    load: () => import('./network-rm.js'),
  },
  {
    name: 'network update',
    summary: 'Change the name servers of a network',
    group,
    load: () => import('./network-update.js'),
  },
];
