/** Health checks: what the image and the options ask for, and what the supervisor recorded of them. */
import { CoracleError } from '../errors.js';
import { readJson } from '../host/files.js';
import type { Healthcheck } from '../oci/container-config.js';
import { requireInteger, requireObject, requireString } from '../oci/guards.js';

/** What to do when a container has become unhealthy. */
export type HealthAction = 'none' | 'kill' | 'restart' | 'stop';

/** Options of `run` and `create`; durations in nanoseconds, as in an image's config. Absent fields are the image's. */
export type HealthOptions = Omit<Healthcheck, 'Test'> & {
  /** `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`. */
  readonly Test?: readonly string[] | undefined;
  readonly onFailure?: HealthAction | undefined;
  /** Results kept, and bytes of each. */
  readonly logCount?: number | undefined;
  readonly logSize?: number | undefined;
};

/** A check as the supervisor runs it. Milliseconds. */
export type ContainerHealthcheck = {
  /** As in an image's config. */
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
  readonly onFailure: HealthAction;
  readonly logCount: number;
  readonly logSize: number;
};

export type HealthStatus = 'starting' | 'healthy' | 'unhealthy';

export type HealthResult = {
  /** RFC 3339. */
  readonly start: string;
  readonly end: string;
  /** -1: it took too long. */
  readonly code: number;
  readonly output: string;
};

/** The supervisor's record. */
export type HealthRecord = {
  readonly status: HealthStatus;
  readonly failing: number;
  readonly log: readonly HealthResult[];
};

const perMillisecond = 1_000_000;
const defaults = { interval: 30_000, timeout: 30_000, startInterval: 5_000, retries: 3 } as const;

/** docker's rule: each option replaces the image's. Undefined where nothing is to be checked. @throws USAGE */
export function mergeHealthcheck(
  options: HealthOptions | undefined,
  image: Healthcheck | undefined,
  shell: readonly string[] = ['/bin/sh', '-c'],
): ContainerHealthcheck | undefined {
  const test = options?.Test ?? image?.Test ?? [];
  if (test.length === 0 || test[0] === 'NONE') return undefined;
  const merged = { ...image, ...definedFields(options ?? {}) };
  const startPeriod = milliseconds(merged.StartPeriod, 0);
  return {
    test: test[0] === 'CMD-SHELL' ? ['CMD', ...shell, test.slice(1).join(' ')] : test,
    interval: Math.max(1, milliseconds(merged.Interval, defaults.interval)),
    timeout: milliseconds(merged.Timeout, defaults.timeout),
    startPeriod,
    startInterval: startPeriod > 0 ? milliseconds(merged.StartInterval, defaults.startInterval) : 0,
    retries: merged.Retries === undefined || merged.Retries === 0 ? defaults.retries : merged.Retries,
    onFailure: options?.onFailure ?? 'none',
    logCount: options?.logCount ?? 5,
    logSize: options?.logSize ?? 500,
  };
}

function definedFields(options: HealthOptions): HealthOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** docker takes 0 for "the default". */
function milliseconds(nanoseconds: number | undefined, otherwise: number): number {
  return nanoseconds === undefined || nanoseconds === 0
    ? otherwise
    : Math.round(nanoseconds / perMillisecond);
}

/** The words of a check's command. @throws INVALID for a test of an image that is none. */
export function healthCommand({ test }: ContainerHealthcheck): readonly string[] {
  const [kind, ...words] = test;
  if (kind === 'CMD' && words.length > 0) return words;
  throw new CoracleError(
    'INVALID',
    `check health by ${JSON.stringify(test)}: it begins with neither CMD nor CMD-SHELL`,
    {
      hint: 'give another one with --health-cmd, or none with --no-healthcheck',
    },
  );
}

/** What the supervisor recorded in the container's directory; undefined before the first start. */
export function readHealth(directory: string): HealthRecord | undefined {
  const path = `${directory}/health`;
  const value = readJson(path);
  if (value === undefined) return undefined;
  const record = requireObject(value, path);
  const status = requireString(record.status, `${path}: status`);
  return {
    status: status === 'healthy' || status === 'unhealthy' ? status : 'starting',
    failing: requireInteger(record.failing, `${path}: failing`),
    log: Array.isArray(record.log) ? record.log.map((one: unknown) => parseResult(one, path)) : [],
  };
}

function parseResult(value: unknown, where: string): HealthResult {
  const result = requireObject(value, where);
  return {
    start: requireString(result.start, `${where}: start`),
    end: requireString(result.end, `${where}: end`),
    code: requireInteger(result.code, `${where}: code`),
    // The supervisor writes each byte as a character of its own.
    output: Buffer.from(requireString(result.output, `${where}: output`), 'latin1').toString('utf8'),
  };
}
