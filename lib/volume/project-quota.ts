/**
 * Keeping a volume to a size by the project quotas of its file system. The kernel lets root alone set them (quotactl(2)), so it is
 * done by the administrator's own programs where we are root, and else said how root does it.
 */
import { spawnSync } from 'node:child_process';
import { CoracleError } from '../errors.js';
import { type HostMount, mountOf } from '../host/mount-table.js';
import { randomHex } from '../host/random.js';

/** Bytes and inodes. */
export type VolumeLimits = { readonly size?: number; readonly inodes?: number };

/** A program and its arguments. */
export type QuotaCommand = readonly [program: string, ...args: readonly string[]];

/** The commands that make a directory a project of its own with limits; undefined where its file system has no such thing. */
export function quotaCommands(
  mount: HostMount | undefined,
  directory: string,
  { size = 0, inodes = 0 }: VolumeLimits,
  project: number,
): readonly QuotaCommand[] | undefined {
  if (mount === undefined) return undefined;
  const { type, superOptions, directory: place } = mount;
  const id = `${project}`;
  if (type === 'xfs' && superOptions.some((option) => ['prjquota', 'pquota'].includes(option))) {
    const words = ['xfs_quota', '-x', '-D', '/dev/null', '-P', '/dev/null'] as const;
    const limit = `limit -p bhard=${size} ihard=${inodes} ${id}`;
    return [[...words, '-c', `project -s -p ${directory} ${id}`, '-c', limit, place]];
  }
  if ((type === 'ext4' || type === 'f2fs') && superOptions.includes('prjquota')) {
    const blocks = `${Math.ceil(size / 1024)}`;
    return [
      ['chattr', '-p', id, '+P', directory],
      ['setquota', '-P', id, '0', blocks, '0', `${inodes}`, place],
    ];
  }
  return undefined;
}

/** What is taken of this host; for tests, other things. */
export type QuotaHost = {
  readonly isRoot: boolean;
  mountOf(path: string): HostMount | undefined;
  /** The error's text, undefined for success. */
  run(command: QuotaCommand): string | undefined;
};

const thisHost: QuotaHost = {
  isRoot: process.getuid?.() === 0,
  mountOf: (path) => mountOf(path),
  run: ([program, ...args]) => {
    const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
    if (error !== undefined) return `${program}: ${error.message}`;
    return status === 0 ? undefined : `${program}: ${stderr.trim()}`;
  },
};

/** @throws HOST where nothing can keep it to a size, with what root can do about it. */
export function limitDirectory(
  name: string,
  directory: string,
  limits: VolumeLimits,
  host: QuotaHost = thisHost,
): void {
  if (limits.size === undefined && limits.inodes === undefined) return;
  const mount = host.mountOf(directory);
  // Far from the ids that people choose; 2^24 of them.
  const project = 2 ** 24 + Number.parseInt(randomHex(3), 16);
  const commands = quotaCommands(mount, directory, limits, project);
  if (commands === undefined) {
    const place = `${mount?.directory ?? directory} (${mount?.type ?? 'unknown'})`;
    throw new CoracleError(
      'HOST',
      `create volume ${name}: the file system at ${place} has no project quotas`,
      {
        hint: 'mounted with prjquota, ext4 and xfs have them; a volume in memory needs none: --opt type=tmpfs --opt o=size=64m',
      },
    );
  }
  if (!host.isRoot) {
    throw new CoracleError('HOST', `create volume ${name}: root alone sets quotas`, {
      hint: `make it without a size, then as root: ${commands.map((words) => words.map(quoted).join(' ')).join(' && ')}`,
    });
  }
  for (const command of commands) {
    const problem = host.run(command);
    if (problem !== undefined) throw new CoracleError('HOST', `create volume ${name}: ${problem}`);
  }
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
