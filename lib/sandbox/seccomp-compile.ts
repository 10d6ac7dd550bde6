/**
 * A resolved profile as a BPF program. Numbers are looked up in a balanced tree over ranges with the same answer, so a
 * call takes some eight comparisons (the kernel caches plain answers anyway). x32 calls get ENOSYS, as on a kernel without
 * them; another architecture's calls kill the process.
 */
import { CoracleError } from '../errors.js';
import type { RuntimeSeccomp, SeccompRule } from '../oci/runtime-config.js';
import { branch, dataOffset, encode, type Instruction, load, ret } from './bpf.js';
import { type ArgumentRange, conditional, inRanges, rangeOf } from './seccomp-condition.js';
import { type SyscallArch, syscallNumbers } from './syscall-numbers.js';

/** AUDIT_ARCH_* and the names that profiles use. */
const arches: Readonly<Record<SyscallArch, { readonly audit: number; readonly name: string }>> = {
  x86_64: { audit: 0xc000003e, name: 'SCMP_ARCH_X86_64' },
  i386: { audit: 0x40000003, name: 'SCMP_ARCH_X86' },
  aarch64: { audit: 0xc00000b7, name: 'SCMP_ARCH_AARCH64' },
};

const killProcess = 0x80000000;
const noSuchCall = 0x00050000 | 38;
const x32Bit = 0x40000000;
const maximumLength = 4096;

/**
 * Compiles for `arch` and, on x86_64 when the profile lists it, i386. Calls that are newer than every call the profile
 * names answer ENOSYS where others are refused with an errno, so that libraries fall back.
 * @throws INVALID for unknown actions or comparisons and for a program longer than the kernel takes.
 */
export function compileProfile(profile: RuntimeSeccomp, arch: SyscallArch): Buffer {
  const listed = profile.architectures ?? [];
  const secondary = arch === 'x86_64' && listed.includes(arches.i386.name);
  const sections: SyscallArch[] = secondary ? [arch, 'i386'] : [arch];
  const dispatch = sections.reduceRight<Instruction[]>(
    (others, each) => branch('equal', arches[each].audit, archSection(profile, each), others),
    [ret(killProcess)],
  );
  const program = [load(dataOffset.arch), ...dispatch];
  if (program.length > maximumLength) {
    throw new CoracleError(
      'INVALID',
      `compile seccomp profile: ${program.length} instructions, at most ${maximumLength}`,
    );
  }
  return encode(program);
}

/** The answer for the numbers from `start` to the next segment's start. */
type Segment = { readonly start: number; readonly code: readonly Instruction[] };

function archSection(profile: RuntimeSeccomp, arch: SyscallArch): Instruction[] {
  const numbers = syscallNumbers(arch);
  const rules = rulesByNumber(profile, numbers);
  const fallback = [ret(actionValue(profile.defaultAction, profile.defaultErrnoRet))];
  const unknown = profile.defaultAction === 'SCMP_ACT_ERRNO' ? [ret(noSuchCall)] : fallback;
  const newest = Math.max(0, ...rules.keys());
  const last = Math.max(newest, ...numbers.values());
  const known = new Set(numbers.values());
  const segments: Segment[] = [];
  const append = (start: number, code: readonly Instruction[]): void => {
    if (!sameCode(segments.at(-1)?.code, code)) segments.push({ start, code });
  };
  for (let number = 0; number <= last; number++) {
    const own = rules.get(number);
    if (own !== undefined) append(number, callCode(own, fallback));
    else append(number, known.has(number) && number <= newest ? fallback : unknown);
  }
  append(last + 1, unknown);
  if (arch === 'x86_64') append(x32Bit, [ret(noSuchCall)]);
  return [load(dataOffset.number), ...searchTree(segments)];
}

function searchTree(segments: readonly Segment[]): readonly Instruction[] {
  const middle = segments.length >> 1;
  const pivot = segments[middle];
  if (pivot === undefined || middle === 0) return segments[0]?.code ?? [];
  return branch(
    'greaterEqual',
    pivot.start,
    searchTree(segments.slice(middle)),
    searchTree(segments.slice(0, middle)),
  );
}

function rulesByNumber(
  profile: RuntimeSeccomp,
  numbers: ReadonlyMap<string, number>,
): Map<number, SeccompRule[]> {
  const found = new Map<number, SeccompRule[]>();
  for (const rule of profile.syscalls) {
    for (const name of rule.names) {
      const number = numbers.get(name);
      if (number !== undefined) found.set(number, [...(found.get(number) ?? []), rule]);
    }
  }
  return found;
}

/** Rules with conditions come first, in order; the first one without is the answer when none holds. */
function callCode(rules: readonly SeccompRule[], fallback: readonly Instruction[]): Instruction[] {
  const plain = rules.find(isPlain);
  const otherwise = plain === undefined ? fallback : [ret(ruleAction(plain))];
  const guarded = rules.filter((rule) => !isPlain(rule));
  const ranges = commonRanges(guarded);
  const first = guarded[0];
  if (ranges !== undefined && first !== undefined) {
    return inRanges(ranges.index, ranges.ranges, [ret(ruleAction(first))], otherwise);
  }
  return conditional(
    guarded.map((rule) => ({ conditions: rule.args ?? [], action: ret(ruleAction(rule)) })),
    otherwise,
  );
}

/** The rules as one list of ranges, when each has one condition on the same argument and all have one action. */
function commonRanges(
  rules: readonly SeccompRule[],
): { readonly index: number; readonly ranges: readonly ArgumentRange[] } | undefined {
  const index = rules[0]?.args?.[0]?.index;
  if (index === undefined || rules[0] === undefined) return undefined;
  const action = ruleAction(rules[0]);
  const ranges: ArgumentRange[] = [];
  for (const rule of rules) {
    const [condition, second] = rule.args ?? [];
    const range = condition === undefined ? undefined : rangeOf(condition);
    const fits = second === undefined && condition?.index === index && ruleAction(rule) === action;
    if (!fits || range === undefined) return undefined;
    ranges.push(range);
  }
  return { index, ranges: joinRanges(ranges) };
}

function joinRanges(ranges: readonly ArgumentRange[]): ArgumentRange[] {
  const joined: ArgumentRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1);
    if (before === undefined || range.first > before.last + 1) joined.push(range);
    else joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return joined;
}

function isPlain(rule: SeccompRule): boolean {
  return rule.args === undefined || rule.args.length === 0;
}

function ruleAction(rule: SeccompRule): number {
  return actionValue(rule.action, rule.errnoRet);
}

function actionValue(action: string, errno = 1): number {
  switch (action) {
    case 'SCMP_ACT_ALLOW':
      return 0x7fff0000;
    case 'SCMP_ACT_LOG':
      return 0x7ffc0000;
    case 'SCMP_ACT_ERRNO':
      return 0x00050000 | (errno & 0xffff);
    case 'SCMP_ACT_TRAP':
      return 0x00030000;
    case 'SCMP_ACT_TRACE':
      return 0x7ff00000 | (errno & 0xffff);
    case 'SCMP_ACT_KILL':
    case 'SCMP_ACT_KILL_THREAD':
      return 0;
    case 'SCMP_ACT_KILL_PROCESS':
      return killProcess;
    default:
      throw new CoracleError('INVALID', `compile seccomp profile: unsupported action "${action}"`, {
        hint: 'use SCMP_ACT_ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, TRAP, TRACE or LOG',
      });
  }
}

function sameCode(a: readonly Instruction[] | undefined, b: readonly Instruction[]): boolean {
  return a?.length === 1 && b.length === 1 && a[0]?.code === b[0]?.code && a[0]?.k === b[0]?.k;
}
