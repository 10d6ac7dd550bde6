/** `--pid`, `--ipc`, `--uts`, `--cgroupns`: whose namespace a container is in. Pure. */
import { CoracleError } from '../errors.js';

/** The namespaces that these flags are about; networks and ids have flags of their own. */
export type NamespaceKind = 'pid' | 'ipc' | 'uts' | 'cgroup';

/** `shareable` is a private one that others may use; only ipc namespaces can be private to the exclusion of others. */
export type NamespaceChoice =
  | { readonly mode: 'private' | 'host' | 'shareable' | 'none' }
  | { readonly mode: 'container'; readonly container: string };

export type NamespaceChoices = Partial<Readonly<Record<NamespaceKind, NamespaceChoice>>>;

export type NamespaceFlags = {
  readonly pid?: string | undefined;
  readonly ipc?: string | undefined;
  readonly uts?: string | undefined;
  readonly cgroupns?: string | undefined;
};

const kinds = [
  ['pid', 'pid'],
  ['ipc', 'ipc'],
  ['uts', 'uts'],
  ['cgroup', 'cgroupns'],
] as const;

/** Undefined where all of them are the container's own. @throws USAGE, UNSUPPORTED */
export function parseNamespaceFlags(flags: NamespaceFlags): NamespaceChoices | undefined {
  const given = kinds.flatMap(([kind, flag]) => {
    const text = flags[flag];
    return text === undefined || text === '' ? [] : [[kind, parseChoice(flag, text)] as const];
  });
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function parseChoice(flag: string, text: string): NamespaceChoice {
  if (text === 'private' || text === 'host') return { mode: text };
  if (flag === 'ipc' && (text === 'shareable' || text === 'none')) return { mode: text };
  if (text.startsWith('container:')) {
    const container = text.slice('container:'.length);
    if (container !== '') return { mode: 'container', container };
    throw new CoracleError('USAGE', `use --${flag} container: which container?`, {
      hint: `for example --${flag} container:web`,
    });
  }
  if (text.startsWith('ns:')) {
    throw new CoracleError('UNSUPPORTED', `use --${flag} ${text}: only namespaces of containers are used`, {
      hint: `--${flag} container:NAME`,
    });
  }
  const more = flag === 'ipc' ? ', shareable, none' : '';
  throw new CoracleError('USAGE', `use --${flag} ${text}: no such mode`, {
    hint: `host, private${more} or container:NAME`,
  });
}

/** As it was given; `private` where nothing was. */
export function namespaceText(choice: NamespaceChoice | undefined): string {
  if (choice === undefined) return 'private';
  return choice.mode === 'container' ? `container:${choice.container}` : choice.mode;
}
