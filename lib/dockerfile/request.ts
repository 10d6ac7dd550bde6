/** What the parser of one instruction gets, and how it reports faults. */
import { parseJsonWords } from './arguments.js';
import { trimEnd } from './characters.js';
import { type FlagTypes, type FlagValues, readFlags, type SplitLine } from './flags.js';
import type { Command, EscapeToken, Flag, Heredoc, InstructionSource } from './instructions.js';
import { type LogicalLine, locate } from './lines.js';
import { problem, type SourceText } from './problem.js';
import type { SourceRange, Warning } from './source.js';

export type Request = {
  readonly source: SourceText;
  readonly line: LogicalLine;
  readonly split: SplitLine;
  /** Upper case, for messages. */
  readonly keyword: string;
  readonly escape: EscapeToken;
  readonly heredocs: readonly Heredoc[];
  /** Warnings found on the way are added here. */
  readonly warnings: Warning[];
};

/** Throws an INVALID error whose caret points at `offset` of the logical line (default: the keyword). */
export function fault(request: Request, reason: string, hint?: string, offset = request.split.offset): never {
  const place = locate(request.line, offset);
  const range = { startLine: place.line, endLine: place.line, startColumn: place.column };
  throw problem(request.source, range, reason, hint);
}

/** Checks the flags against `types`. */
export function flagsOf(request: Request, types: FlagTypes): FlagValues {
  return readFlags(request.split.flags, types, (offset, reason, hint) =>
    fault(request, reason, hint, offset),
  );
}

/** The fields every instruction has. */
export function sourceOf(request: Request): InstructionSource {
  const flags = request.split.flags.map((flag): Flag => {
    const equals = flag.text.indexOf('=');
    const range = rangeAt(request, flag.offset);
    if (equals < 0) return { name: flag.text.slice(2), range };
    return { name: flag.text.slice(2, equals), value: flag.text.slice(equals + 1), range };
  });
  const start = locate(request.line, request.split.offset);
  return {
    keyword: request.split.keyword,
    range: { startLine: start.line, endLine: request.line.range.endLine, startColumn: start.column },
    original: trimEnd(request.line.text.slice(request.split.offset)),
    comments: request.line.comments,
    flags,
  };
}

/** The place of one word. */
export function rangeAt(request: Request, offset: number): SourceRange {
  const place = locate(request.line, offset);
  return { startLine: place.line, endLine: place.line, startColumn: place.column };
}

/** The strings of `text`, if it is a JSON array. */
export function jsonWords(request: Request, text: string, offset: number): readonly string[] | undefined {
  const words = parseJsonWords(text);
  if (words === 'not strings') {
    const hint = 'quote every item: ["executable", "argument"]';
    return fault(request, `a JSON array must hold strings only in ${request.keyword}`, hint, offset);
  }
  if (words?.some((word) => word.includes('\0'))) {
    return fault(request, `a JSON string holds a NUL character in ${request.keyword}`, undefined, offset);
  }
  return words;
}

/** A command line: a JSON array or, where it is none, text for the shell. */
export function commandOf(request: Request, text: string, offset: number): Command {
  const args = jsonWords(request, text, offset);
  if (args !== undefined) return { form: 'exec', args };
  return { form: 'shell', script: text, files: request.heredocs };
}

/** What follows the flags, which must not be empty. */
export function requiredRest(request: Request, what: string): string {
  const { rest } = request.split;
  if (rest === '') fault(request, `${request.keyword} needs ${what}`);
  return rest;
}
