/** What `# syntax=` and `# check=` mean for a build, and the build arguments that take their place. */
import { type CheckOptions, parseCheckOptions } from '../dockerfile/check-options.js';
import type { Directives } from '../dockerfile/instructions.js';
import { type BuildSource, instructionError, placeError } from './build-source.js';
import type { Checks } from './checks.js';

export type DirectiveInput = {
  readonly directives: Directives;
  readonly source: BuildSource;
  /** The value of a build argument, which is thereby used. */
  readonly argument: (name: string) => string | undefined;
};

const stockFrontend = /^((docker\.io\/)?docker\/dockerfile(-upstream)?([:@].*)?|dockerfile\.v0)$/;

/** BUILDKIT_DOCKERFILE_CHECK, else the directive. @throws INVALID at the directive */
export function checkOptions({ directives, source, argument }: DirectiveInput): CheckOptions {
  const given = argument('BUILDKIT_DOCKERFILE_CHECK');
  if (given !== undefined) return parseCheckOptions(given);
  const { check } = directives;
  if (check === undefined) return parseCheckOptions('');
  try {
    return parseCheckOptions(check.value);
  } catch (error) {
    throw placeError(error, source, lineOf(check.line));
  }
}

/**
 * `# syntax=` or BUILDKIT_SYNTAX may ask for the stock frontend, whose dialect this is; another one is a program
 * that is never run (S33).
 */
export function refuseForeignSyntax({ directives, source, argument }: DirectiveInput): void {
  const { syntax } = directives;
  const given = argument('BUILDKIT_SYNTAX');
  const name = given ?? syntax?.value;
  if (name === undefined || stockFrontend.test(name)) return;
  throw instructionError(
    source,
    lineOf(given === undefined ? (syntax?.line ?? 1) : 1),
    'UNSUPPORTED',
    `use syntax ${name}: only docker/dockerfile is built in; other frontends are not run`,
  );
}

/** `error=true` makes findings an error. */
export function refuseFindings(source: BuildSource, checks: Checks): void {
  const violation = checks.violation();
  if (violation === undefined) return;
  throw instructionError(
    source,
    violation,
    'INVALID',
    `build ${source.name}: lint violation found for rules: ${violation.rules.join(', ')}`,
    { hint: 'mend what the warnings say, or leave rules out with # check=skip=RULE' },
  );
}

function lineOf(line: number): {
  readonly range: { startLine: number; endLine: number; startColumn: number };
} {
  return { range: { startLine: line, endLine: line, startColumn: 1 } };
}
