/** `--health-*` of `run` and `create`. */
import { CoracleError, parseDuration, type RunRequest } from '../../lib/index.js';
import type { Values } from '../command.js';
import type { healthOptions } from './container.js';

/** @throws USAGE for a time that is none, and for checks beside --no-healthcheck. */
export function readHealth(values: Values<typeof healthOptions>): RunRequest['health'] {
  if (values['no-healthcheck']) {
    if (values['health-cmd'] === undefined) return { Test: ['NONE'] };
    throw new CoracleError('USAGE', 'use --no-healthcheck and --health-cmd: only one of them at a time');
  }
  const health = {
    Test: values['health-cmd'] === undefined ? undefined : readTest(values['health-cmd']),
    Interval: readTime('--health-interval', values['health-interval']),
    Timeout: readTime('--health-timeout', values['health-timeout']),
    StartPeriod: readTime('--health-start-period', values['health-start-period']),
    StartInterval: readTime('--health-start-interval', values['health-start-interval']),
    Retries: readCount('--health-retries', values['health-retries'], 1000),
    onFailure: readAction(values['health-on-failure']),
    logCount: readCount('--health-max-log-count', values['health-max-log-count'], 100),
    logSize: readCount('--health-max-log-size', values['health-max-log-size'], 65_536),
  };
  const given = Object.fromEntries(Object.entries(health).filter(([, value]) => value !== undefined));
  return Object.keys(given).length === 0 ? undefined : given;
}

/** As podman: a JSON list is a command, everything else a line for the shell; `none` is none. */
function readTest(text: string): readonly string[] {
  if (text === 'none') return ['NONE'];
  if (!text.startsWith('[')) return ['CMD-SHELL', text];
  try {
    const words: unknown = JSON.parse(text);
    if (Array.isArray(words) && words.every((word): word is string => typeof word === 'string')) {
      return words[0] === 'CMD' || words[0] === 'CMD-SHELL' || words[0] === 'NONE'
        ? words
        : ['CMD', ...words];
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return ['CMD-SHELL', text];
}

function readTime(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = text === 'disable' ? 0 : parseDuration(text);
  if (time !== undefined && time >= 0) return time;
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: not a time`, {
    hint: 'such as 30s, 1m30s or 500ms',
  });
}

function readCount(flag: string, value: number | undefined, most: number): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= most)) return value;
  throw new CoracleError('USAGE', `invalid argument "${value}" for ${flag}: must be from 0 to ${most}`);
}

function readAction(text: string | undefined): 'none' | 'kill' | 'restart' | 'stop' | undefined {
  switch (text) {
    case 'none':
    case 'kill':
    case 'restart':
    case 'stop':
      return text;
    default:
      return undefined;
  }
}
