/** The table's rows for the runtime of bundles. */
import { type CommandEntry, entry } from './command-entry.js';

export const ociCommands: readonly CommandEntry[] = [
  entry(
    'Containers',
    'oci create',
    'Make a container of a bundle; its process waits for start',
    () => import('./oci/create.js'),
  ),
  entry(
    'Containers',
    'oci start',
    'Execute the process of a created container',
    () => import('./oci/start.js'),
  ),
  entry('Containers', 'oci state', 'Show the state of a container as JSON', () => import('./oci/state.js')),
  entry(
    'Containers',
    'oci kill',
    'Send a signal to the process of a container',
    () => import('./oci/kill.js'),
  ),
  entry(
    'Containers',
    'oci delete',
    'Remove what is left of a stopped container',
    () => import('./oci/delete.js'),
  ),
  entry(
    'Containers',
    'oci run',
    'Make a container of a bundle, start it, wait for its end and delete it',
    () => import('./oci/run.js'),
  ),
  entry(
    'Containers',
    'oci exec',
    'Execute one more process in a running container',
    () => import('./oci/exec.js'),
  ),
  entry('Containers', 'oci list', 'List the containers of bundles', () => import('./oci/list.js')),
  entry('Containers', 'oci ps', 'Show the processes of a container', () => import('./oci/ps.js')),
  entry(
    'Containers',
    'oci pause',
    'Have the processes of a container stand still',
    () => import('./oci/pause.js'),
  ),
  entry('Containers', 'oci resume', 'Let them go on', () => import('./oci/resume.js')),
  entry('Containers', 'oci spec', 'Write a config.json to begin with', () => import('./oci/spec.js')),
  entry(
    'Containers',
    'oci features',
    'Show what this runtime can do as JSON',
    () => import('./oci/features.js'),
  ),
  entry(
    'Containers',
    'oci version',
    'Show the version of the runtime and of the specification it follows',
    () => import('./oci/version.js'),
  ),
];
