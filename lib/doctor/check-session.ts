/** The user's session: the runtime directory, what happens at log-out. */
import { statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { CoracleError, hasErrno } from '../errors.js';
import { runtimeDirectory } from '../host/paths.js';
import { exists } from './host-files.js';
import { type Finding, fail, fine, warn } from './report.js';
import type { Subject } from './subject.js';

export function checkRuntimeDirectory({ env }: Subject): readonly Finding[] {
  const [id, title] = ['runtime-directory', 'runtime directory'];
  const uid = process.getuid?.() ?? 0;
  try {
    const path = runtimeDirectory(env, uid);
    if (env.XDG_RUNTIME_DIR) return [fine(id, title, path)];
    return [fine(id, title, `${path} (XDG_RUNTIME_DIR is not set)`)];
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return [
      fail(id, title, {
        detail: error.message,
        consequence: 'no container can be started',
        fix: error.hint ?? `export XDG_RUNTIME_DIR=/run/user/${uid}`,
      }),
    ];
  }
}

/** systemd ends what a user left running at log-out, unless told to let it linger. */
export function checkLinger(): readonly Finding[] {
  const [id, title] = ['linger', 'containers after log-out'];
  if (!exists('/run/systemd/system')) return [fine(id, title, 'they stay: systemd does not run here')];
  const name = userName();
  if (isThere(`/var/lib/systemd/linger/${name}`)) return [fine(id, title, 'they stay: lingering is on')];
  return [
    warn(id, title, {
      detail: `lingering is off for ${name}`,
      consequence: 'systemd may end detached containers when the last session ends',
      fix: `loginctl enable-linger ${name}`,
    }),
  ];
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (hasErrno(error, 'EACCES')) return false;
    throw error;
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ERR_SYSTEM_ERROR')) return String(process.getuid?.() ?? 0);
    throw error;
  }
}
