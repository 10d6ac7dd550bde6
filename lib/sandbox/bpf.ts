/**
 * Classic BPF for seccomp: instruction encoding and the few shapes a filter is made of. Code is a list of
 * instructions that only jumps forward inside itself and ends every path with a return, so pieces can be joined freely.
 * https://docs.kernel.org/userspace-api/seccomp_filter.html
 */

/** One `struct sock_filter`. */
export type Instruction = {
  readonly code: number;
  readonly jumpTrue: number;
  readonly jumpFalse: number;
  readonly k: number;
};

/** Offsets in `struct seccomp_data`. Argument words are little-endian on every supported architecture. */
export const dataOffset = {
  number: 0,
  arch: 4,
  argumentLow: (index: number): number => 16 + 8 * index,
  argumentHigh: (index: number): number => 20 + 8 * index,
} as const;

const opcode = {
  load: 0x20,
  jump: 0x05,
  equal: 0x15,
  greater: 0x25,
  greaterEqual: 0x35,
  and: 0x54,
  ret: 0x06,
} as const;

export function load(offset: number): Instruction {
  return { code: opcode.load, jumpTrue: 0, jumpFalse: 0, k: offset };
}

export function and(mask: number): Instruction {
  return { code: opcode.and, jumpTrue: 0, jumpFalse: 0, k: mask };
}

export function ret(action: number): Instruction {
  return { code: opcode.ret, jumpTrue: 0, jumpFalse: 0, k: action };
}

/** How the accumulator is compared. */
export type Comparison = 'equal' | 'greater' | 'greaterEqual';

/** A conditional jump by numbers of instructions to skip. */
export function jump(comparison: Comparison, k: number, jumpTrue: number, jumpFalse: number): Instruction {
  return { code: opcode[comparison], jumpTrue, jumpFalse, k };
}

/** `yes` when accumulator OP k, else `no`; both must end in returns. Jumps reach 255, longer ones take a trampoline. */
export function branch(
  comparison: Comparison,
  k: number,
  yes: readonly Instruction[],
  no: readonly Instruction[],
): Instruction[] {
  const code = opcode[comparison];
  if (no.length <= 255) return [{ code, jumpTrue: no.length, jumpFalse: 0, k }, ...no, ...yes];
  const trampoline = { code: opcode.jump, jumpTrue: 0, jumpFalse: 0, k: no.length };
  return [{ code, jumpTrue: 0, jumpFalse: 1, k }, trampoline, ...no, ...yes];
}

/** The bytes that the kernel's `struct sock_fprog` points to. */
export function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [i, instruction] of program.entries()) {
    bytes.writeUInt16LE(instruction.code, i * 8);
    bytes.writeUInt8(instruction.jumpTrue, i * 8 + 2);
    bytes.writeUInt8(instruction.jumpFalse, i * 8 + 3);
    bytes.writeUInt32LE(instruction.k >>> 0, i * 8 + 4);
  }
  return bytes;
}
