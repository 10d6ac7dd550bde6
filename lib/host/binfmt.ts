/**
 * Which programs of other processors the kernel starts by itself: the registrations of binfmt_misc.
 * https://docs.kernel.org/admin-guide/binfmt-misc.html
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.js';

/** Where the kernel shows the registrations of the initial user namespace. */
const registrationsDirectory = '/proc/sys/fs/binfmt_misc';

/** A registration by magic bytes. */
export type BinfmtEntry = {
  readonly name: string;
  readonly enabled: boolean;
  readonly interpreter: string;
  /** `F`: the interpreter was opened when it was registered, so it works in any root file system. */
  readonly flags: string;
  readonly offset: number;
  readonly magic: Buffer;
  readonly mask: Buffer | undefined;
};

/** ELF class, byte order and machine of Linux programs by architecture. https://gabi.xinuos.com/elf/a-emachine.html */
const machines: Readonly<Record<string, readonly [bits: 32 | 64, order: 'little' | 'big', machine: number]>> =
  {
    amd64: [64, 'little', 62],
    '386': [32, 'little', 3],
    arm64: [64, 'little', 183],
    arm: [32, 'little', 40],
    riscv64: [64, 'little', 243],
    ppc64le: [64, 'little', 21],
    s390x: [64, 'big', 22],
    loong64: [64, 'little', 258],
    mips64le: [64, 'little', 8],
    mips64: [64, 'big', 8],
    mipsle: [32, 'little', 8],
    mips: [32, 'big', 8],
  };

/** The names qemu gives to architectures where they differ. */
const qemuNames: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  '386': 'i386',
  arm64: 'aarch64',
  loong64: 'loongarch64',
  mips64le: 'mips64el',
  mipsle: 'mipsel',
};

/** The program of qemu-user-static that runs an architecture's programs. */
export function qemuProgram(architecture: string): string {
  return `qemu-${qemuNames[architecture] ?? architecture}-static`;
}

/** The first bytes of an ELF program of an architecture; undefined for one we do not know. */
export function elfHeader(architecture: string): Buffer | undefined {
  const known = Object.hasOwn(machines, architecture) ? machines[architecture] : undefined;
  if (known === undefined) return undefined;
  const [bits, order, machine] = known;
  const header = Buffer.alloc(20);
  header.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, order === 'little' ? 1 : 2, 1]);
  if (order === 'little') {
    header.writeUInt16LE(2, 16);
    header.writeUInt16LE(machine, 18);
  } else {
    header.writeUInt16BE(2, 16);
    header.writeUInt16BE(machine, 18);
  }
  return header;
}

/**
 * The line that registers an emulator for an architecture, open at once (flag F); undefined for an architecture we do not know
 * or a path the line cannot hold. Programs and shared objects are both executable, and the ABI byte is anything.
 */
export function registrationLine(architecture: string, interpreter: string): string | undefined {
  const magic = elfHeader(architecture);
  if (magic === undefined || /[:\s\\]/.test(interpreter) || interpreter.length > 127) return undefined;
  const mask = Buffer.alloc(magic.length, 0xff);
  mask[7] = 0;
  mask[magic[5] === 1 ? 16 : 17] = 0xfe;
  const text = (bytes: Buffer): string => bytes.toString('hex').replace(/../g, '\\x$&');
  return `:coracle-${architecture}:M:0:${text(magic)}:${text(mask)}:${interpreter}:F`;
}

/** Whether the kernel hands a program that starts like this to the entry's interpreter. */
export function matchesEntry(entry: BinfmtEntry, start: Buffer): boolean {
  const { enabled, offset, magic, mask } = entry;
  if (!enabled || magic.length === 0 || offset + magic.length > Math.max(start.length, 128)) return false;
  return magic.every((byte, at) => {
    const bits = mask?.[at] ?? 0xff;
    return ((start[offset + at] ?? 0) & bits) === (byte & bits);
  });
}

/** One registration's file; undefined for one by file name extension. */
export function parseBinfmtEntry(name: string, text: string): BinfmtEntry | undefined {
  const lines = text.split('\n');
  const value = (key: string): string | undefined =>
    lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1);
  const magic = value('magic');
  if (magic === undefined) return undefined;
  const mask = value('mask');
  return {
    name,
    enabled: lines[0] === 'enabled',
    interpreter: value('interpreter') ?? '',
    flags: lines.find((line) => line.startsWith('flags: '))?.slice('flags: '.length) ?? '',
    offset: Number(value('offset') ?? 0),
    magic: Buffer.from(magic, 'hex'),
    mask: mask === undefined ? undefined : Buffer.from(mask, 'hex'),
  };
}

/** All registrations; none where binfmt_misc is not mounted or switched off. */
export function readBinfmt(directory: string = registrationsDirectory): readonly BinfmtEntry[] {
  try {
    if (readFileSync(join(directory, 'status'), 'utf8').trim() !== 'enabled') return [];
    return readdirSync(directory)
      .filter((name) => name !== 'register' && name !== 'status')
      .flatMap((name) => parseBinfmtEntry(name, readFileSync(join(directory, name), 'utf8')) ?? []);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return [];
    throw error;
  }
}
