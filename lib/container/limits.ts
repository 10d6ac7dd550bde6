/** Limits of what a container may use, by the names of their flags. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';

/** Bytes, CPUs, counts and lists as the flags have them. */
export type ResourceLimits = {
  readonly memory?: number | undefined;
  readonly 'memory-reservation'?: number | undefined;
  /** Memory and swap together; -1 unlimited. */
  readonly 'memory-swap'?: number | undefined;
  readonly cpus?: number | undefined;
  readonly 'cpu-shares'?: number | undefined;
  /** Microseconds. */
  readonly 'cpu-period'?: number | undefined;
  readonly 'cpu-quota'?: number | undefined;
  readonly 'cpuset-cpus'?: string | undefined;
  readonly 'cpuset-mems'?: string | undefined;
  /** -1 and 0: unlimited. */
  readonly 'pids-limit'?: number | undefined;
  readonly 'blkio-weight'?: number | undefined;
};

/** The names of the limits that were asked for. */
export function limitNames(limits: ResourceLimits): readonly string[] {
  return Object.entries(limits)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `--${name}`);
}

/** Why they are not applied, and what would help; undefined where nothing is asked for. */
export function limitsProblem(
  limits: ResourceLimits | undefined,
): { readonly text: string; readonly hint: string } | undefined {
  const names = limits === undefined ? [] : limitNames(limits);
  if (names.length === 0) return undefined;
  const { reason, hint } = cgroupState();
  const subject = names.length === 1 ? 'limit' : 'limits';
  return { text: `${subject} not applied: ${names.join(', ')}: ${reason}`, hint };
}

/** @throws HOST naming the limits that cannot be applied. */
export function requireLimits(limits: ResourceLimits | undefined): void {
  const problem = limitsProblem(limits);
  if (problem !== undefined) throw new CoracleError('HOST', problem.text, { hint: problem.hint });
}

function cgroupState(): { readonly reason: string; readonly hint: string } {
  const own = readText('/proc/self/cgroup')
    ?.split('\n')
    .find((line) => line.startsWith('0::'))
    ?.slice(3);
  if (own === undefined || !existsSync('/sys/fs/cgroup/cgroup.controllers')) {
    return {
      reason: 'this host has no cgroup v2 hierarchy for them',
      hint: 'boot with systemd.unified_cgroup_hierarchy=1; coracle doctor tells more',
    };
  }
  const given = readText(join('/sys/fs/cgroup', own, 'cgroup.controllers'))?.trim() ?? '';
  return {
    reason: `this version sets no limits by cgroups${given === '' ? ', and none are delegated to you' : ''}`,
    hint: 'use --ulimit, or run coracle in a systemd scope that has the limits: systemd-run --user --scope -p MemoryMax=…',
  };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}
