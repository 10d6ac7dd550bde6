/** The table's rows for images made step by step. */
import { type CommandEntry, entry } from './command-entry.js';

export const workingCommands: readonly CommandEntry[] = [
  entry(
    'Build and run',
    'working from',
    'Make a working container of an image, or of scratch',
    () => import('./working-from.js'),
  ),
  entry(
    'Build and run',
    'working run',
    'Run a command in a working container',
    () => import('./working-run.js'),
  ),
  entry(
    'Build and run',
    'working copy',
    'Copy files into a working container',
    () => import('./working-copy.js'),
  ),
  entry(
    'Build and run',
    'working add',
    'Copy files, archives, URLs or git repositories into a working container',
    () => import('./working-add.js'),
  ),
  entry(
    'Build and run',
    'working config',
    'Change what the image will say of itself',
    () => import('./working-config.js'),
  ),
  entry(
    'Build and run',
    'working commit',
    'Make an image of a working container',
    () => import('./working-commit.js'),
  ),
  entry(
    'Build and run',
    'working containers',
    'List working containers',
    () => import('./working-containers.js'),
    ['working ls', 'working list'],
  ),
  entry(
    'Build and run',
    'working inspect',
    'Show everything known about a working container',
    () => import('./working-inspect.js'),
  ),
  entry(
    'Build and run',
    'working rename',
    'Give a working container another name',
    () => import('./working-rename.js'),
  ),
  entry('Build and run', 'working rm', 'Remove working containers', () => import('./working-rm.js'), [
    'working delete',
  ]),
  entry(
    'Build and run',
    'working mount',
    'Mount working containers for programs of this host',
    () => import('./working-mount.js'),
  ),
  entry(
    'Build and run',
    'working umount',
    'Unmount working containers',
    () => import('./working-umount.js'),
    ['working unmount'],
  ),
];
