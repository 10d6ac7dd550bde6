/** Positions in a Dockerfile, the records that carry them, and how they are shown to people. */

/** Lines and columns count from 1; columns count UTF-16 units of the physical line. */
export type SourceRange = {
  readonly startLine: number;
  readonly endLine: number;
  readonly startColumn?: number;
};

/** Something worth saying that does not stop the build. `rule` is the BuildKit check it belongs to. */
export type Warning = {
  readonly rule?: string;
  readonly message: string;
  readonly range: SourceRange;
};

const MAXIMUM_LINES = 8;
const MAXIMUM_WIDTH = 160;

/**
 * Renders `file:line[:column]`, the source lines of `range` with one line before them, and a caret
 * under `column` of the line `range` starts at (default: `range.startColumn`; none: no caret).
 * `lines` are the physical lines of the file. Control characters are made visible: a Dockerfile may
 * hold terminal escapes.
 */
export function renderExcerpt(
  fileName: string,
  lines: readonly string[],
  range: SourceRange,
  column: number | undefined = range.startColumn,
): string {
  const last = Math.min(Math.max(range.endLine, range.startLine), lines.length);
  const width = String(last).length;
  const place = column === undefined ? `${range.startLine}` : `${range.startLine}:${column}`;
  const output = [`${visible(fileName)}:${place}`];
  for (let number = Math.max(1, range.startLine - 1); number <= last; number += 1) {
    if (number - range.startLine >= MAXIMUM_LINES) {
      output.push(`${' '.repeat(width)} | ... ${last - number + 1} more lines`);
      break;
    }
    const isMarked = number === range.startLine && column !== undefined;
    const window = cut(lines[number - 1] ?? '', isMarked ? (column ?? 1) : 1);
    output.push(`${String(number).padStart(width)} | ${window.text}`.trimEnd());
    if (isMarked) output.push(`${' '.repeat(width)} | ${' '.repeat(window.offset)}^`);
  }
  return output.join('\n');
}

/** The part of a long line around `column`, and how far right of its start that column is. */
function cut(line: string, column: number): { text: string; offset: number } {
  const at = Math.min(Math.max(column - 1, 0), line.length);
  const start = at < MAXIMUM_WIDTH - 20 ? 0 : at - MAXIMUM_WIDTH / 2;
  const left = start > 0 ? '...' : '';
  const right = line.length > start + MAXIMUM_WIDTH ? '...' : '';
  return {
    text: left + visible(line.slice(start, start + MAXIMUM_WIDTH)) + right,
    offset: left.length + visible(line.slice(start, at)).length,
  };
}

/** The same text with every control character but none of its width changed. */
function visible(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '\t') return ' ';
    return code < 0x20 || (code >= 0x7f && code < 0xa0) ? '\ufffd' : character;
  }).join('');
}
