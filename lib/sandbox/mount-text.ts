/** What the texts of `-v`, `--mount` and `--tmpfs` have in common: paths, names, words, and how they are refused. */
import { homedir } from 'node:os';
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import { type MountManners, type Propagation, propagations } from './mount.js';

/** A flag and its text, for messages. */
export type FlagText = { readonly flag: 'volume' | 'mount' | 'tmpfs'; readonly text: string };

/** @throws USAGE */
export function bad({ flag, text }: FlagText, reason: string): CoracleError {
  return new CoracleError('USAGE', `parse ${flag} "${text}": ${reason}`);
}

/** @throws UNSUPPORTED */
export function refusedOption({ flag, text }: FlagText, option: string, hint?: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `parse ${flag} "${text}": option "${option}" is not supported`, {
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Why idmapped mounts are refused. */
export const noIdMaps = 'the kernel lets root alone map the ids of file systems; U changes owners instead';

/** A path of this host, where the text is one: it begins with `/`, `.` or `~/`. */
export function hostPath(source: string, cwd: string): string | undefined {
  if (source.startsWith('~/')) return posix.join(homedir(), source.slice(2));
  return source.startsWith('/') || source.startsWith('.') ? posix.resolve(cwd, source) : undefined;
}

/** @throws USAGE */
export function volumeName(name: string, { flag, text }: FlagText): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) return name;
  throw new CoracleError('USAGE', `parse ${flag} "${text}": "${name}" is no volume name`, {
    hint: 'a volume name begins with a letter or digit and has only those, _, . and -; a host path begins with / or ./',
  });
}

/** An absolute path of the container, without an end that means nothing. @throws USAGE */
export function target(path: string, what: FlagText): string {
  if (!path.startsWith('/')) throw bad(what, `the destination "${path}" is not an absolute path`);
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw bad(what, 'the destination is the root of the container');
  return clean;
}

/** A part of a volume or image: below it, whatever is written. @throws USAGE */
export function subpath(path: string, what: FlagText): string | undefined {
  const clean = posix.normalize(path).replace(/^\/+/, '').replace(/\/$/, '');
  if (path.split('/').includes('..')) throw bad(what, `the subpath "${path}" leads out with ..`);
  return clean === '' || clean === '.' ? undefined : clean;
}

/** An octal mode. @throws USAGE */
export function octal(text: string, what: FlagText): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw bad(what, `mode ${text} is not octal`);
  return Number.parseInt(text, 8);
}

/** @throws USAGE */
export function count(name: string, text: string, what: FlagText): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 32) return Number(text);
  throw bad(what, `${name} is a number, not "${text}"`);
}

export function isPropagation(text: string): text is Propagation {
  return propagations.some((known) => known === text);
}

/** `{[key]: true}`, or nothing where it does not hold. */
export function flagged<K extends string>(key: K, holds: boolean | undefined): { readonly [P in K]?: true } {
  return holds === true ? ({ [key]: true } as { readonly [P in K]?: true }) : {};
}

/** Words of which a mount can have one. */
const alternatives: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['exec', 'noexec'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['bind', 'rbind'],
  ['copy', 'nocopy'],
  ['z', 'Z'],
  propagations,
];

/** @throws USAGE where two words exclude each other. */
export function checkAlternatives(words: readonly string[], what: FlagText): void {
  for (const group of alternatives) {
    const [first, second] = group.filter((word) => words.includes(word));
    if (second !== undefined) throw bad(what, `${first} and ${second} exclude each other`);
  }
}

/** What single words say; undefined for one that is none of these. */
export function mannerOf(word: string): MountManners | undefined {
  switch (word) {
    case 'nosuid':
    case 'nodev':
    case 'cached':
    case 'delegated':
    case 'consistent':
      return {};
    case 'suid':
      return { suid: true };
    case 'dev':
      return { dev: true };
    case 'U':
      return { chown: true };
    case 'z':
      return { relabel: 'shared' };
    case 'Z':
      return { relabel: 'private' };
    default:
      return isPropagation(word) ? withPropagation(word) : undefined;
  }
}

/** What every mount has anyway is left out. */
export function withPropagation(propagation: Propagation): MountManners {
  return propagation === 'private' || propagation === 'rprivate' ? {} : { propagation };
}
