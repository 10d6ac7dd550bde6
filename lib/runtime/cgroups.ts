/** Control groups of version 2: what is to be made for a container, decided. */
import { join, normalize } from 'node:path';
import { CoracleError } from '../errors.js';
import { cgroupMount, cgroupOf } from '../host/cgroup.js';
import type { BundleLinux } from '../oci/bundle-linux.js';

export type CgroupManager = 'cgroupfs' | 'systemd' | 'disabled';

/** A cgroup to make, by hand or as a scope of systemd. */
export type CgroupWish =
  | { readonly kind: 'none' }
  | { readonly kind: 'directory'; readonly path: string; readonly needed: boolean }
  | { readonly kind: 'scope'; readonly unit: string; readonly slice: string | undefined };

/** What the decision looks at. */
export type CgroupFacts = {
  /** Where the hierarchy of version 2 alone is mounted. */
  readonly mount: string | undefined;
  /** Our own cgroup in it. */
  readonly own: string;
};

export type CgroupDecision = { readonly wish: CgroupWish; readonly warnings: readonly string[] };

/**
 * The cgroup of container `id`. Where limits are given there must be one; with the manager `disabled` the caller knows that
 * there is none.
 * @throws UNSUPPORTED naming the limit that would not hold.
 */
export function chooseCgroup(
  id: string,
  linux: BundleLinux,
  manager: CgroupManager,
  facts: CgroupFacts,
): CgroupDecision {
  const { limits, unsupported } = linux.resources;
  if (manager === 'disabled') return { wish: { kind: 'none' }, warnings: notApplied(limits) };
  const [first] = unsupported;
  if (first !== undefined) throw refuseLimit(first, 'this runtime does not set it');
  if (limits.length === 0 && linux.cgroupsPath === '') return { wish: { kind: 'none' }, warnings: [] };
  if (facts.mount === undefined) {
    if (limits[0] !== undefined) throw refuseLimit(limits[0], 'this host has no cgroups of version 2 alone');
    return {
      wish: { kind: 'none' },
      warnings: [`no cgroup is made: linux.cgroupsPath ${linux.cgroupsPath}`],
    };
  }
  const wish =
    manager === 'systemd'
      ? scopeOf(id, linux.cgroupsPath)
      : directoryOf(id, linux.cgroupsPath, facts.mount, facts.own, limits.length > 0);
  return { wish, warnings: [] };
}

function notApplied(limits: readonly string[]): readonly string[] {
  return limits.length === 0 ? [] : [`limits are not applied: linux.resources.${limits.join(', ')}`];
}

function refuseLimit(name: string, reason: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `use linux.resources.${name}: ${reason}`, {
    hint: 'leave the limit out, or take --cgroup-manager disabled (podman run --cgroups=disabled)',
  });
}

/** `slice:prefix:name`; without a slice that of the user's manager. */
function scopeOf(id: string, path: string): CgroupWish {
  const [slice, prefix, name, ...more] = path === '' ? ['', 'coracle-oci', id] : path.split(':');
  const unit = `${prefix === '' ? '' : `${prefix}-`}${name}.scope`;
  const named = (text: string): boolean => /^[A-Za-z0-9_.\\:-]+$/.test(text) && !text.startsWith('.');
  if (name === undefined || more.length > 0 || !named(unit) || (slice !== '' && !named(slice ?? '')))
    throw new CoracleError(
      'INVALID',
      `use linux.cgroupsPath ${JSON.stringify(path)}: it is not slice:prefix:name`,
    );
  return { kind: 'scope', unit, slice: slice === '' ? undefined : slice };
}

function directoryOf(id: string, path: string, mount: string, own: string, needed: boolean): CgroupWish {
  const below = path === '' ? join(own, `coracle-oci-${id}`) : path.startsWith('/') ? path : join(own, path);
  if (path.includes('\0') || path.split('/').includes('..') || normalize(below) === '/')
    throw new CoracleError(
      'INVALID',
      `use linux.cgroupsPath ${JSON.stringify(path)}: it is no place for a cgroup`,
    );
  return { kind: 'directory', path: join(mount, below), needed };
}

/** What systemd knows of the limits: it would write its own values over those it was not told. */
export function scopeProperties(
  files: readonly (readonly [name: string, value: string])[],
): readonly (readonly [name: string, value: string])[] {
  const names: Readonly<Record<string, string>> = {
    'memory.max': 'MemoryMax',
    'memory.low': 'MemoryLow',
    'memory.swap.max': 'MemorySwapMax',
    'pids.max': 'TasksMax',
    'cpu.weight': 'CPUWeight',
  };
  return files.flatMap(([name, value]) => {
    const property = names[name];
    if (property !== undefined && /^\d+$/.test(value)) return [[property, value] as const];
    const [quota, period] = name === 'cpu.max' ? value.split(' ').map(Number) : [];
    if (quota === undefined || period === undefined || Number.isNaN(quota)) return [];
    return [['CPUQuotaPerSecUSec', `${Math.ceil((quota / period) * 1_000_000)}`] as const];
  });
}

/** The facts of this machine: a hierarchy without controllers is none. */
export function readCgroupFacts(): CgroupFacts {
  const mount = cgroupMount();
  return { mount: mount === '/sys/fs/cgroup' ? mount : undefined, own: cgroupOf('self') ?? '/' };
}
