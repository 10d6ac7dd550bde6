/** Every command's name and one-line summary; the command itself is loaded when it is used. */
import { type CommandEntry, entry } from './command-entry.js';
import { imageCommands } from './image-commands.js';
import { networkCommands } from './network-commands.js';
import { ociCommands } from './oci-commands.js';
import { podCommands } from './pod-commands.js';
import { volumeCommands } from './volume-commands.js';
import { workingCommands } from './working-commands.js';

/** What the first word of two-word commands stands for. */
export type CommandGroup = { readonly name: string; readonly summary: string };

export const groups: readonly CommandGroup[] = [
  { name: 'builder', summary: 'Look after the build cache' },
  { name: 'working', summary: 'Make images step by step, without a Dockerfile' },
  { name: 'container', summary: 'Everything about containers' },
  { name: 'image', summary: 'Everything about images' },
  { name: 'artifact', summary: 'Files of any kind, in the store and at registries' },
  { name: 'manifest', summary: 'Lists of images for several platforms' },
  { name: 'network', summary: 'Networks of containers' },
  { name: 'pod', summary: 'Containers that share a network and more' },
  { name: 'secret', summary: 'What containers are told in confidence' },
  { name: 'volume', summary: 'Directories that outlive containers' },
  { name: 'healthcheck', summary: 'Check how containers do' },
  { name: 'system', summary: 'Look after the store' },
  { name: 'oci', summary: 'Containers of bundles: the runtime for podman, buildah and others' },
];

export const commands: readonly CommandEntry[] = [
  entry('Build and run', 'build', 'Build an image from a Dockerfile', () => import('./build.js'), [
    'image build',
  ]),
  entry('Build and run', 'run', 'Run a command in a new container', () => import('./run.js'), [
    'container run',
  ]),
  entry('Build and run', 'exec', 'Run a command in a running container', () => import('./exec.js'), [
    'container exec',
  ]),
  entry(
    'Build and run',
    'unshare',
    "Run a program as root of the containers' user namespace",
    () => import('./unshare.js'),
  ),
  entry('Containers', 'mount', 'Mount containers for programs of this host', () => import('./mount.js'), [
    'container mount',
  ]),
  entry('Containers', 'umount', 'Unmount containers', () => import('./umount.js'), [
    'unmount',
    'container umount',
    'container unmount',
  ]),
  entry('Containers', 'create', 'Make a container without starting it', () => import('./create.js'), [
    'container create',
  ]),
  entry('Containers', 'start', 'Start containers that exist', () => import('./start.js'), [
    'container start',
  ]),
  entry('Containers', 'restart', 'Stop containers and start them again', () => import('./restart.js'), [
    'container restart',
  ]),
  entry('Containers', 'attach', 'Attach to a running container', () => import('./attach.js'), [
    'container attach',
  ]),
  entry('Containers', 'rename', 'Give a container another name', () => import('./rename.js'), [
    'container rename',
  ]),
  entry('Containers', 'update', 'Change how a container is looked after', () => import('./update.js'), [
    'container update',
  ]),
  entry('Containers', 'port', 'Show the published ports of a container', () => import('./port.js'), [
    'container port',
  ]),
  entry('Build and run', 'builder du', 'Show what the build cache holds', () => import('./builder-du.js')),
  entry('Build and run', 'builder prune', 'Remove build cache', () => import('./builder-prune.js')),
  entry('Containers', 'pause', 'Have the processes of containers stand still', () => import('./pause.js'), [
    'container pause',
  ]),
  entry('Containers', 'unpause', 'Let paused containers go on', () => import('./unpause.js'), [
    'container unpause',
  ]),
  entry('Containers', 'top', 'Show the processes of a container', () => import('./top.js'), [
    'container top',
  ]),
  entry(
    'Containers',
    'healthcheck run',
    "Run a container's health check now",
    () => import('./healthcheck-run.js'),
  ),
  entry('Containers', 'stats', 'Show what containers use', () => import('./stats.js'), ['container stats']),
  entry('Containers', 'ps', 'List containers', () => import('./ps.js'), [
    'list',
    'container ps',
    'container ls',
    'container list',
  ]),
  entry('Containers', 'logs', 'Print the logs of containers', () => import('./logs.js'), ['container logs']),
  entry('Containers', 'stop', 'Stop running containers', () => import('./stop.js'), ['container stop']),
  entry('Containers', 'kill', 'Send a signal to running containers', () => import('./kill.js'), [
    'container kill',
  ]),
  entry('Containers', 'rm', 'Remove containers', () => import('./rm.js'), ['container rm']),
  entry(
    'Containers',
    'wait',
    'Wait until containers stop, print their exit codes',
    () => import('./wait.js'),
    ['container wait'],
  ),
  entry(
    'Containers',
    'inspect',
    'Show everything known about containers or images',
    () => import('./inspect.js'),
  ),
  entry(
    'Containers',
    'container inspect',
    'Show everything known about containers',
    () => import('./container-inspect.js'),
  ),
  entry(
    'Containers',
    'container exists',
    'Tell whether there is a container',
    () => import('./container-exists.js'),
  ),
  entry(
    'Containers',
    'container prune',
    'Remove containers that do not run',
    () => import('./container-prune.js'),
  ),
  entry('Containers', 'secret create', 'Keep a secret', () => import('./secret-create.js')),
  entry('Containers', 'secret exists', 'Tell whether there is a secret', () => import('./secret-exists.js')),
  entry('Containers', 'secret inspect', 'Show what is known of secrets', () => import('./secret-inspect.js')),
  entry('Containers', 'secret ls', 'List secrets', () => import('./secret-ls.js'), ['secret list']),
  entry('Containers', 'secret rm', 'Remove secrets', () => import('./secret-rm.js'), ['secret remove']),
  entry('This host', 'events', 'Show what happens in the store', () => import('./events.js'), [
    'system events',
  ]),
  entry(
    'This host',
    'system start',
    'Start the containers that are to run after a boot',
    () => import('./system-start.js'),
  ),
  entry(
    'This host',
    'system unit',
    'Print or install a systemd unit that does so',
    () => import('./system-unit.js'),
  ),
  entry(
    'This host',
    'system check',
    'Check the store and mend what is damaged',
    () => import('./system-check.js'),
  ),
  entry('This host', 'system df', 'Show what the store takes on the disk', () => import('./system-df.js')),
  entry('This host', 'system reset', 'Remove the whole store', () => import('./system-reset.js')),
  entry('This host', 'system prune', 'Remove what no container uses', () => import('./system-prune.js')),
  ...imageCommands,
  entry('Registries', 'pull', 'Download an image from a registry', () => import('./pull.js'), ['image pull']),
  entry('Registries', 'push', 'Upload an image to a registry', () => import('./push.js'), ['image push']),
  entry('Registries', 'login', 'Log in to a registry', () => import('./login.js')),
  entry('Registries', 'logout', 'Forget the login to a registry', () => import('./logout.js')),
  entry(
    'This host',
    'doctor',
    'Say what this host can and cannot do, and the fix for each',
    () => import('./doctor.js'),
  ),
  entry('This host', 'info', 'Show the store and the modes in use', () => import('./info.js'), [
    'system info',
  ]),
  entry('This host', 'version', 'Show the version', () => import('./version.js')),
  entry(
    'This host',
    'completion',
    'Print a completion script for bash, zsh or fish',
    () => import('./completion.js'),
  ),
  entry('Containers', 'cp', 'Copy files between containers and this host', () => import('./cp.js'), [
    'container cp',
  ]),
  entry(
    'Containers',
    'diff',
    'Show what a container changed over its image, or an image over its base',
    () => import('./diff.js'),
    ['container diff'],
  ),
  entry('Containers', 'export', "Write a container's files as a tar", () => import('./export.js'), [
    'container export',
  ]),
  entry(
    'Containers',
    'commit',
    'Make an image of a container and what it changed',
    () => import('./commit.js'),
    ['container commit'],
  ),
  ...podCommands,
  ...volumeCommands,
  ...ociCommands,
  ...workingCommands,
  ...networkCommands,
];

/** What words mean: a command and how many of the words name it, or a group whose verb is missing or unknown. */
export type Found =
  | { readonly kind: 'command'; readonly entry: CommandEntry; readonly words: 1 | 2 | 3 }
  | { readonly kind: 'group'; readonly group: CommandGroup };

/** Reads the beginning of `words`; undefined when the first one names nothing. */
export function findCommand(words: readonly string[]): Found | undefined {
  const [first = ''] = words;
  for (const count of [3, 2, 1] as const) {
    const entry = words.length < count ? undefined : entryOf(words.slice(0, count).join(' '));
    if (entry !== undefined) return { kind: 'command', entry, words: count };
  }
  const group = groups.find(({ name }) => name === first);
  return group === undefined ? undefined : { kind: 'group', group };
}

/** The verbs of a group, aliases of other commands included, each with its entry. */
export function verbsOf(
  group: CommandGroup,
): readonly { readonly verb: string; readonly entry: CommandEntry }[] {
  const prefix = `${group.name} `;
  return commands.flatMap((entry) =>
    [entry.name, ...(entry.aliases ?? [])]
      .filter((name) => name.startsWith(prefix))
      .map((name) => ({ verb: name.slice(prefix.length), entry })),
  );
}

/** Words that may stand first. */
export function firstWords(): readonly string[] {
  const single = commands.filter(({ name }) => !name.includes(' ')).map(({ name }) => name);
  return [...single, ...groups.map(({ name }) => name)];
}

function entryOf(name: string): CommandEntry | undefined {
  return commands.find((one) => one.name === name || one.aliases?.includes(name) === true);
}
