/**
 * Compiled filters on disk. A filter depends on few things (architecture, a dozen capabilities, a file's content), so
 * it is compiled once and found again by name; nothing of the compiler is loaded when it is there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, writeFileAtomic } from '../host/files.js';
import type { RuntimeSeccomp } from '../oci/runtime-config.js';
import type { SyscallArch } from './syscall-numbers.js';

/** Where a filter comes from: the default, or a file in docker's or the runtime specification's format. */
export type SeccompSource = { readonly kind: 'default' } | { readonly kind: 'file'; readonly path: string };

/** A compiled filter, and the profile it was compiled from as JSON text. */
export type SeccompFilter = { readonly program: string; readonly profile: string };

/**
 * The files of the filter for a process with these capabilities, compiled when they are missing.
 * @throws INVALID for a profile that cannot be understood, HOST on an architecture without a table.
 */
export async function seccompFilter(
  source: SeccompSource,
  capabilities: readonly number[],
  cacheDirectory: string,
): Promise<SeccompFilter> {
  const arch = hostArch();
  const directory = join(cacheDirectory, 'seccomp');
  if (source.kind === 'file') return compileFile(source.path, { arch, capabilities, directory });
  const filter = filesAt(directory, `default-${arch}-${capabilityKey(capabilities)}`);
  if (existsSync(filter.program) && existsSync(filter.profile)) return filter;
  const { defaultProfile } = await import('./seccomp-default.js');
  return store(filter, defaultProfile(arch, capabilities), arch);
}

/** Names the rules' version too: change it with seccomp-default.ts or the compiler. */
function capabilityKey(capabilities: readonly number[]): string {
  const bits = capabilities.reduce((mask, number) => mask | (1n << BigInt(number)), 0n);
  return `v1-${bits.toString(16)}`;
}

type Compilation = {
  readonly arch: SyscallArch;
  readonly capabilities: readonly number[];
  readonly directory: string;
};

async function compileFile(path: string, compilation: Compilation): Promise<SeccompFilter> {
  const text = readProfile(path);
  const { createHash } = await import('node:crypto');
  const { release } = await import('node:os');
  const target = { arch: compilation.arch, capabilities: compilation.capabilities, kernel: release() };
  const key = createHash('sha256')
    .update(`v1 ${JSON.stringify(target)}\n${text}`)
    .digest('hex');
  const filter = filesAt(compilation.directory, `file-${key}`);
  if (existsSync(filter.program) && existsSync(filter.profile)) return filter;
  const { parseProfile } = await import('./seccomp-profile.js');
  return store(filter, parseProfile(text, path, target), compilation.arch);
}

function readProfile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw ioError(`read seccomp profile ${path}`, error);
  }
}

async function store(
  filter: SeccompFilter,
  profile: RuntimeSeccomp,
  arch: SyscallArch,
): Promise<SeccompFilter> {
  const { compileProfile } = await import('./seccomp-compile.js');
  const program = compileProfile(profile, arch);
  ensureDirectory(join(filter.program, '..'));
  writeFileAtomic(filter.profile, JSON.stringify(profile));
  writeFileAtomic(filter.program, program);
  return filter;
}

function filesAt(directory: string, name: string): SeccompFilter {
  return { program: join(directory, `${name}.bpf`), profile: join(directory, `${name}.json`) };
}

function hostArch(): SyscallArch {
  if (process.arch === 'x64') return 'x86_64';
  if (process.arch === 'arm64') return 'aarch64';
  throw new CoracleError('HOST', `compile seccomp filter: no system call table for ${process.arch}`, {
    hint: 'run with --security-opt seccomp=unconfined, or on x86_64 or arm64',
  });
}
