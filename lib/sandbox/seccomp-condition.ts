/** Conditions on the 64-bit arguments of a system call, as BPF that works on 32-bit words. */
import { CoracleError } from '../errors.js';
import type { SeccompArgument } from '../oci/runtime-config.js';
import { and, branch, dataOffset, type Instruction, jump, load } from './bpf.js';

/** A rule of one call: its action's code when all conditions hold. */
export type Alternative = { readonly conditions: readonly SeccompArgument[]; readonly action: Instruction };

/** Code that takes the first alternative whose conditions all hold, else `fallback`. */
export function conditional(
  alternatives: readonly Alternative[],
  fallback: readonly Instruction[],
): Instruction[] {
  const tried = alternatives.flatMap(({ conditions, action }) =>
    [...conditions.flatMap(check), action].map(resolveFail),
  );
  return [...tried, ...fallback];
}

/** A jump that stands for "this alternative fails"; real ones are at most 255. */
const fail = 256;

/** Replaces `fail` by the distance to what follows the alternative. */
function resolveFail(
  instruction: Instruction,
  position: number,
  alternative: readonly Instruction[],
): Instruction {
  const distance = alternative.length - position - 1;
  const target = (jump: number): number => (jump === fail ? distance : jump);
  return { ...instruction, jumpTrue: target(instruction.jumpTrue), jumpFalse: target(instruction.jumpFalse) };
}

/** An inclusive range of values of one argument. */
export type ArgumentRange = { readonly first: number; readonly last: number };

/** Code for: argument `index` lies in one of the ranges (ascending, below 2^32). */
export function inRanges(
  index: number,
  ranges: readonly ArgumentRange[],
  yes: readonly Instruction[],
  no: readonly Instruction[],
): Instruction[] {
  const low = ranges.reduceRight<Instruction[]>(
    (above, { first, last }) => branch('greater', last, above, branch('greaterEqual', first, yes, no)),
    [...no],
  );
  return [
    load(dataOffset.argumentHigh(index)),
    ...branch('equal', 0, [load(dataOffset.argumentLow(index)), ...low], no),
  ];
}

/** The range that a condition describes, undefined when it is none below 2^32. */
export function rangeOf({ op, value }: SeccompArgument): ArgumentRange | undefined {
  if (value > 0xffffffff) return undefined;
  if (op === 'SCMP_CMP_EQ') return { first: value, last: value };
  if (op === 'SCMP_CMP_LE') return { first: 0, last: value };
  return op === 'SCMP_CMP_LT' && value > 0 ? { first: 0, last: value - 1 } : undefined;
}

/** Code that runs on when the condition holds and jumps to `fail` when it does not. High words decide first. */
function check({ index, op, value, valueTwo }: SeccompArgument): Instruction[] {
  const high = load(dataOffset.argumentHigh(index));
  const low = load(dataOffset.argumentLow(index));
  const wanted = wide(value);
  switch (op) {
    case 'SCMP_CMP_EQ':
      return [high, jump('equal', wanted.high, 0, fail), low, jump('equal', wanted.low, 0, fail)];
    case 'SCMP_CMP_NE':
      return [high, jump('equal', wanted.high, 0, 2), low, jump('equal', wanted.low, fail, 0)];
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_GE':
      return [
        high,
        jump('greater', wanted.high, 3, 0),
        jump('equal', wanted.high, 0, fail),
        low,
        jump(op === 'SCMP_CMP_GT' ? 'greater' : 'greaterEqual', wanted.low, 0, fail),
      ];
    case 'SCMP_CMP_LT':
    case 'SCMP_CMP_LE':
      return [
        high,
        jump('greater', wanted.high, fail, 0),
        jump('equal', wanted.high, 0, 2),
        low,
        jump(op === 'SCMP_CMP_LT' ? 'greaterEqual' : 'greater', wanted.low, fail, 0),
      ];
    case 'SCMP_CMP_MASKED_EQ': {
      const result = wide(valueTwo ?? 0);
      return [
        ...[high, and(wanted.high), jump('equal', result.high, 0, fail)],
        ...[low, and(wanted.low), jump('equal', result.low, 0, fail)],
      ];
    }
    default:
      throw new CoracleError('INVALID', `compile seccomp profile: unknown comparison "${op}"`, {
        hint: 'use SCMP_CMP_EQ, NE, LT, LE, GT, GE or MASKED_EQ',
      });
  }
}

type Wide = { readonly high: number; readonly low: number };

/** JSON numbers above 2^53 have lost bits already; negative ones are the two's complement. */
function wide(value: number): Wide {
  const bits = BigInt.asUintN(64, BigInt(value));
  return { high: Number(bits >> 32n), low: Number(bits & 0xffffffffn) };
}
