/** `--mount type=glob`: every file of this host that fits becomes a bind. */
import { existsSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { MountRequest } from '../sandbox/mount.js';

type GlobRequest = Extract<MountRequest, { readonly type: 'glob' }>;

/** @throws NOT_FOUND when nothing fits */
export function expandGlob({
  pattern,
  destination,
  type: _,
  ...manners
}: GlobRequest): readonly MountRequest[] {
  const found = filesThatFit(pattern);
  if (found.length === 0) {
    throw new CoracleError('NOT_FOUND', `bind ${pattern}: no file fits`);
  }
  return found.map((source) => ({
    type: 'bind',
    source,
    destination: posix.join(destination, posix.basename(source)),
    ...manners,
  }));
}

/** In the order of their names. As shells do it, a pattern does not mean names that begin with a dot unless it does too. */
export function filesThatFit(pattern: string): readonly string[] {
  return pattern
    .split('/')
    .filter((part) => part !== '')
    .reduce<readonly string[]>((places, part) => places.flatMap((place) => step(place, part)), ['/']);
}

function step(place: string, part: string): readonly string[] {
  if (!/[*?[\\]/.test(part)) {
    const path = posix.join(place, part);
    return existsSync(path) ? [path] : [];
  }
  const fits = compile(part);
  return namesIn(place)
    .filter((name) => (part.startsWith('.') || !name.startsWith('.')) && fits.test(name))
    .sort()
    .map((name) => posix.join(place, name));
}

/** One name's pattern: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before what stands for itself. */
function compile(part: string): RegExp {
  const source = part.replace(/\\(.)|\[([!^]?)((?:\\.|[^\]\\])+)\]|[\s\S]/g, (text, escaped, not, set) => {
    if (escaped !== undefined) return literal(escaped);
    if (set !== undefined) return `[${not === '' ? '' : '^'}${set.replace(/\[/g, '\\[')}]`;
    if (text === '*') return '.*';
    return text === '?' ? '.' : literal(text);
  });
  try {
    return new RegExp(`^${source}$`, 's');
  } catch (error) {
    throw new CoracleError('USAGE', `bind ${part}: not a pattern`, { cause: error });
  }
}

function literal(character: string): string {
  return character.replace(/[$()*+.?[\\\]^{|}]/, '\\$&');
}

function namesIn(place: string): readonly string[] {
  try {
    return readdirSync(place);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw ioError(`read ${place}`, error);
  }
}
