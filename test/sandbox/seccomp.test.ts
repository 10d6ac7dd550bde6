import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import type { RuntimeSeccomp } from '../../lib/oci/runtime-config.js';
import { capabilityNumber, defaultCapabilities } from '../../lib/sandbox/capabilities.js';
import { seccompFilter } from '../../lib/sandbox/seccomp.js';
import { compileProfile } from '../../lib/sandbox/seccomp-compile.js';
import { defaultProfile } from '../../lib/sandbox/seccomp-default.js';
import { parseProfile } from '../../lib/sandbox/seccomp-profile.js';
import { type SyscallArch, syscallNumbers } from '../../lib/sandbox/syscall-numbers.js';
import { temporaryDirectory } from '../helpers/host.js';

const audit = { x86_64: 0xc000003e, i386: 0x40000003, aarch64: 0xc00000b7 } as const;
const allowed = 0x7fff0000;
const errno = (number: number): number => 0x00050000 | number;
const [eperm, enosys] = [1, 38];

/** Runs a compiled program as the kernel would; throws where the kernel would refuse it. */
function interpret(
  program: Buffer,
  call: { arch: number; number: number; args?: readonly bigint[] },
): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number >>> 0, 0);
  data.writeUInt32LE(call.arch >>> 0, 4);
  for (const [i, value] of (call.args ?? []).entries())
    data.writeBigUInt64LE(BigInt.asUintN(64, value), 16 + 8 * i);
  let accumulator = 0;
  for (let pc = 0; pc < program.length / 8; pc++) {
    const [code, jt, jf, k] = [
      program.readUInt16LE(pc * 8),
      program.readUInt8(pc * 8 + 2),
      program.readUInt8(pc * 8 + 3),
      program.readUInt32LE(pc * 8 + 4),
    ];
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (code === 0x15) pc += accumulator === k ? jt : jf;
    else if (code === 0x25) pc += accumulator > k ? jt : jf;
    else if (code === 0x35) pc += accumulator >= k ? jt : jf;
    else if (code === 0x06) return k;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('ran past the end');
}

function answer(program: Buffer, arch: SyscallArch, name: string, ...args: bigint[]): number {
  const number = syscallNumbers(arch).get(name);
  if (number === undefined) throw new Error(`no ${name} on ${arch}`);
  return interpret(program, { arch: audit[arch], number, args });
}

const x86 = compileProfile(defaultProfile('x86_64', defaultCapabilities()), 'x86_64');
const arm = compileProfile(defaultProfile('aarch64', defaultCapabilities()), 'aarch64');

const answers = test.macro(
  (t, program: Buffer, arch: SyscallArch, name: string, args: readonly bigint[], expected: number) => {
    t.is(answer(program, arch, name, ...args), expected);
  },
);

for (const name of ['read', 'openat', 'execve', 'chroot', 'ptrace', 'futex', 'setuid', 'mknodat', 'rseq']) {
  test(`by default ${name} is allowed`, answers, x86, 'x86_64', name, [], allowed);
  test(`by default ${name} is allowed on arm64`, answers, arm, 'aarch64', name, [], allowed);
}
for (const name of [
  'mount',
  'bpf',
  'keyctl',
  'add_key',
  'io_uring_setup',
  'kexec_load',
  'userfaultfd',
  'unshare',
  'setns',
  'reboot',
  'open_by_handle_at',
  'perf_event_open',
  'init_module',
  'pivot_root',
  'swapon',
]) {
  test(`S7: by default ${name} is refused`, answers, x86, 'x86_64', name, [], errno(eperm));
  if (syscallNumbers('aarch64').has(name)) {
    test(`S7: by default ${name} is refused on arm64`, answers, arm, 'aarch64', name, [], errno(eperm));
  }
}
for (const [family, expected] of [
  [1n, allowed],
  [2n, allowed],
  [10n, allowed],
  [16n, allowed],
  [17n, allowed],
  [12n, errno(eperm)],
  [38n, errno(eperm)],
  [40n, errno(eperm)],
  [45n, allowed],
  [46n, errno(eperm)],
  [0x1_0000_0002n, errno(eperm)],
  [-1n, errno(eperm)],
] as const) {
  test(
    `S7: a socket of family ${family} gets ${expected}`,
    answers,
    x86,
    'x86_64',
    'socket',
    [family],
    expected,
  );
}
for (const [persona, expected] of [
  [0n, allowed],
  [8n, allowed],
  [0x20000n, allowed],
  [0x20008n, allowed],
  [0xffffffffn, allowed],
  [0x40000n, errno(eperm)],
] as const) {
  test(
    `S7: personality ${persona} gets ${expected}`,
    answers,
    x86,
    'x86_64',
    'personality',
    [persona],
    expected,
  );
}
test('clone without namespaces is allowed', answers, x86, 'x86_64', 'clone', [0x1200011n], allowed);
test(
  'S7: clone with a user namespace is refused',
  answers,
  x86,
  'x86_64',
  'clone',
  [0x10000011n],
  errno(eperm),
);
test('clone3 does not exist, so that libc falls back', answers, x86, 'x86_64', 'clone3', [], errno(enosys));
test('calls newer than the profile do not exist', answers, x86, 'x86_64', 'file_setattr', [], errno(enosys));
test('S7: 32-bit calls have the same rules', answers, x86, 'i386', 'mount', [], errno(eperm));
test('32-bit reads are allowed', answers, x86, 'i386', 'read', [], allowed);

test('S7: x32 calls do not exist, foreign architectures are killed', (t) => {
  t.is(interpret(x86, { arch: audit.x86_64, number: 0x40000000 }), errno(enosys));
  t.is(interpret(x86, { arch: audit.x86_64, number: 0xffffffff }), errno(enosys));
  t.is(interpret(x86, { arch: audit.aarch64, number: 0 }), 0x80000000);
  t.is(interpret(arm, { arch: audit.x86_64, number: 0 }), 0x80000000);
});

test('granted capabilities open their calls', (t) => {
  const admin = [...defaultCapabilities(), capabilityNumber('SYS_ADMIN')];
  const program = compileProfile(defaultProfile('x86_64', admin), 'x86_64');
  for (const name of ['mount', 'unshare', 'clone3', 'setns']) t.is(answer(program, 'x86_64', name), allowed);
  t.is(answer(program, 'x86_64', 'clone', 0x10000000n), allowed);
  const none = compileProfile(defaultProfile('x86_64', []), 'x86_64');
  t.is(answer(none, 'x86_64', 'chroot'), errno(eperm));
});

test('S7: the compiled default agrees with its profile on every call', (t) => {
  for (const [arch, program] of [
    ['x86_64', x86],
    ['i386', x86],
    ['aarch64', arm],
  ] as const) {
    const profile = defaultProfile(arch === 'aarch64' ? 'aarch64' : 'x86_64', defaultCapabilities());
    const plain = new Set(
      profile.syscalls
        .filter((rule) => rule.args === undefined && rule.action === 'SCMP_ACT_ALLOW')
        .flatMap((rule) => rule.names),
    );
    for (const [name, number] of syscallNumbers(arch)) {
      if (['socket', 'personality', 'clone'].includes(name)) continue;
      const got = interpret(program, { arch: audit[arch], number });
      t.is(got === allowed, plain.has(name), `${arch} ${name}`);
    }
  }
});

const operators: Readonly<Record<string, (a: bigint, b: bigint, c: bigint) => boolean>> = {
  SCMP_CMP_EQ: (a, b) => a === b,
  SCMP_CMP_NE: (a, b) => a !== b,
  SCMP_CMP_LT: (a, b) => a < b,
  SCMP_CMP_LE: (a, b) => a <= b,
  SCMP_CMP_GT: (a, b) => a > b,
  SCMP_CMP_GE: (a, b) => a >= b,
  SCMP_CMP_MASKED_EQ: (a, b, c) => (a & b) === c,
};

test('conditions compare all 64 bits, whatever the rules', (t) => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.constantFrom(2 ** 32, 2 ** 32 + 5, 0xffffffff, 2 ** 40),
  );
  const condition = fc.record({
    index: fc.integer({ min: 0, max: 5 }),
    value,
    valueTwo: value,
    op: fc.constantFrom(...Object.keys(operators)),
  });
  const rule = fc.record({
    names: fc.constant(['read']),
    action: fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_LOG'),
    args: fc.array(condition, { minLength: 1, maxLength: 3 }),
  });
  const numbers = fc.array(value, { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(rule, { minLength: 1, maxLength: 5 }), numbers, (syscalls, args) => {
      const profile: RuntimeSeccomp = { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 7, syscalls };
      const words = args.map((arg) => BigInt(arg));
      const first = syscalls.find((each) =>
        each.args.every(({ index, op, value: wanted, valueTwo }) =>
          operators[op]?.(words[index] ?? 0n, BigInt(wanted), BigInt(valueTwo)),
        ),
      );
      const actions: Readonly<Record<string, number>> = {
        SCMP_ACT_ALLOW: allowed,
        SCMP_ACT_KILL_PROCESS: 0x80000000,
        SCMP_ACT_LOG: 0x7ffc0000,
      };
      const expected = first === undefined ? errno(7) : actions[first.action];
      t.is(
        interpret(compileProfile(profile, 'x86_64'), { arch: audit.x86_64, number: 0, args: words }),
        expected ?? -1,
      );
    }),
    { numRuns: 300 },
  );
});

const target = { arch: 'x86_64', capabilities: [], kernel: '6.1.0-18-amd64' } as const;

test('a file in docker format is resolved against capabilities, architecture and kernel', (t) => {
  const text = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] }],
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
      { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38, excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
      { names: ['write'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '6.2' } },
      { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64', 'x32'] } },
    ],
  });
  const profile = parseProfile(text, 'p.json', target);
  t.deepEqual(
    profile.syscalls.flatMap(({ names }) => names),
    ['read', 'clone3', 'ptrace', 'arch_prctl'],
  );
  t.deepEqual(profile.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32']);
});

const refused = test.macro((t, text: string, message: RegExp) => {
  const error = t.throws(() => compileProfile(parseProfile(text, 'p.json', target), 'x86_64'), {
    instanceOf: CoracleError,
  });
  t.is(error?.code, 'INVALID');
  t.regex(error?.message ?? '', message);
});
test('a profile that is no JSON is refused', refused, '{', /p\.json/);
test('a profile without default action is refused', refused, '{}', /defaultAction/);
test('an unknown action is refused', refused, '{"defaultAction":"SCMP_ACT_NOTIFY"}', /SCMP_ACT_NOTIFY/);
test(
  'an argument above 5 is refused',
  refused,
  '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}',
  /index/,
);

test('a filter is compiled once and found again', async (t) => {
  const cache = temporaryDirectory(t);
  const first = await seccompFilter({ kind: 'default' }, defaultCapabilities(), cache);
  const again = await seccompFilter({ kind: 'default' }, defaultCapabilities(), cache);
  t.deepEqual(first, again);
  t.true(first.program.startsWith(join(cache, 'seccomp')));
  t.is(readFileSync(first.program).length % 8, 0);
  const other = await seccompFilter({ kind: 'default' }, [], cache);
  t.not(other.program, first.program);
});
