/** A systemd user unit that starts containers with the machine. systemd.unit(5), systemd.service(5). */
import { existsSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory } from './files.js';
import type { Environment } from './paths.js';

const unitName = 'coracle.service';

/** What the unit calls. */
export type BootUnit = {
  /** Absolute path of the program. */
  readonly program: string;
  /** The store, where it is not the user's own. */
  readonly root?: string | undefined;
  readonly env: Environment;
};

/**
 * The text. Supervisors stay in the unit's cgroup: systemd's SIGTERM has them stop their containers in time, which
 * does not count as a stop by a command.
 */
export function bootUnit({ program, root, env }: BootUnit): string {
  const words = [program, ...(root === undefined ? [] : ['--root', resolve(root)]), 'system', 'start'];
  const kept = [
    'PATH',
    'XDG_DATA_HOME',
    'XDG_CONFIG_HOME',
    'CORACLE_ROOT',
    'CORACLE_STORAGE_DRIVER',
    'CORACLE_NETWORK',
  ];
  const variables = kept.flatMap((name) =>
    env[name] ? [`Environment=${quoted(`${name}=${env[name]}`)}`] : [],
  );
  return [
    '[Unit]',
    'Description=Containers of coracle that start with the machine',
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    ...variables,
    // Only in commands a dollar sign begins something.
    `ExecStart=${words.map((word) => quoted(word.replaceAll('$', '$$$$'))).join(' ')}`,
    'TimeoutStopSec=90',
    '',
    '[Install]',
    'WantedBy=default.target',
    '',
  ].join('\n');
}

/** As systemd reads it: in quotes where blanks are, `%` doubled. @throws USAGE for a line end. */
function quoted(word: string): string {
  if (/[\n\r\0]/.test(word)) {
    throw new CoracleError('USAGE', `write ${JSON.stringify(word)} into a unit: it has a line end`);
  }
  const text = word.replaceAll('%', '%%');
  return /[\s"'\\;]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : text;
}

/** Where it lies; whether the user's services start with the machine and not with a login. */
export type InstalledUnit = { readonly path: string; readonly lingers: boolean; readonly user: string };

/** Writes the unit and enables it as systemctl does. */
export function installBootUnit(unit: string, env: Environment): InstalledUnit {
  const directory = join(configHome(env), 'systemd', 'user');
  const path = join(directory, unitName);
  const wants = join(directory, 'default.target.wants');
  ensureDirectory(wants, 0o755);
  try {
    writeFileSync(path, unit, { mode: 0o644 });
    enable(path, join(wants, unitName));
  } catch (error) {
    throw ioError(`install ${path}`, error);
  }
  const { username: user } = userInfo();
  return { path, lingers: existsSync(join('/var/lib/systemd/linger', user)), user };
}

function enable(path: string, link: string): void {
  try {
    symlinkSync(path, link);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST') || !lstatSync(link).isSymbolicLink()) throw error;
  }
}

function configHome(env: Environment): string {
  const { XDG_CONFIG_HOME: given, HOME: home } = env;
  if (given !== undefined && isAbsolute(given)) return given;
  if (home !== undefined && isAbsolute(home)) return join(home, '.config');
  throw new CoracleError('HOST', 'install a unit: HOME is not set', { hint: 'set HOME' });
}
