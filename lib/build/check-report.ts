/** The result of a check as `docker build --check` prints it, and as its JSON. BuildKit's subrequests/lint. */
import { findRule } from '../dockerfile/rules.js';
import type { SourceRange, Warning } from '../dockerfile/source.js';
import type { CheckResult } from './check.js';

/** A result with its two forms. */
export type CheckReport = CheckResult & { readonly text: string; readonly json: object };

/** The text for people: how many findings, then each with the lines it is about. */
export function checkText({ warnings, source, error }: CheckResult): string {
  const count = warnings.length;
  const summary = count === 1 ? '1 warning has been found!' : `${count} warnings have been found!`;
  if (count === 0) return error === undefined ? 'Check complete, no warnings found.\n' : '';
  const blocks = warnings.map((warning) => warningText(warning, source.name, source.lines));
  return `Check complete, ${summary}\n${blocks.join('')}`;
}

function warningText({ rule = '', message, range }: Warning, file: string, lines: readonly string[]): string {
  const url = findRule(rule)?.url;
  return `\nWARNING: ${rule}${url === undefined ? '' : ` - ${url}`}\n${message}\n${sourceBlock(file, lines, range)}`;
}

/** The lines of `range`, marked, with a few around them: four for a single line, else two. */
export function sourceBlock(file: string, lines: readonly string[], range: SourceRange): string {
  let start = Math.max(1, range.startLine);
  let end = Math.min(range.endLine, lines.length);
  const wanted = start === end ? 4 : 2;
  for (let added = 0; added < wanted; added += 1) {
    if (start > 1) {
      start -= 1;
      added += 1;
    }
    if (end < lines.length) {
      end += 1;
      added += 1;
    }
  }
  const shown = lines.slice(start - 1, end).map((line, index) => {
    const number = start + index;
    const mark = number >= range.startLine && number <= range.endLine ? '>>>' : '   ';
    return ` ${String(number).padStart(3)} | ${mark} ${line}\n`;
  });
  const rule = '--------------------\n';
  return `${file}:${range.startLine}\n${rule}${shown.join('')}${rule}`;
}

/** The object that `--call=check,format=json` prints. */
export function checkJson({ warnings, source, error }: CheckResult): object {
  const data = Buffer.from(source.lines.join('\n')).toString('base64');
  return {
    warnings: warnings.map(({ rule = '', message, range }) => {
      const found = findRule(rule);
      return {
        ruleName: rule,
        ...(found === undefined ? {} : { description: found.description }),
        ...(found?.url === undefined ? {} : { url: found.url }),
        detail: message,
        location: location(range),
      };
    }),
    sources: [{ filename: source.name, data, language: 'Dockerfile' }],
    ...(error === undefined ? {} : { buildError: { message: error.message, location: { ranges: [] } } }),
  };
}

/** A range as BuildKit's JSON has it. */
export function location({ startLine, endLine }: SourceRange): object {
  return { ranges: [{ start: { line: startLine }, end: { line: endLine } }] };
}
