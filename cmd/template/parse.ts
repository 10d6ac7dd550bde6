/** Go's text/template syntax, the part people use in `--format`. https://pkg.go.dev/text/template */
import { CoracleError } from '../../lib/index.js';
import { type Token, tokenize } from './tokens.js';

export type Operand =
  | { readonly kind: 'field'; readonly base: Operand | undefined; readonly names: readonly string[] }
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'group'; readonly pipeline: Pipeline };

/** Commands joined by `|`; each is a head and its arguments. */
export type Pipeline = {
  readonly commands: readonly (readonly [Operand, ...Operand[]])[];
  readonly declares: readonly string[];
};

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

/** Parses a template; throws USAGE with the text around the mistake. */
export function parseTemplate(source: string): readonly Node[] {
  return new Parser(source).parse();
}

class Parser {
  readonly #source: string;
  readonly #parts: readonly (string | readonly Token[])[];
  #index = 0;

  constructor(source: string) {
    this.#source = source;
    this.#parts = splitActions(source);
  }

  parse(): readonly Node[] {
    const { nodes, end } = this.#nodes();
    if (end !== undefined) throw this.#error(`unexpected {{${end}}}`);
    return nodes;
  }

  #nodes(): { nodes: readonly Node[]; end: 'end' | 'else' | undefined; tail: readonly Token[] } {
    const nodes: Node[] = [];
    while (this.#index < this.#parts.length) {
      const part = this.#parts[this.#index++] ?? '';
      if (typeof part === 'string') {
        if (part !== '') nodes.push({ kind: 'text', text: part });
        continue;
      }
      const [first, ...tail] = part;
      if (first === undefined) continue;
      const word = first.kind === 'word' ? first.text : '';
      if (word === 'end' || word === 'else') return { nodes, end: word, tail };
      if (word === 'if' || word === 'with' || word === 'range') nodes.push(this.#block(word, tail));
      else nodes.push({ kind: 'print', pipeline: this.#pipeline([...part]) });
    }
    return { nodes, end: undefined, tail: [] };
  }

  #block(kind: 'if' | 'with' | 'range', head: readonly Token[]): Node {
    const pipeline = this.#pipeline([...head]);
    const { nodes: body, end, tail } = this.#nodes();
    if (end === undefined) throw this.#error(`{{${kind}}} without {{end}}`);
    if (end === 'end') return { kind, pipeline, body, otherwise: [] };
    const next = tail[0];
    if (next?.kind === 'word' && (next.text === 'if' || next.text === 'with')) {
      return { kind, pipeline, body, otherwise: [this.#block(next.text, tail.slice(1))] };
    }
    const other = this.#nodes();
    if (other.end !== 'end') throw this.#error(`{{${kind}}} without {{end}}`);
    return { kind, pipeline, body, otherwise: other.nodes };
  }

  #pipeline(tokens: Token[]): Pipeline {
    const declares: string[] = [];
    const assign = tokens.findIndex(
      (token) => token.kind === 'symbol' && (token.text === ':=' || token.text === '='),
    );
    if (assign > 0) {
      for (const token of tokens.splice(0, assign + 1))
        if (token.kind === 'variable') declares.push(token.text);
    }
    const commands: [Operand, ...Operand[]][] = [];
    let current: Operand[] = [];
    const finish = (): void => {
      const [head, ...rest] = current;
      if (head === undefined) throw this.#error('missing value');
      commands.push([head, ...rest]);
      current = [];
    };
    for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
      if (token.kind === 'symbol' && token.text === '|') finish();
      else current.push(this.#operand(token, tokens));
    }
    finish();
    return { commands, declares };
  }

  #operand(token: Token, rest: Token[]): Operand {
    const isField = token.kind === 'field';
    const base = isField ? undefined : this.#primary(token, rest);
    const names = isField ? [token.text] : [];
    while (rest[0]?.kind === 'chain') names.push(rest.shift()?.text ?? '');
    return names.length === 0 && base !== undefined ? base : { kind: 'field', base, names };
  }

  #primary(token: Token, rest: Token[]): Operand {
    switch (token.kind) {
      case 'dot':
        return { kind: 'dot' };
      case 'variable':
        return { kind: 'variable', name: token.text };
      case 'string':
        return { kind: 'literal', value: token.text };
      case 'number':
        return { kind: 'literal', value: Number(token.text) };
      case 'word':
        if (token.text === 'true' || token.text === 'false')
          return { kind: 'literal', value: token.text === 'true' };
        if (token.text === 'nil') return { kind: 'literal', value: null };
        return { kind: 'function', name: token.text };
      case 'symbol':
        if (token.text === '(') return { kind: 'group', pipeline: this.#pipeline(this.#group(rest)) };
    }
    throw this.#error(`unexpected "${token.text}"`);
  }

  #group(rest: Token[]): Token[] {
    let depth = 1;
    const inner: Token[] = [];
    for (let token = rest.shift(); token !== undefined; token = rest.shift()) {
      if (token.kind === 'symbol' && token.text === '(') depth++;
      if (token.kind === 'symbol' && token.text === ')' && --depth === 0) return inner;
      inner.push(token);
    }
    throw this.#error('missing )');
  }

  #error(reason: string): CoracleError {
    return new CoracleError('USAGE', `parse format "${this.#source}": ${reason}`);
  }
}

/** Literal text and actions in turn, with the trim markers `{{- ` and ` -}}` applied. */
function splitActions(source: string): readonly (string | readonly Token[])[] {
  const parts: (string | readonly Token[])[] = [];
  const pattern = /\{\{(-\s)?((?:"(?:\\.|[^"\\])*"|`[^`]*`|[^"`])*?)(\s-)?\}\}/g;
  let last = 0;
  let trimNext = false;
  for (const match of source.matchAll(pattern)) {
    let text = source.slice(last, match.index);
    if (trimNext) text = text.trimStart();
    if (match[1] !== undefined) text = text.trimEnd();
    trimNext = match[3] !== undefined;
    const body = (match[2] ?? '').trim();
    parts.push(text);
    if (!body.startsWith('/*')) parts.push(tokenize(body, source));
    last = match.index + match[0].length;
  }
  const tail = source.slice(last);
  if (tail.includes('{{')) throw new CoracleError('USAGE', `parse format "${source}": unclosed action`);
  parts.push(trimNext ? tail.trimStart() : tail);
  return parts;
}
