/** Resource limits as `--ulimit` writes them. */
import { CoracleError } from '../errors.js';

/** `name` as in setrlimit(2), lower case without RLIMIT_; -1 is unlimited. */
export type Rlimit = { readonly name: string; readonly soft: number; readonly hard: number };

const names = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/**
 * Reads `NAME=SOFT[:HARD]`; without HARD both are SOFT, `-1` and `unlimited` lift the limit.
 * @throws USAGE for an unknown name, a bad number, or a soft limit above the hard one.
 */
export function parseRlimit(text: string): Rlimit {
  const match = /^([a-z]+)=(-1|\d+|unlimited)(?::(-1|\d+|unlimited))?$/i.exec(text);
  const name = match?.[1]?.toLowerCase() ?? '';
  if (match === null || !names.includes(name)) {
    throw new CoracleError('USAGE', `parse ulimit "${text}": expected NAME=SOFT[:HARD]`, {
      hint: `names: ${names.join(' ')}; -1 is unlimited`,
    });
  }
  const soft = limit(match[2] ?? '');
  const hard = match[3] === undefined ? soft : limit(match[3]);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new CoracleError('USAGE', `parse ulimit "${text}": the soft limit is above the hard one`);
  }
  return { name, soft, hard };
}

function limit(text: string): number {
  return text === 'unlimited' ? -1 : Number(text);
}
