/** The mounts of a bundle as records of a plan. What mount(8) knows and we do not do is refused by its name. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import type { PlanRecord } from '../native/plan.js';
import type { BundleMount } from '../oci/bundle-config.js';
import { unsupported } from '../oci/bundle-guards.js';

type Kind = 'proc' | 'sysfs' | 'cgroup2' | 'dev' | 'devpts' | 'mqueue' | 'tmpfs' | 'bind';

/** The `mount` records, in the bundle's order; relative sources are below the bundle. */
export function mountRecords(mounts: readonly BundleMount[], bundle: string): readonly PlanRecord[] {
  return mounts.map((mount, index) => {
    const where = `mounts[${index}] at ${mount.destination}`;
    const kind = kindOf(mount, where);
    const source = kind === 'bind' ? sourceOf(mount, bundle, where) : kind;
    const options = mount.options.flatMap((option) => translate(option, kind, where));
    return ['mount', kind, source, mount.destination, [...new Set(options)].join(',')];
  });
}

/** Devices that every container has; with a mount at /dev they come with it. */
export function deviceRecords(mounts: readonly BundleMount[]): readonly PlanRecord[] {
  if (mounts.some(({ destination }) => isDev(destination))) return [];
  return ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => [
    'device',
    `/dev/${name}`,
    `/dev/${name}`,
  ]);
}

function isDev(path: string): boolean {
  return /^\/+dev\/*$/.test(path);
}

function kindOf({ type, options, destination }: BundleMount, where: string): Kind {
  if (options.includes('bind') || options.includes('rbind') || type === 'bind') return 'bind';
  switch (type) {
    case 'tmpfs':
      return isDev(destination) ? 'dev' : 'tmpfs';
    case 'cgroup':
    case 'cgroup2':
      return 'cgroup2';
    case 'proc':
    case 'sysfs':
    case 'devpts':
    case 'mqueue':
      return type;
    default:
      throw unsupported(where, `file systems of type ${JSON.stringify(type)}`);
  }
}

function sourceOf({ source }: BundleMount, bundle: string, where: string): string {
  if (source === '' || source.includes('\0'))
    throw new CoracleError('INVALID', `parse ${where}: it has no source`);
  return source.startsWith('/') ? source : join(bundle, source);
}

/** They ask for what is so anyhow: binds and what is below them are private, times are relative. */
const implied = new Set(
  'bind rbind rw suid dev exec async atime diratime relatime norelatime nostrictatime private rprivate defaults nomand noiversion silent loud newinstance ptmxmode=0666 ptmxmode=666'.split(
    ' ',
  ),
);
const flags = new Set('ro nosuid nodev noexec noatime nodiratime strictatime'.split(' '));
/** The recursive spellings: a flag of ours holds for the whole tree in any case. */
const recursive = new Set('rro rnosuid rnodev rnoexec rnoatime rnodiratime rstrictatime'.split(' '));
const recursiveImplied = new Set('rrw rsuid rdev rexec ratime rdiratime rrelatime rnorelatime'.split(' '));
const values: Readonly<Partial<Record<Kind, readonly string[]>>> = {
  tmpfs: ['mode', 'size', 'uid', 'gid', 'nr_inodes'],
  dev: ['size'],
  devpts: ['mode', 'gid'],
};
/** The mode of /dev is always 0755: with another one files there could not be opened by other users. */
const ofDev = /^mode=0?755$/;

function translate(option: string, kind: Kind, where: string): readonly string[] {
  if (implied.has(option) || recursiveImplied.has(option)) return [];
  if (flags.has(option)) return [option];
  if (recursive.has(option)) return [option.slice(1)];
  if (kind === 'bind' && (option === 'rslave' || option === 'slave')) return ['slave'];
  if (option === 'tmpcopyup' && kind === 'tmpfs') return ['copyup'];
  if (kind === 'dev' && ofDev.test(option)) return [];
  const [name = '', value] = option.split('=');
  const known = values[kind]?.includes(name) === true;
  if (known && value !== undefined && /^[0-9]+[kKmMgG%]?$/.test(value)) return [option];
  throw unsupported(where, `the option ${JSON.stringify(option)}`);
}
