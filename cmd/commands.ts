/** Every command's name and one-line summary; the command itself is loaded when it is used. */
import type { Command } from './command.js';

export type CommandEntry = {
  /** One word, or a group's word and a verb: `builder prune`. Aliases alike. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group: 'Build and run' | 'Containers' | 'Images' | 'Registries' | 'This host';
  readonly load: () => Promise<{ readonly command: Command }>;
};

/** What the first word of two-word commands stands for. */
export type CommandGroup = { readonly name: string; readonly summary: string };

export const groups: readonly CommandGroup[] = [{ name: 'builder', summary: 'Look after the build cache' }];

export const commands: readonly CommandEntry[] = [
  {
    name: 'build',
    summary: 'Build an image from a Dockerfile',
    group: 'Build and run',
    load: () => import('./build.js'),
  },
  {
    name: 'run',
    summary: 'Run a command in a new container',
    group: 'Build and run',
    load: () => import('./run.js'),
  },
  {
    name: 'exec',
    summary: 'Run a command in a running container',
    group: 'Build and run',
    load: () => import('./exec.js'),
  },
  {
    name: 'create',
    summary: 'Make a container without starting it',
    group: 'Containers',
    load: () => import('./create.js'),
  },
  {
    name: 'start',
    summary: 'Start containers that exist',
    group: 'Containers',
    load: () => import('./start.js'),
  },
  {
    name: 'restart',
    summary: 'Stop containers and start them again',
    group: 'Containers',
    load: () => import('./restart.js'),
  },
  {
    name: 'attach',
    summary: 'Attach to a running container',
    group: 'Containers',
    load: () => import('./attach.js'),
  },
  {
    name: 'rename',
    summary: 'Give a container another name',
    group: 'Containers',
    load: () => import('./rename.js'),
  },
  {
    name: 'port',
    summary: 'Show the published ports of a container',
    group: 'Containers',
    load: () => import('./port.js'),
  },
  {
    name: 'builder du',
    summary: 'Show what the build cache holds',
    group: 'Build and run',
    load: () => import('./builder-du.js'),
  },
  {
    name: 'builder prune',
    summary: 'Remove build cache',
    group: 'Build and run',
    load: () => import('./builder-prune.js'),
  },
  {
    name: 'ps',
    aliases: ['list'],
    summary: 'List containers',
    group: 'Containers',
    load: () => import('./ps.js'),
  },
  {
    name: 'logs',
    summary: 'Print the log of a container',
    group: 'Containers',
    load: () => import('./logs.js'),
  },
  { name: 'stop', summary: 'Stop running containers', group: 'Containers', load: () => import('./stop.js') },
  {
    name: 'kill',
    summary: 'Send a signal to running containers',
    group: 'Containers',
    load: () => import('./kill.js'),
  },
  { name: 'rm', summary: 'Remove containers', group: 'Containers', load: () => import('./rm.js') },
  {
    name: 'wait',
    summary: 'Wait until containers stop, print their exit codes',
    group: 'Containers',
    load: () => import('./wait.js'),
  },
  {
    name: 'inspect',
    summary: 'Show everything known about containers or images',
    group: 'Containers',
    load: () => import('./inspect.js'),
  },
  { name: 'images', summary: 'List images', group: 'Images', load: () => import('./images.js') },
  { name: 'tag', summary: 'Give an image another name', group: 'Images', load: () => import('./tag.js') },
  { name: 'rmi', summary: 'Remove images', group: 'Images', load: () => import('./rmi.js') },
  {
    name: 'import',
    summary: 'Make an image from a tar of a root file system',
    group: 'Images',
    load: () => import('./import.js'),
  },
  { name: 'load', summary: 'Load images from an archive', group: 'Images', load: () => import('./load.js') },
  { name: 'save', summary: 'Save images to an archive', group: 'Images', load: () => import('./save.js') },
  {
    name: 'pull',
    summary: 'Download an image from a registry',
    group: 'Registries',
    load: () => import('./pull.js'),
  },
  {
    name: 'push',
    summary: 'Upload an image to a registry',
    group: 'Registries',
    load: () => import('./push.js'),
  },
  { name: 'login', summary: 'Log in to a registry', group: 'Registries', load: () => import('./login.js') },
  {
    name: 'logout',
    summary: 'Forget the login to a registry',
    group: 'Registries',
    load: () => import('./logout.js'),
  },
  {
    name: 'doctor',
    summary: 'Say what this host can and cannot do, and the fix for each',
    group: 'This host',
    load: () => import('./doctor.js'),
  },
  {
    name: 'info',
    summary: 'Show the store and the modes in use',
    group: 'This host',
    load: () => import('./info.js'),
  },
  { name: 'version', summary: 'Show the version', group: 'This host', load: () => import('./version.js') },
  {
    name: 'completion',
    summary: 'Print a completion script for bash, zsh or fish',
    group: 'This host',
    load: () => import('./completion.js'),
  },
];

/** What words mean: a command and how many of the words name it, or a group whose verb is missing or unknown. */
export type Found =
  | { readonly kind: 'command'; readonly entry: CommandEntry; readonly words: 1 | 2 }
  | { readonly kind: 'group'; readonly group: CommandGroup };

/** Reads the beginning of `words`; undefined when the first one names nothing. */
export function findCommand(words: readonly string[]): Found | undefined {
  const [first = '', second] = words;
  const pair = second === undefined ? undefined : entryOf(`${first} ${second}`);
  if (pair !== undefined) return { kind: 'command', entry: pair, words: 2 };
  const entry = entryOf(first);
  if (entry !== undefined) return { kind: 'command', entry, words: 1 };
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
  return commands.find((entry) => entry.name === name || entry.aliases?.includes(name) === true);
}
