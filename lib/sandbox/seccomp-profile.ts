/**
 * Profiles from files, in docker's format (conditions on capabilities and architectures) or the runtime
 * specification's (already resolved). https://docs.docker.com/engine/security/seccomp/
 */
import {
  invalid,
  optional,
  parseJson,
  present,
  requireArray,
  requireObject,
  requireSize,
  requireString,
  requireStrings,
  type UnknownRecord,
} from '../oci/guards.js';
import type { RuntimeSeccomp, SeccompArgument, SeccompRule } from '../oci/runtime-config.js';
import { capabilityName } from './capabilities.js';
import type { SyscallArch } from './syscall-numbers.js';

/** What a profile's conditions are resolved against. */
export type ProfileTarget = {
  readonly arch: SyscallArch;
  readonly capabilities: readonly number[];
  /** Kernel release, such as `6.1.0-18-amd64`. */
  readonly kernel: string;
};

/**
 * Reads a profile and drops the rules whose conditions do not hold.
 * @throws INVALID naming `where` for anything that is no profile.
 */
export function parseProfile(text: string, where: string, target: ProfileTarget): RuntimeSeccomp {
  const document = requireObject(parseJson(text, where), where);
  const rules = document.syscalls === undefined ? [] : requireArray(document.syscalls, `${where}: syscalls`);
  return {
    defaultAction: requireString(document.defaultAction, `${where}: defaultAction`),
    ...present(
      'defaultErrnoRet',
      optional(document.defaultErrnoRet, `${where}: defaultErrnoRet`, requireSize),
    ),
    architectures: architectures(document, where, target.arch),
    syscalls: rules.flatMap((value, i) => parseRule(value, `${where}: syscalls[${i}]`, target)),
  };
}

const nativeArch: Readonly<Record<SyscallArch, string>> = {
  x86_64: 'SCMP_ARCH_X86_64',
  i386: 'SCMP_ARCH_X86',
  aarch64: 'SCMP_ARCH_AARCH64',
};

/** The native architecture with what `archMap` adds to it, or the list as given. */
function architectures(document: UnknownRecord, where: string, arch: SyscallArch): readonly string[] {
  const native = nativeArch[arch];
  if (document.archMap !== undefined) {
    const entries = requireArray(document.archMap, `${where}: archMap`).map((entry) =>
      requireObject(entry, `${where}: archMap`),
    );
    const own = entries.find((entry) => entry.architecture === native);
    return [native, ...requireStrings(own?.subArchitectures ?? [], `${where}: subArchitectures`)];
  }
  return requireStrings(document.architectures ?? [native], `${where}: architectures`);
}

function parseRule(value: unknown, where: string, target: ProfileTarget): SeccompRule[] {
  const rule = requireObject(value, where);
  const includes = requireObject(rule.includes ?? {}, `${where}: includes`);
  const excludes = requireObject(rule.excludes ?? {}, `${where}: excludes`);
  const wanted = conditionNames.every(
    (name) => !(name in includes) || holds(name, includes[name], 'all', where, target),
  );
  const excluded = conditionNames.some((name) => holds(name, excludes[name], 'any', where, target));
  if (!wanted || excluded) return [];
  const names =
    rule.names === undefined
      ? [requireString(rule.name, `${where}: name`)]
      : requireStrings(rule.names, `${where}: names`);
  const args = rule.args === undefined || rule.args === null ? [] : requireArray(rule.args, `${where}: args`);
  const common = {
    names,
    action: requireString(rule.action, `${where}: action`),
    ...present('errnoRet', optional(rule.errnoRet, `${where}: errnoRet`, requireSize)),
  };
  const conditions = args.map((arg, i) => parseArgument(arg, `${where}: args[${i}]`));
  return alternatives(conditions).map((each) => (each.length === 0 ? common : { ...common, args: each }));
}

/** As runc and crun read it: conditions on several arguments must all hold, several on one argument are alternatives. */
function alternatives(conditions: readonly SeccompArgument[]): (readonly SeccompArgument[])[] {
  const indexes = new Set(conditions.map(({ index }) => index));
  return indexes.size === conditions.length ? [conditions] : conditions.map((condition) => [condition]);
}

const conditionNames = ['caps', 'arches', 'minKernel'] as const;
const goArches: Readonly<Record<SyscallArch, readonly string[]>> = {
  x86_64: ['amd64'],
  i386: ['x86'],
  aarch64: ['arm64'],
};

function holds(
  name: (typeof conditionNames)[number],
  value: unknown,
  quantity: 'all' | 'any',
  where: string,
  target: ProfileTarget,
): boolean {
  if (value === undefined || value === null) return false;
  if (name === 'minKernel') return !olderThan(target.kernel, requireString(value, `${where}: minKernel`));
  const names = requireStrings(value, `${where}: ${name}`);
  if (name === 'arches') return names.some((arch) => goArches[target.arch].includes(arch));
  const granted = target.capabilities.map(capabilityName);
  return quantity === 'all'
    ? names.every((each) => granted.includes(each))
    : names.some((each) => granted.includes(each));
}

function olderThan(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = minimum.split('.').map((part) => Number.parseInt(part, 10));
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

function parseArgument(value: unknown, where: string): SeccompArgument {
  const fields = requireObject(value, where);
  const index = requireSize(fields.index, `${where}: index`);
  if (index > 5) throw invalid(`${where}: index`, `${index} is not an argument's number (0 to 5)`);
  return {
    index,
    value: requireSize(fields.value ?? 0, `${where}: value`),
    valueTwo: requireSize(fields.valueTwo ?? 0, `${where}: valueTwo`),
    op: requireString(fields.op, `${where}: op`),
  };
}
