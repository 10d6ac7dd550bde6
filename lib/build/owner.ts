/** Who files belong to: `user[:group]` of --chown and USER, looked up in the image's own /etc/passwd and /etc/group (S10, S11). */
import { CoracleError } from '../errors.js';

export type Owner = { readonly uid: number; readonly gid: number };

/** The texts of an image's account files; undefined where it has none. */
export type Accounts = { readonly passwd: string | undefined; readonly group: string | undefined };

const largestId = 2 ** 31 - 1;

/**
 * The numbers `text` names. A named user without a group has its primary group from passwd, a bare number the same number.
 * @throws NOT_FOUND for a name the image does not have, INVALID for ids out of range.
 */
export function resolveOwner(text: string, accounts: Accounts): Owner {
  const colon = text.indexOf(':');
  const userText = colon < 0 ? text : text.slice(0, colon);
  const groupText = colon < 0 ? undefined : text.slice(colon + 1);
  const user = resolveUser(userText === '' ? '0' : userText, accounts.passwd, text);
  if (groupText === undefined || groupText === '') return { uid: user.uid, gid: user.gid ?? user.uid };
  return { uid: user.uid, gid: resolveGroup(groupText, accounts.group, text) };
}

function resolveUser(
  user: string,
  passwd: string | undefined,
  whole: string,
): { uid: number; gid: number | undefined } {
  const number = parseId(user, whole);
  if (number !== undefined) return { uid: number, gid: undefined };
  for (const [name, , uid, gid] of entries(passwd)) {
    if (name !== user) continue;
    const ids = { uid: parseId(uid ?? '', whole), gid: parseId(gid ?? '', whole) };
    if (ids.uid !== undefined) return { uid: ids.uid, gid: ids.gid };
  }
  throw new CoracleError('NOT_FOUND', `find user "${user}": the image's /etc/passwd has no such user`, {
    hint: 'create it in an earlier RUN step, or give its number',
  });
}

function resolveGroup(group: string, text: string | undefined, whole: string): number {
  const number = parseId(group, whole);
  if (number !== undefined) return number;
  for (const [name, , gid] of entries(text)) {
    const id = name === group ? parseId(gid ?? '', whole) : undefined;
    if (id !== undefined) return id;
  }
  throw new CoracleError('NOT_FOUND', `find group "${group}": the image's /etc/group has no such group`, {
    hint: 'create it in an earlier RUN step, or give its number',
  });
}

function entries(text: string | undefined): readonly (readonly string[])[] {
  return (text ?? '').split('\n').map((line) => line.split(':'));
}

/** A decimal id; ids that a C int cannot hold are refused, since other programs wrap them (CVE-2024-40635). */
function parseId(text: string, whole: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id > largestId) throw new CoracleError('INVALID', `use owner "${whole}": ids end at ${largestId}`);
  return id;
}
