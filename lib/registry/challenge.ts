/** The WWW-Authenticate header: a list of challenges. https://www.rfc-editor.org/rfc/rfc7235#section-4.1 */
import { CoracleError } from '../errors.js';
import { printable } from './errors.js';

/** One way to authenticate that a server offers. Scheme and parameter names are lower-case. */
export type Challenge = {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
};

const limit = 8 * 1024;
const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const equals = /[ \t]*=[ \t]*/y;
const quoted = /"((?:[^"\\]|\\[\s\S])*)"/y;
const separator = /[ \t,]*/y;
const space = /[ \t]*/y;

/**
 * Reads a header, in which several may be joined by commas.
 * @throws REGISTRY where it does not follow the grammar.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  if (header.length > limit) throw malformed(header);
  const text = new Cursor(header);
  const challenges: Challenge[] = [];
  text.take(separator);
  while (!text.atEnd()) {
    const scheme = text.take(token);
    if (scheme === undefined) throw malformed(header);
    text.take(space);
    challenges.push({ scheme: scheme.toLowerCase(), parameters: readParameters(text, header) });
    text.take(separator);
  }
  return challenges;
}

/** The parameters up to the next scheme; the one opaque token that some schemes use instead is skipped. */
function readParameters(text: Cursor, header: string): Readonly<Record<string, string>> {
  const parameters = new Map<string, string>();
  for (;;) {
    const start = text.position;
    text.take(separator);
    const name = text.take(token);
    if (name === undefined || text.take(equals) === undefined || text.at(/[=,]|$/y)) {
      text.position = start;
      if (parameters.size === 0) text.take(token68);
      return Object.fromEntries(parameters);
    }
    const value =
      text
        .take(quoted)
        ?.slice(1, -1)
        .replace(/\\([\s\S])/g, '$1') ?? text.take(token);
    if (value === undefined) throw malformed(header);
    parameters.set(name.toLowerCase(), value);
  }
}

class Cursor {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.position >= this.#text.length;
  }

  /** What a sticky pattern matches here, consumed. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const match = pattern.exec(this.#text)?.[0];
    this.position += match?.length ?? 0;
    return match;
  }

  /** Whether a sticky pattern matches here. */
  at(pattern: RegExp): boolean {
    pattern.lastIndex = this.position;
    return pattern.test(this.#text);
  }
}

function malformed(header: string): CoracleError {
  return new CoracleError('REGISTRY', `parse WWW-Authenticate header: malformed: ${printable(header)}`);
}
