/**
 * The part of YAML that programs write: block maps and lists, plain and quoted scalars, empty and one-line flow
 * lists. Everything else (anchors, tags, several documents, block scalars) is refused.
 */

type Line = { readonly indent: number; readonly text: string; readonly number: number };

/** The document as JSON would have it. @throws Error naming the line. */
export function parseYaml(text: string): unknown {
  const lines = text.split('\n').flatMap((raw, index): Line[] => {
    const content = stripComment(raw).trimEnd();
    const trimmed = content.trimStart();
    if (trimmed === '' || (trimmed === '---' && index === 0)) return [];
    return [{ indent: content.length - trimmed.length, text: trimmed, number: index + 1 }];
  });
  const reader = new Reader(lines);
  const value = reader.block(0);
  reader.end();
  return value;
}

class Reader {
  #at = 0;
  readonly #lines: Line[];

  constructor(lines: readonly Line[]) {
    this.#lines = [...lines];
  }

  /** What begins at the next line, if it is indented enough. */
  block(least: number): unknown {
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < least) return null;
    if (line.text === '-' || line.text.startsWith('- ')) return this.#list(line.indent);
    if (keyOf(line) !== undefined) return this.#map(line.indent);
    this.#at++;
    return scalar(line.text, line);
  }

  end(): void {
    const line = this.#lines[this.#at];
    if (line !== undefined) throw fault(line, 'it is not indented as what is before it');
  }

  #list(indent: number): unknown[] {
    const items: unknown[] = [];
    for (let line = this.#lines[this.#at]; line?.indent === indent; line = this.#lines[this.#at]) {
      if (line.text !== '-' && !line.text.startsWith('- ')) break;
      const rest = line.text.slice(1).trimStart();
      if (rest === '') {
        this.#at++;
        items.push(this.block(indent + 1));
      } else {
        // What follows the dash is a block of its own, as deep as it stands in the line.
        const deeper = indent + line.text.length - rest.length;
        this.#lines[this.#at] = { ...line, indent: deeper, text: rest };
        items.push(this.block(deeper));
      }
    }
    return items;
  }

  #map(indent: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (let line = this.#lines[this.#at]; line?.indent === indent; line = this.#lines[this.#at]) {
      const entry = keyOf(line);
      if (entry === undefined || line.text.startsWith('- ')) break;
      this.#at++;
      entries.push([entry.key, entry.rest === '' ? this.#value(indent) : scalar(entry.rest, line)]);
    }
    return Object.fromEntries(entries);
  }

  /** Lists may stand as deep as the key they belong to. */
  #value(indent: number): unknown {
    const next = this.#lines[this.#at];
    const isList = next !== undefined && (next.text === '-' || next.text.startsWith('- '));
    return this.block(isList ? indent : indent + 1);
  }
}

function keyOf({ text }: Line): { readonly key: string; readonly rest: string } | undefined {
  const match =
    /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'[\]{}&*!|>%@`#-][^:]*?|-[^\s:][^:]*?))\s*:(?:\s+(.*))?$/.exec(
      text,
    );
  if (match === null) return undefined;
  return { key: match[1] ?? match[2] ?? match[3] ?? '', rest: match[4] ?? '' };
}

function scalar(text: string, line: Line): unknown {
  if (text.startsWith('"')) return JSON.parse(text) as unknown;
  if (/^'(?:[^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'");
  if (text.startsWith('[') && text.endsWith(']')) {
    const inner = text.slice(1, -1).trim();
    return inner === '' ? [] : inner.split(',').map((item) => scalar(item.trim(), line));
  }
  if (text === '{}') return {};
  if (/^[&*!|>%@`{[]/.test(text)) throw fault(line, `"${text}" is more of YAML than is understood`);
  if (text === 'null' || text === '~') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(?:0|[1-9]\d*)$/.test(text) ? Number(text) : text;
}

function stripComment(text: string): string {
  if (text.trimStart().startsWith('#')) return '';
  const at = text.search(/\s#/);
  return at < 0 || /["']/.test(text.slice(at)) ? text : text.slice(0, at);
}

function fault({ number }: Line, reason: string): Error {
  return new Error(`line ${number}: ${reason}`);
}
