/** Physical lines to logical lines: continuations, comments, heredoc bodies. BuildKit's parser.go. */
import { trim, trimNewline, trimStart } from './characters.js';
import { findHeredocs, type HeredocWord } from './heredoc.js';
import type { EscapeToken, Heredoc } from './instructions.js';
import { problem, type SourceText } from './problem.js';
import { rules } from './rules.js';
import type { SourceRange, Warning } from './source.js';

/** Where a piece of a logical line comes from. */
type Piece = { readonly offset: number; readonly line: number; readonly column: number };

export type LogicalLine = {
  readonly text: string;
  readonly range: SourceRange;
  readonly pieces: readonly Piece[];
  readonly comments: readonly string[];
  readonly heredocs: readonly Heredoc[];
};

/** The place in the file of `offset` in the logical line's text. */
export function locate(line: LogicalLine, offset: number): { line: number; column: number } {
  let found: Piece = { offset: 0, line: line.range.startLine, column: 1 };
  for (const piece of line.pieces) {
    if (piece.offset > offset) break;
    found = piece;
  }
  return { line: found.line, column: found.column + offset - found.offset };
}

/**
 * Reads all logical lines. `rawLines` are the physical lines with their line ends.
 * @throws {CoracleError} INVALID: an unterminated heredoc.
 */
export function readLogicalLines(
  source: SourceText,
  rawLines: readonly string[],
  escapeToken: EscapeToken,
): { lines: LogicalLine[]; warnings: Warning[] } {
  const reader = new LineReader(source, rawLines, escapeToken);
  const lines: LogicalLine[] = [];
  for (let line = reader.next(); line !== undefined; line = reader.next()) lines.push(line);
  return { lines, warnings: reader.warnings };
}

class LineReader {
  readonly warnings: Warning[] = [];
  readonly #source: SourceText;
  readonly #rawLines: readonly string[];
  readonly #escape: EscapeToken;
  #at = 0;

  constructor(source: SourceText, rawLines: readonly string[], escapeToken: EscapeToken) {
    this.#source = source;
    this.#rawLines = rawLines;
    this.#escape = escapeToken;
  }

  next(): LogicalLine | undefined {
    let comments: string[] = [];
    while (this.#at < this.#rawLines.length) {
      const physical = trimNewline(this.#rawLines[this.#at] ?? '');
      const text = trimStart(physical);
      this.#at += 1;
      if (text.startsWith('#')) {
        const comment = trim(text.slice(1));
        // An empty comment line parts a description from what stands above it.
        comments = comment === '' ? [] : [...comments, comment];
      } else if (text !== '') return this.#read(text, physical.length - text.length, comments);
    }
    return undefined;
  }

  /** Reads on from the first physical line of an instruction, which `#at` already points behind. */
  #read(first: string, indent: number, comments: readonly string[]): LogicalLine {
    const startLine = this.#at;
    const pieces: Piece[] = [{ offset: 0, line: startLine, column: indent + 1 }];
    const parts: string[] = [];
    let length = 0;
    let emptyLine: number | undefined;
    let part = this.#continued(first);
    for (let current = first; ; part = this.#continued(current)) {
      parts.push(part ?? current);
      length += (part ?? current).length;
      if (part === undefined) break;
      const next = this.#continuation();
      emptyLine ??= next.emptyLine;
      if (next.text === undefined) break;
      current = next.text;
      pieces.push({ offset: length, line: this.#at, column: 1 });
    }
    const text = parts.join('');
    this.#warn(emptyLine);
    const startColumn = indent + 1;
    const lineEnd = this.#at;
    const words = findHeredocs(text);
    const line = {
      text,
      pieces,
      comments,
      heredocs: [],
      range: { startLine, endLine: lineEnd, startColumn },
    };
    const heredocs = words.map((word) => this.#heredoc(word, line));
    return { ...line, heredocs, range: { startLine, endLine: this.#at, startColumn } };
  }

  /** The line without the escape token that continues it; undefined where it is not continued. */
  #continued(line: string): string | undefined {
    let end = line.length;
    while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end -= 1;
    if (line[end - 1] !== this.#escape || line[end - 2] === this.#escape) return undefined;
    return line.slice(0, end - 1);
  }

  /** The next physical line that is neither blank nor a comment. */
  #continuation(): { text?: string; emptyLine?: number } {
    let emptyLine: number | undefined;
    while (this.#at < this.#rawLines.length) {
      const text = trimNewline(this.#rawLines[this.#at] ?? '');
      this.#at += 1;
      const trimmed = trimStart(text);
      if (trimmed === '') emptyLine ??= this.#at;
      else if (!trimmed.startsWith('#')) return emptyLine === undefined ? { text } : { text, emptyLine };
    }
    return emptyLine === undefined ? {} : { emptyLine };
  }

  /** BuildKit places it at the line that ends the instruction. */
  #warn(emptyLine: number | undefined): void {
    if (emptyLine === undefined) return;
    const range = { startLine: this.#at, endLine: this.#at };
    const message = rules.NoEmptyContinuation.format();
    this.warnings.push({ rule: rules.NoEmptyContinuation.name, message, range });
  }

  #heredoc(word: HeredocWord, line: LogicalLine): Heredoc {
    const body: string[] = [];
    while (this.#at < this.#rawLines.length) {
      const raw = this.#rawLines[this.#at] ?? '';
      this.#at += 1;
      const text = trimNewline(raw);
      if ((word.chomp ? text.replace(/^\t+/, '') : text) === word.name)
        return { ...word, data: body.join('') };
      body.push(raw);
    }
    const place = locate(line, Math.max(0, line.text.indexOf('<<')));
    const range = { startLine: place.line, endLine: line.range.endLine, startColumn: place.column };
    const hint = `end it with a line that holds only ${word.name}`;
    throw problem(this.#source, range, `unterminated heredoc ${word.name}`, hint);
  }
}
