/** Values of `run` that are more than a text. */
import { resolve } from 'node:path';
import { CoracleError, parseSize, type RunRequest } from '../../lib/index.js';
import { readAssignments } from './texts.js';

/** `no`, `always`, `unless-stopped`, `on-failure[:N]`. */
export function readRestart(text: string): NonNullable<RunRequest['restart']> {
  const match = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/.exec(text);
  const name = match?.[1];
  const maximum = Number(match?.[2] ?? 0);
  if (name === 'on-failure') return { name, maximum };
  if (match?.[2] === undefined && (name === 'no' || name === 'always' || name === 'unless-stopped')) {
    return { name, maximum: 0 };
  }
  throw new CoracleError(
    'USAGE',
    `invalid argument "${text}" for --restart: must be no, always, unless-stopped or on-failure[:N]`,
  );
}

/** `--log-driver` and `--log-opt`. */
export function readLog(driver: string | undefined, options: readonly string[]): RunRequest['log'] {
  if (driver === undefined && options.length === 0) return undefined;
  const values = readAssignments('--log-opt', options, undefined);
  const { 'max-size': size, 'max-file': files, path, tag, ...others } = values;
  const chosen = readDriver(driver);
  const inFile = chosen === 'k8s-file' || chosen === 'json-file';
  const misplaced = [
    ...Object.keys(others),
    ...(inFile ? [] : ['max-size', 'max-file', 'path'].filter((name) => values[name] !== undefined)),
    // The lines of k8s-file have no place for it.
    ...(tag === undefined || chosen === 'json-file' || chosen === 'journald' ? [] : ['tag']),
  ];
  if (misplaced[0] !== undefined) {
    throw new CoracleError('UNSUPPORTED', `use --log-opt ${misplaced[0]}: not with --log-driver ${chosen}`, {
      hint: 'max-size, max-file and path are for k8s-file and json-file, tag for json-file and journald',
    });
  }
  return {
    driver: chosen,
    ...(size === undefined || size === '-1' ? {} : { maxSize: readSize('--log-opt max-size', size) }),
    ...(files === undefined ? {} : { maxFiles: readCount('--log-opt max-file', files) }),
    ...(path === undefined ? {} : { path: resolve(path) }),
    ...(tag === undefined ? {} : { tag }),
  };
}

const drivers = ['k8s-file', 'json-file', 'journald', 'passthrough', 'none'] as const;

function readDriver(text: string | undefined): (typeof drivers)[number] {
  return drivers.find((known) => known === text) ?? 'k8s-file';
}

function readCount(flag: string, text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: must be a positive number`);
}

/** Bytes of `64m`, `1g`. */
export function readSize(flag: string, text: string): number {
  return parseSize(text, flag);
}

/** An octal mode. */
export function readMode(flag: string, text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: must be an octal number`);
}

/** `--oom-score-adj`. */
export function readOomScore(value: number | undefined): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= -1000 && value <= 1000)) return value;
  throw new CoracleError(
    'USAGE',
    `invalid argument "${value}" for --oom-score-adj: must be from -1000 to 1000`,
  );
}
