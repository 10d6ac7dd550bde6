/** `# check=skip=A,B;error=true;experimental=all`: which rules run, and whether a finding fails the build. */

import { CoracleError } from '../errors.js';
import { trim } from './characters.js';
import { findRule, type RuleName, rules } from './rules.js';
import { suggest } from './suggestion.js';

/** `all`, or the names of rules. */
type Selection = 'all' | ReadonlySet<string>;

export type CheckOptions = {
  readonly skip: Selection;
  readonly experimental: Selection;
  /** A finding is an error. */
  readonly error: boolean;
};

const none: Selection = new Set();
const truths: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
]);

/**
 * Reads the value of the directive or of BUILDKIT_DOCKERFILE_CHECK.
 * @throws {CoracleError} INVALID: an option that is none, or a value that is neither true nor false.
 */
export function parseCheckOptions(text: string): CheckOptions {
  const options: { skip: Selection; experimental: Selection; error: boolean } = {
    skip: none,
    experimental: none,
    error: false,
  };
  if (trim(text) === '') return options;
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    const key = trim(equals < 0 ? part : part.slice(0, equals));
    const value = trim(equals < 0 ? '' : part.slice(equals + 1));
    if (equals < 0 || !(key === 'skip' || key === 'experimental' || key === 'error')) {
      throw new CoracleError('INVALID', `read check option ${JSON.stringify(part)}: unknown option`, {
        hint:
          equals < 0 ? 'write skip=RULE,RULE;error=true' : suggest(key, ['skip', 'error', 'experimental']),
      });
    }
    if (key === 'error') options.error = truth(part, value);
    else options[key] = value === 'all' ? 'all' : new Set(value.split(',').map(trim));
  }
  return options;
}

function truth(part: string, value: string): boolean {
  const read = truths.get(value);
  if (read !== undefined) return read;
  throw new CoracleError('INVALID', `read check option ${JSON.stringify(part)}: it is true or false`);
}

/** Whether a rule runs. Experimental rules have to be asked for and are not touched by `skip`. */
export function ruleRuns(name: RuleName, options: CheckOptions): boolean {
  const has = (selection: Selection): boolean => selection === 'all' || selection.has(name);
  return rules[name].experimental ? has(options.experimental) : !has(options.skip);
}

/** Names in the options that are no rule's, which BuildKit ignores and people want to know of. */
export function unknownRules(options: CheckOptions): readonly string[] {
  const names = [options.skip, options.experimental].flatMap((one) => (one === 'all' ? [] : [...one]));
  return names.filter((name) => name !== '' && findRule(name) === undefined);
}
