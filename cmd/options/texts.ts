/** Reading texts that several commands take. */
import { readFileSync, writeFileSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../../lib/index.js';

/** `NAME=value` texts as a record; `NAME` alone takes its value from `env`, and is left out where it has none. */
export function readAssignments(
  flag: string,
  texts: readonly string[],
  env: Readonly<Record<string, string | undefined>> | undefined,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals === 0 || text === '') {
      throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: no name before =`);
    }
    const name = equals < 0 ? text : text.slice(0, equals);
    const value = equals < 0 ? (env === undefined ? '' : env[name]) : text.slice(equals + 1);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** The text of a file that a flag names. */
export function readTextFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EISDIR', 'EACCES')) {
      const reason = { ENOENT: 'no such file', EISDIR: 'it is a directory', EACCES: 'permission denied' };
      const why = Object.entries(reason).find(([code]) => code === error.code)?.[1];
      throw new CoracleError('USAGE', `read ${path} for ${flag}: ${why}`, { cause: error });
    }
    throw ioError(`read ${path} for ${flag}`, error);
  }
}

/** `-f FILTER=VALUE` texts as pairs; only known filters. */
export function readFilters<K extends string>(
  texts: readonly string[],
  known: readonly K[],
): readonly { readonly key: K; readonly value: string }[] {
  return texts.map((text) => {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const key = known.find((one) => one === name);
    if (key !== undefined && equals > 0) return { key, value: text.slice(equals + 1) };
    const reason = key === undefined ? `no such filter: ${name}` : 'expected FILTER=VALUE';
    throw new CoracleError('USAGE', `invalid argument "${text}" for --filter: ${reason}`, {
      hint: `filters: ${known.join(', ')}`,
    });
  });
}

/** Writes the text a flag asks to have in a file. */
export function writeTextFile(flag: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw ioError(`write ${path} for ${flag}`, error);
  }
}

/** One of the words that a flag takes; undefined stays so. @throws USAGE */
export function oneOf<T extends string>(
  flag: string,
  text: string | undefined,
  words: readonly T[],
): T | undefined {
  const found = words.find((word) => word === text);
  if (text === undefined || found !== undefined) return found;
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: ${words.join(', ')}`);
}
