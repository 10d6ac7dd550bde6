/** Parser directives: `# escape=`, `# syntax=` and `# check=` above everything else. */
import { trimStart } from './characters.js';
import type { Directive, Directives, EscapeToken } from './instructions.js';
import { problem, type SourceText } from './problem.js';

const PAIR = /^([a-z][a-z0-9]*)\s*=\s*(\S.*?)\s*$/i;

/**
 * Reads the directives at the top of the file. Anything else (a blank line, an ordinary comment, an
 * unknown key) ends them. A `#!` first line is skipped for `syntax` and `check` but not for `escape`.
 * @throws {CoracleError} INVALID: a directive given twice, an escape that is neither `\` nor a backtick.
 */
export function parseDirectives(source: SourceText): Directives {
  const isScript = source.lines[0]?.startsWith('#!') === true;
  const found = new Map<string, Directive>();
  for (const [index, text] of source.lines.entries()) {
    if (index === 0 && isScript) continue;
    const directive = parseDirective(text, index + 1);
    if (directive === undefined) break;
    if (found.has(directive.name)) {
      const range = { startLine: directive.line, endLine: directive.line, startColumn: 1 };
      throw problem(source, range, `duplicate parser directive ${directive.name}`, 'remove one of the two');
    }
    found.set(directive.name, directive);
  }
  const syntax = found.get('syntax');
  const check = found.get('check');
  return {
    escape: isScript ? '\\' : escapeToken(source, found.get('escape')),
    ...(syntax === undefined ? {} : { syntax }),
    ...(check === undefined ? {} : { check }),
  };
}

function parseDirective(text: string, line: number): Directive | undefined {
  const trimmed = trimStart(text);
  if (!trimmed.startsWith('#')) return undefined;
  const match = PAIR.exec(trimStart(trimmed.slice(1)));
  const name = match?.[1]?.toLowerCase();
  if (name !== 'escape' && name !== 'syntax' && name !== 'check') return undefined;
  return { name, value: match?.[2] ?? '', line };
}

function escapeToken(source: SourceText, directive: Directive | undefined): EscapeToken {
  if (directive === undefined) return '\\';
  if (directive.value === '\\' || directive.value === '`') return directive.value;
  const range = { startLine: directive.line, endLine: directive.line, startColumn: 1 };
  throw problem(source, range, `invalid escape token ${directive.value}`, 'it must be ` or \\');
}
