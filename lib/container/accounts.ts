/** Lines for a container's /etc/passwd and /etc/group, of users that its image does not know. */
import { readFileSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import type { RunOptions } from './run-options.js';

export type Accounts = { readonly passwd: readonly string[]; readonly group: readonly string[] };

type Facts = {
  /** `user[:group]`. */
  readonly user: string;
  readonly cwd: string;
  /** The caller's name, where the user is the caller. */
  readonly caller?: string | undefined;
  /** Text of this host's /etc/passwd. */
  readonly hostPasswd: () => string;
};

/** Undefined where there is nothing to add. @throws NOT_FOUND for a user that this host does not have. */
export function accountsOf(options: RunOptions, facts: Facts): Accounts | undefined {
  const { hostUsers = [], passwd = true } = options;
  const known = hostUsers.map((name) => hostLine(name, facts.hostPasswd()));
  const own = passwd ? ownLines(options, facts) : { passwd: [], group: [] };
  const lines = { passwd: [...own.passwd, ...known], group: own.group };
  return lines.passwd.length + lines.group.length === 0 ? undefined : lines;
}

function ownLines({ passwdEntry, groupEntry }: RunOptions, { user, cwd, caller }: Facts): Accounts {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(user) ?? [];
  if (uid === undefined || Number(uid) === 0) return { passwd: [], group: [] };
  const name = caller ?? uid;
  const values = { USERNAME: name, UID: uid, GID: gid ?? '0', NAME: 'container user', HOME: cwd };
  const fill = (text: string): string =>
    checkLine(
      text.replace(/\$(USERNAME|UID|GID|NAME|HOME)\b/g, (_, key: keyof typeof values) => values[key]),
    );
  const groups = gid === undefined || gid === '0' ? [] : ['$USERNAME:x:$GID:'];
  return {
    passwd: [fill(passwdEntry ?? '$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh')],
    group: (groupEntry === undefined ? groups : [groupEntry]).map((text) =>
      fill(text.replace('$USERNAME', caller ?? gid ?? name)),
    ),
  };
}

/** One line, and one that the account files' readers take for what it is. */
function checkLine(line: string): string {
  if (/^[^:\s][^:\n\0]*:[^\n\0]*:\d+:[^\n\0]*$/.test(line)) return line;
  throw new CoracleError('USAGE', `add account "${line}": not a line of passwd or group`, {
    hint: 'for example NAME:*:$UID:$GID:TEXT:$HOME:/bin/sh, or NAME:x:$GID:',
  });
}

function hostLine(name: string, text: string): string {
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`) || each.split(':')[2] === name);
  if (line === undefined)
    throw new CoracleError('NOT_FOUND', `use --hostuser ${name}: this host has no such user`);
  const [user = '', , ...rest] = line.split(':');
  return checkLine([user, '*', ...rest].join(':'));
}

/** Read once, and only where somebody asks. */
export function readHostPasswd(): string {
  return readFileSync('/etc/passwd', 'utf8');
}
