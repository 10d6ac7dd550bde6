/** Errors that show where in a Dockerfile they are. */
import { CoracleError } from '../errors.js';
import { renderExcerpt, type SourceRange } from './source.js';

/** What an excerpt needs; a `Dockerfile` is one. */
export type SourceText = { readonly fileName: string; readonly lines: readonly string[] };

/**
 * An INVALID error `parse FILE:LINE: reason` with the excerpt of `range`. The caret stands under
 * `range.startColumn`, where there is one.
 */
export function problem(source: SourceText, range: SourceRange, reason: string, hint?: string): CoracleError {
  const place = `${source.fileName}:${range.startLine}`;
  const excerpt = renderExcerpt(source.fileName, source.lines, range);
  return new CoracleError('INVALID', `parse ${place}: ${reason}`, {
    excerpt,
    ...(hint === undefined ? {} : { hint }),
  });
}
