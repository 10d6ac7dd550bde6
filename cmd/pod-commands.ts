/** The table's rows for pods. */
import type { CommandEntry } from './command-entry.js';

const group = 'Containers';

export const podCommands: readonly CommandEntry[] = [
  {
    name: 'pod create',
    summary: 'Make a pod: containers that share a network and more',
    group,
    load: () => import('./pod-create.js'),
  },
  {
    name: 'pod exists',
    summary: 'Tell whether there is a pod',
    group,
    load: () => import('./pod-exists.js'),
  },
  {
    name: 'pod inspect',
    summary: 'Show everything known about pods',
    group,
    load: () => import('./pod-inspect.js'),
  },
  {
    name: 'pod kill',
    summary: 'Send a signal to the containers of pods',
    group,
    load: () => import('./pod-kill.js'),
  },
  {
    name: 'pod logs',
    summary: 'Print the logs of the containers of a pod',
    group,
    load: () => import('./pod-logs.js'),
  },
  {
    name: 'pod pause',
    summary: 'Let the containers of pods stand still',
    group,
    load: () => import('./pod-pause.js'),
  },
  {
    name: 'pod prune',
    summary: 'Remove pods of which nothing runs',
    group,
    load: () => import('./pod-prune.js'),
  },
  {
    name: 'pod ps',
    aliases: ['pod ls', 'pod list'],
    summary: 'List pods',
    group,
    load: () => import('./pod-ps.js'),
  },
  {
    name: 'pod restart',
    summary: 'Stop the containers of pods and start them again',
    group,
    load: () => import('./pod-restart.js'),
  },
  { name: 'pod rm', summary: 'Remove pods with their containers', group, load: () => import('./pod-rm.js') },
  { name: 'pod start', summary: 'Start the containers of pods', group, load: () => import('./pod-start.js') },
  {
    name: 'pod stats',
    summary: 'Show what the containers of pods use',
    group,
    load: () => import('./pod-stats.js'),
  },
  { name: 'pod stop', summary: 'Stop the containers of pods', group, load: () => import('./pod-stop.js') },
  {
    name: 'pod top',
    summary: 'Show the processes of the containers of a pod',
    group,
    load: () => import('./pod-top.js'),
  },
  { name: 'pod unpause', summary: 'Let paused pods go on', group, load: () => import('./pod-unpause.js') },
];
