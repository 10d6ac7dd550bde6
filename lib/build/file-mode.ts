/**
 * Modes as --chmod writes them: an octal number, or chmod(1)'s symbols (`u=rwX,go=rX`, `+x`). No umask applies, as in
 * BuildKit, whose daemon runs without one.
 */
import { CoracleError } from '../errors.js';

/** What --chmod makes of a file's permission bits. */
export type ModeChange = {
  /** As it was written; equal texts are equal changes. */
  readonly text: string;
  apply(mode: number, isDirectory: boolean): number;
};

type Clause = { readonly who: string; readonly operator: string; readonly permissions: string };

const largestMode = 0o7777;
const anyExecute = 0o111;
const shifts: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const setId: Readonly<Record<string, number>> = { u: 0o4000, g: 0o2000, o: 0 };
const rights: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };

/** @throws {CoracleError} INVALID for what is neither. */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-9]/.test(text)) {
    const mode = /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
    if (mode <= largestMode) return { text: mode.toString(8), apply: () => mode };
    throw invalid(text, 'an octal number goes from 0 to 07777');
  }
  const clauses = text.split(',').flatMap((clause) => parseClause(clause, text));
  return {
    text,
    apply: (mode, isDirectory) =>
      clauses.reduce((current, clause) => applyClause(clause, current, { mode, isDirectory }), mode),
  };
}

/** One who, and any number of operations on it: `g+r-w`. */
function parseClause(clause: string, text: string): readonly Clause[] {
  const [, who = '', operations = ''] = /^([ugoa]*)((?:[+=-](?:[rwxXst]*|[ugo]))+)$/.exec(clause) ?? [];
  if (operations === '') throw invalid(text, `"${clause}" is no clause`);
  const everybody = who === '' || who.includes('a');
  return Array.from(operations.matchAll(/([+=-])([a-zA-Z]*)/g), ([, operator = '', permissions = '']) => ({
    who: everybody ? 'ugo' : who,
    operator,
    permissions,
  }));
}

type Original = { readonly mode: number; readonly isDirectory: boolean };

function applyClause(clause: Clause, current: number, original: Original): number {
  const bits = bitsOf(clause, current, original);
  if (clause.operator === '+') return current | bits;
  if (clause.operator === '-') return current & ~bits;
  const cleared = Array.from(clause.who).reduce(
    (mask, who) => mask | (7 << shift(who)) | (setId[who] ?? 0),
    0,
  );
  const sticky = clause.who === 'ugo' ? 0o1000 : 0;
  // GNU chmod too leaves a directory's set-id bits alone, unless they are named.
  const kept = original.isDirectory ? 0o6000 & ~(clause.permissions.includes('s') ? cleared : 0) : 0;
  return (current & ~((cleared | sticky) & ~kept)) | bits;
}

function bitsOf({ who, permissions }: Clause, current: number, original: Original): number {
  let bits = permissions.includes('t') && who.length > 0 && who !== 'o' ? 0o1000 : 0;
  for (const one of who) {
    if (permissions.includes('s')) bits |= setId[one] ?? 0;
    for (const permission of permissions) bits |= rightsOf(permission, current, original) << shift(one);
  }
  return bits;
}

/** The three bits one letter stands for. `X` looks at the mode before any change, the others' rights at it now. */
function rightsOf(permission: string, current: number, original: Original): number {
  if (permission === 'X') return original.isDirectory || (original.mode & anyExecute) !== 0 ? 1 : 0;
  if (permission in shifts) return (current >> shift(permission)) & 7;
  return rights[permission] ?? 0;
}

function shift(who: string): number {
  return shifts[who] ?? 0;
}

function invalid(text: string, reason: string): CoracleError {
  return new CoracleError('INVALID', `set mode "${text}" by --chmod: ${reason}`, {
    hint: 'write an octal number such as 755, or symbols such as u=rwX,go=rX',
  });
}
