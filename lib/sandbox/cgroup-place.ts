/** Where the cgroup of a container is made, and which of its limits hold there: decided from the facts of the machine. */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { type CgroupFacts, controllersOf, parentWith, type UnitManager } from '../host/cgroup.js';
import {
  type AppliedLimits,
  applicable,
  type CgroupFile,
  controllerOf,
  controllersFor,
  type LimitSetting,
  limitSettings,
  type ResourceLimits,
} from './limits.js';

/** What was asked for: `enabled` a cgroup in any case, `no-conmon` one without the supervisor, `split` a part of our own. */
export type CgroupMode = 'enabled' | 'disabled' | 'no-conmon' | 'split';

export type CgroupRequest = {
  readonly mode?: CgroupMode | undefined;
  /** A slice of systemd, or a path below the hierarchy's mount. */
  readonly parent?: string | undefined;
  readonly limits?: ResourceLimits | undefined;
  /** The cgroup of the container that holds its pod, where that has one. */
  readonly pod?: string | undefined;
  /** The supervisor stays where it is, as with `no-conmon`, if a cgroup is made at all. */
  readonly isService?: boolean | undefined;
};

/** The records of native/PROTOCOL.md 2.1. */
export type CgroupPlace =
  | {
      readonly kind: 'scope' | 'apart';
      readonly mount: string;
      readonly unit: string;
      readonly slice: string | undefined;
      readonly manager: UnitManager;
    }
  | { readonly kind: 'split'; readonly mount: string }
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 'member';
      readonly path: string;
      readonly unit: string | undefined;
      readonly manager: UnitManager | undefined;
    };

/** A cgroup to be made, with what is written into its files. */
export type CgroupSpec = {
  readonly place: CgroupPlace;
  readonly files: readonly CgroupFile[];
  /** The limits are for all that will be put beside the container. */
  readonly holdsPod?: boolean | undefined;
};

/** What cannot be, and the command or file that helps. */
export type CgroupProblem = { readonly text: string; readonly hint: string };

export type CgroupDecision = {
  /** None is needed, or none can be made. */
  readonly spec: CgroupSpec | undefined;
  /** Limits that do not hold. */
  readonly problem: CgroupProblem | undefined;
};

/**
 * Decides. Limits that cannot be applied are a problem that is told; a cgroup that was asked for by itself has to be.
 * @throws HOST, USAGE, NOT_FOUND (a device)
 */
export function decideCgroup(name: string, request: CgroupRequest, facts: CgroupFacts): CgroupDecision {
  const { mode, parent, limits = {} } = request;
  const settings = limitSettings(limits, deviceNumbers);
  const isWanted = mode !== undefined || parent !== undefined || request.pod !== undefined;
  if (mode === 'disabled') return { spec: undefined, problem: undefined };
  if (settings.length === 0 && !isWanted) return { spec: undefined, problem: undefined };
  const found = findPlace(name, request, facts, controllersFor(settings));
  if ('problem' in found) {
    if (isWanted)
      throw new CoracleError('HOST', `make a cgroup: ${found.problem.text}`, { hint: found.problem.hint });
    return { spec: undefined, problem: allMissing(settings, found.problem) };
  }
  const applied = applicable(settings, (file) => offers(found.above, file));
  return {
    spec: { place: found.place, files: applied.files },
    problem: someMissing(applied, found.above, facts),
  };
}

type Found =
  | {
      readonly place: CgroupPlace;
      /** The directory whose controllers it can have; undefined where that is not known. */
      readonly above: string | undefined;
    }
  | { readonly problem: CgroupProblem };

function findPlace(
  name: string,
  { mode, parent, pod, isService }: CgroupRequest,
  facts: CgroupFacts,
  controllers: readonly string[],
): Found {
  const { mount, manager, delegated, own } = facts;
  if (mount === undefined) return { problem: noHierarchy };
  if (pod !== undefined) return memberPlace(pod, manager);
  if (mode === 'split') return { place: { kind: 'split', mount }, above: join(mount, own) };
  if (parent !== undefined && !parent.endsWith('.slice'))
    return {
      place: { kind: 'directory', path: join(mount, checkPath(parent), name) },
      above: join(mount, parent),
    };
  if (manager !== undefined) {
    const kind = mode === 'no-conmon' || (mode === undefined && isService) ? 'apart' : 'scope';
    return {
      place: {
        kind,
        mount,
        unit: name,
        slice: parent === undefined ? undefined : checkSlice(parent),
        manager,
      },
      above: delegated,
    };
  }
  if (parent !== undefined) return { problem: noManager(facts) };
  const given = controllers.filter((each) => controllersOf(join(mount, own)).includes(each));
  const above = parentWith(mount, own, given);
  if (above !== undefined) return { place: { kind: 'directory', path: join(above, name) }, above };
  return { problem: noManager(facts) };
}

/** Beside the holder; what the pod's cgroup has, this one can have. */
function memberPlace(holder: string, manager: UnitManager | undefined): Found {
  const path = dirname(dirname(holder));
  const unit = path.endsWith('.scope') ? basename(path) : undefined;
  return { place: { kind: 'member', path, unit, manager }, above: path };
}

function checkSlice(slice: string): string {
  if (/^[A-Za-z0-9_.:@-]+\.slice$/.test(slice) && !slice.startsWith('.')) return slice;
  throw new CoracleError('USAGE', `use --cgroup-parent ${slice}: no name of a slice`);
}

function checkPath(path: string): string {
  if (path.startsWith('/') && !path.split('/').includes('..') && path !== '/') return path;
  throw new CoracleError('USAGE', `use --cgroup-parent ${path}: expected NAME.slice, or a path below /`, {
    hint: 'such as --cgroup-parent build.slice',
  });
}

/** Files that not every kernel has, for which the controller alone says nothing. */
const rareFiles = /^(io\.weight|io\.bfq\.weight|memory\.swap\.max|hugetlb\.|misc\.|rdma\.)/;

function offers(above: string | undefined, file: string): boolean {
  if (above === undefined) return true;
  // The root of all has no limits itself; one below it shows them.
  const shown = existsSync(join(above, 'cgroup.type')) ? above : join(above, 'init.scope');
  return (
    controllersOf(above).includes(controllerOf(file)) &&
    (!rareFiles.test(file) || [above, shown].some((place) => existsSync(join(place, file))))
  );
}

function allMissing(settings: readonly LimitSetting[], why: CgroupProblem): CgroupProblem | undefined {
  const flags = [...new Set(settings.map(({ flag }) => flag))];
  return flags.length === 0 ? undefined : { text: notApplied(flags, why.text), hint: why.hint };
}

function notApplied(flags: readonly string[], reason: string): string {
  const names = flags.map((flag) => `--${flag}`).join(', ');
  return `${flags.length === 1 ? 'limit' : 'limits'} not applied: ${names}: ${reason}`;
}

function someMissing(
  { missing }: AppliedLimits,
  above: string | undefined,
  facts: CgroupFacts,
): CgroupProblem | undefined {
  if (missing.length === 0 || above === undefined) return undefined;
  const flags = [...new Set(missing.map(({ flag }) => flag))];
  const names = [...new Set(missing.map(({ file }) => controllerOf(file)))];
  const gone = names.filter((name) => !controllersOf(above).includes(name));
  if (gone.length === 0) {
    const files = [...new Set(missing.map(({ file }) => file))].join(', ');
    return {
      text: notApplied(flags, `this kernel has no ${files} here`),
      hint: 'weights of disks need the scheduler BFQ: modprobe bfq, and bfq in /sys/block/DISK/queue/scheduler',
    };
  }
  return { text: notApplied(flags, absence(gone, facts)), hint: absenceFix(gone, above, facts) };
}

/** Why a cgroup has no such controllers: the host has none to give, or does not give them. */
export function absence(gone: readonly string[], facts: CgroupFacts): string {
  const controllers = gone.length === 1 ? `controller ${gone[0]} is` : `controllers ${gone.join(', ')} are`;
  if (!facts.pure) return `${controllers} of cgroup version 1 on this host`;
  return isOfHost(gone, facts)
    ? `${controllers} not delegated to ${facts.user.name}`
    : `${controllers} not in this host's hierarchy of cgroup version 2`;
}

/** What gives them. */
export function absenceFix(gone: readonly string[], above: string, facts: CgroupFacts): string {
  if (!facts.pure) return noHierarchy.hint;
  if (!isOfHost(gone, facts))
    return `boot with cgroup_no_v1=all, and ${gone.map((name) => `cgroup_enable=${name}`).join(' ')} where the kernel has it switched off`;
  if (facts.manager !== undefined) return delegationFix;
  const words = gone.map((name) => `+${name}`).join(' ');
  return `as root: echo ${words} > ${join(above, '..', 'cgroup.subtree_control')}`;
}

function isOfHost(names: readonly string[], { mount = '' }: CgroupFacts): boolean {
  const all = controllersOf(mount);
  return names.some((name) => all.includes(name));
}

/** What gives users all controllers that they can have. */
export const delegationFix =
  "as root: mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf && systemctl daemon-reload, then systemctl restart user@UID (your id; it ends what runs there), as a new log-in does not where one lingers";

const noHierarchy: CgroupProblem = {
  text: 'this host has no cgroup v2 hierarchy with controllers',
  hint: 'boot with systemd.unified_cgroup_hierarchy=1',
};

/** No systemd of the user, and nothing that may be written. */
export function noManager({ mount = '/sys/fs/cgroup', pure, own, user }: CgroupFacts): CgroupProblem {
  if (!pure) return noHierarchy;
  if (existsSync('/run/systemd/system'))
    return {
      text: `no systemd of ${user.name} runs to delegate a cgroup`,
      hint: `loginctl enable-linger ${user.name}, and XDG_RUNTIME_DIR=/run/user/${user.uid} has to be set`,
    };
  return {
    text: `cgroup ${own} is not ${user.name}'s to divide`,
    hint: `as root: mkdir -p ${mount}/coracle/shell && chown -R ${user.name} ${mount}/coracle && echo PID-OF-YOUR-SHELL > ${mount}/coracle/shell/cgroup.procs`,
  };
}

/** @throws NOT_FOUND, USAGE for what is no block device. */
export function deviceNumbers(path: string): string {
  try {
    const found = statSync(path, { bigint: true });
    if (found.isBlockDevice()) return numbersText(found.rdev);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new CoracleError('NOT_FOUND', `limit device ${path}: there is no such device`);
    throw ioError(`limit device ${path}`, error);
  }
  throw new CoracleError('USAGE', `limit device ${path}: it is no block device`);
}

/** As makedev(3) packs them. */
function numbersText(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffff_ff00n);
  return `${major}:${minor}`;
}
