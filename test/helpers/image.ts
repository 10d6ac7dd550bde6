/** Root file systems to make images from: a tiny one from the host's static busybox, a Debian one by mmdebstrap. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { findProgram, type Missing } from './host.js';

/** One entry of a hand-made tar. Names are relative, directories end without a slash. */
export type TarEntry = {
  readonly name: string;
  readonly type?: 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';
  readonly content?: string | Uint8Array;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
};

const typeFlags = {
  file: 0,
  hardlink: 1,
  symlink: 2,
  character: 3,
  block: 4,
  directory: 5,
  fifo: 6,
} as const;

/** A ustar archive, independent of the code under test. Names up to 100 bytes. */
export function makeTar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(tarRecords), Buffer.alloc(1024)]);
}

function tarRecords(entry: TarEntry): Buffer[] {
  const type = entry.type ?? 'file';
  const content = Buffer.from(entry.content ?? '');
  const name = type === 'directory' ? `${entry.name}/` : entry.name;
  if (Buffer.byteLength(name) > 100 || Buffer.byteLength(entry.link ?? '') > 100) {
    throw new Error(`make tar: name too long: ${name}`);
  }
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(octal(entry.mode ?? (type === 'directory' ? 0o755 : 0o644), 7), 100);
  header.write(octal(entry.uid ?? 0, 7), 108);
  header.write(octal(entry.gid ?? 0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(entry.mtime ?? 1_700_000_000, 11), 136);
  header.write(`        ${typeFlags[type]}`, 148);
  header.write(entry.link ?? '', 157);
  header.write('ustar\u000000', 257);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    ),
    148,
  );
  header.write('\u0000 ', 154);
  return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

const busyboxPath = '/bin/busybox';

export function missingBusybox(): Missing {
  return existsSync(busyboxPath) ? undefined : 'no static busybox on this machine';
}

/** The entries of a root file system of about 2 MB: busybox, a link for each applet, accounts, the usual directories. */
export function busyboxEntries(): TarEntry[] {
  const list = spawnSync(busyboxPath, ['--list'], { encoding: 'utf8' });
  if (list.status !== 0)
    throw new Error(`list applets of ${busyboxPath}: ${list.error?.message ?? list.stderr}`);
  const applets = list.stdout.split('\n').filter((applet) => applet !== '' && applet !== 'busybox');
  const directories = [
    'bin',
    'dev',
    'etc',
    'home',
    'proc',
    'root',
    'sys',
    'usr',
    'usr/bin',
    'var',
    'var/www',
  ];
  return [
    ...directories.map((name) => ({ name, type: 'directory' }) as const),
    { name: 'tmp', type: 'directory', mode: 0o1777 },
    { name: 'bin/busybox', content: readFileSync(busyboxPath), mode: 0o755 },
    ...applets.map(
      (applet) => ({ name: `bin/${applet}`, type: 'symlink', link: 'busybox', mode: 0o777 }) as const,
    ),
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:33:www:/var/www:/bin/false\n' },
    { name: 'etc/group', content: 'root:x:0:\nwww:x:33:\n' },
  ];
}

/** Writes the busybox root file system to `file` and returns that path. `extra` entries come last. */
export function writeBusyboxTar(file: string, extra: readonly TarEntry[] = []): string {
  writeFileSync(file, makeTar([...busyboxEntries(), ...extra]));
  return file;
}

export function missingDebootstrap(): Missing {
  return findProgram('mmdebstrap') === undefined ? 'no mmdebstrap on this machine' : undefined;
}

/**
 * The path of a tar of a small Debian with apt, made once per user and machine (under a minute, needs the package
 * mirror) and then kept in the cache directory. Callers in other processes wait for the one that makes it.
 */
export function debianTar(): string {
  const directory = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'coracle-test');
  const file = join(directory, 'debian-bookworm.tar');
  if (existsSync(file)) return file;
  mkdirSync(directory, { recursive: true });
  const mode = process.getuid?.() === 0 ? 'root' : 'unshare';
  const make = `test -e "$1" || { mmdebstrap --quiet --variant=apt --mode=${mode} --format=tar bookworm "$1.part" && mv "$1.part" "$1"; }`;
  const made = spawnSync('flock', [`${file}.lock`, 'sh', '-c', make, 'sh', file], {
    encoding: 'utf8',
    cwd: directory,
    // Its root is a subordinate user, who must get to the temporary directory: the suite's own is closed to others.
    env: { ...process.env, TMPDIR: '/var/tmp', PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  if (made.status !== 0) throw new Error(`make ${file}: ${made.error?.message ?? made.stderr}`);
  return file;
}

/** Whether the archive this host itself installs from answers. */
export function missingArchive(): Missing {
  const directory = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : []),
  ];
  const text = files
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const url = /^(?:deb|URIs:) .*?(https?:\/\/[^\s\]]+)/m.exec(text)?.[1];
  if (url === undefined) return 'no package archive is configured';
  const ask = `fetch(process.argv[1], { signal: AbortSignal.timeout(5000) }).then(() => process.exit(0), () => process.exit(1))`;
  return spawnSync(process.execPath, ['-e', ask, `${url}/`]).status === 0
    ? undefined
    : 'the package archive is not reachable';
}
