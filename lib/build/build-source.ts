/** The Dockerfile a build reads, and errors that point into it. */
import { renderExcerpt, type SourceRange } from '../dockerfile/source.js';
import { CoracleError, type ErrorCode, type ErrorDetails } from '../errors.js';

/** Name and physical lines of the file; those of a trigger are its own text. */
export type BuildSource = { readonly name: string; readonly lines: readonly string[] };

/** An error at an instruction: the message, then file, line and caret. */
export function instructionError(
  source: BuildSource,
  at: { readonly range: SourceRange },
  code: ErrorCode,
  message: string,
  details: ErrorDetails = {},
): CoracleError {
  const excerpt = renderExcerpt(source.name, source.lines, at.range);
  return new CoracleError(code, message, { exitCode: 1, ...details, excerpt });
}

/** Gives an error that knows no place the place of the instruction at which it came up; others pass unchanged. */
export function placeError(
  error: unknown,
  source: BuildSource,
  at: { readonly range: SourceRange },
): unknown {
  if (!(error instanceof CoracleError) || error.excerpt !== undefined) return error;
  return instructionError(source, at, error.code, error.message, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
