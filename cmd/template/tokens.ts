/** The words of one template action. */
import { CoracleError } from '../../lib/index.js';

export type Token = {
  /** `field` is `.Name` at the start of an operand, `chain` is `.Name` directly behind another operand. */
  readonly kind: 'field' | 'chain' | 'dot' | 'variable' | 'string' | 'number' | 'word' | 'symbol';
  readonly text: string;
};

const pattern =
  /\s+|(?<field>\.[\p{L}_][\p{L}\p{N}_]*)|(?<dot>\.)|(?<variable>\$[\p{L}\p{N}_]*)|(?<quoted>"(?:\\.|[^"\\])*")|(?<raw>`[^`]*`)|(?<number>-?\d+(?:\.\d+)?)|(?<word>[\p{L}_][\p{L}\p{N}_]*)|(?<symbol>:=|[|(),=])/uy;

/** Splits `body`; throws USAGE naming the character that has no meaning. `source` is the whole template, for the message. */
export function tokenize(body: string, source: string): readonly Token[] {
  const tokens: Token[] = [];
  let touching = false;
  pattern.lastIndex = 0;
  while (pattern.lastIndex < body.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(body)?.groups;
    if (groups === undefined) {
      throw new CoracleError('USAGE', `parse format "${source}": unexpected "${body.charAt(at)}"`);
    }
    const token = tokenOf(groups, touching);
    if (token !== undefined && token.text !== ',') tokens.push(token);
    touching = token !== undefined && (token.kind !== 'symbol' || token.text === ')');
  }
  return tokens;
}

function tokenOf(groups: Record<string, string | undefined>, touching: boolean): Token | undefined {
  if (groups.field !== undefined) return { kind: touching ? 'chain' : 'field', text: groups.field.slice(1) };
  if (groups.dot !== undefined) return { kind: 'dot', text: '.' };
  if (groups.variable !== undefined) return { kind: 'variable', text: groups.variable.slice(1) };
  if (groups.quoted !== undefined) return { kind: 'string', text: unquote(groups.quoted) };
  if (groups.raw !== undefined) return { kind: 'string', text: groups.raw.slice(1, -1) };
  if (groups.number !== undefined) return { kind: 'number', text: groups.number };
  if (groups.word !== undefined) return { kind: 'word', text: groups.word };
  if (groups.symbol !== undefined) return { kind: 'symbol', text: groups.symbol };
  return undefined;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', '"': '"' };

function unquote(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, (whole, letter: string) => escapes[letter] ?? whole);
}
