/** The keyword of a logical line and the `--name=value` flags behind it: BuildKit's split_command.go, bflag.go. */
import { isSpace, trim, trimStart } from './characters.js';
import { suggest } from './suggestion.js';

/** A flag with quotes and escapes taken off, and where in the logical line it starts. */
export type RawFlag = { readonly text: string; readonly offset: number };

export type SplitLine = {
  readonly keyword: string;
  /** Where the keyword starts in the text given. */
  readonly offset: number;
  readonly flags: readonly RawFlag[];
  /** What follows, trimmed. */
  readonly rest: string;
  readonly restOffset: number;
};

/** Splits a logical line, or the trigger after ONBUILD, that starts at `offset` of the logical line. */
export function splitLine(text: string, offset: number): SplitLine {
  const start = text.length - trimStart(text).length;
  const trimmed = trim(text);
  const separator = /[\t\v\f\r ]+/.exec(trimmed);
  const keyword = separator === null ? trimmed : trimmed.slice(0, separator.index);
  const begin = separator === null ? trimmed.length : separator.index + separator[0].length;
  const { flags, end } = scanFlags(trimmed, begin, offset + start);
  const rest = trim(trimmed.slice(end));
  const restStart = trimmed.length - trimStart(trimmed.slice(end)).length;
  return { keyword, offset: offset + start, flags, rest, restOffset: offset + start + restStart };
}

/** Reads flags from `begin` on: words that start with `--`, up to a word `--` or one that does not. */
function scanFlags(text: string, begin: number, offset: number): { flags: RawFlag[]; end: number } {
  const flags: RawFlag[] = [];
  let at = begin;
  for (;;) {
    while (at < text.length && isSpace(text.charAt(at))) at += 1;
    if (!text.startsWith('--', at)) return { flags, end: at };
    const word = scanWord(text, at);
    if (word.text === '--') return { flags, end: word.end };
    flags.push({ text: word.text, offset: offset + at });
    at = word.end;
  }
}

/** One word with its quotes and backslashes resolved; `\` escapes here whatever the directive says. */
function scanWord(text: string, start: number): { text: string; end: number } {
  let word = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (quote === '' && isSpace(character)) break;
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character !== '\\') word += character;
    else {
      at += 1;
      word += text.charAt(at);
    }
  }
  return { text: word, end: Math.min(at, text.length) };
}

/** What kinds of flags an instruction knows; a `list` may be repeated. */
export type FlagTypes = Readonly<Record<string, 'boolean' | 'string' | 'list'>>;

/** The flags of one instruction, checked. */
export class FlagValues {
  readonly #values = new Map<string, readonly RawFlag[]>();

  constructor(values: ReadonlyMap<string, readonly RawFlag[]>) {
    for (const [name, flags] of values) this.#values.set(name, flags);
  }

  string(name: string): string | undefined {
    return this.list(name).at(0)?.text;
  }

  boolean(name: string): boolean | undefined {
    const value = this.string(name);
    return value === undefined ? undefined : value === 'true';
  }

  list(name: string): readonly RawFlag[] {
    return this.#values.get(name) ?? [];
  }
}

/** Reports a fault of the flag at `offset`. */
export type FlagFault = (offset: number, reason: string, hint?: string) => never;

/** Checks `flags` against what the instruction knows. */
export function readFlags(flags: readonly RawFlag[], types: FlagTypes, fault: FlagFault): FlagValues {
  const values = new Map<string, RawFlag[]>();
  for (const flag of flags) {
    const equals = flag.text.indexOf('=');
    const name = flag.text.slice(2, equals < 0 ? undefined : equals);
    const value = equals < 0 ? undefined : flag.text.slice(equals + 1);
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    if (type === undefined) return unknownFlag(name, flag.offset, types, fault);
    const seen = values.get(name) ?? [];
    if (seen.length > 0 && type !== 'list') fault(flag.offset, `duplicate flag --${name}`, 'give it once');
    const text = type === 'boolean' ? booleanValue(name, value, flag, fault) : value;
    if (text === undefined)
      return fault(flag.offset, `flag --${name} needs a value`, `write --${name}=VALUE`);
    seen.push({ text, offset: flag.offset });
    values.set(name, seen);
  }
  return new FlagValues(values);
}

function unknownFlag(name: string, offset: number, types: FlagTypes, fault: FlagFault): never {
  const known = Object.keys(types).map((type) => `--${type}`);
  const hint = known.length === 0 ? 'this instruction takes no flags' : suggest(`--${name}`, known);
  return fault(offset, `unknown flag --${name}`, hint);
}

function booleanValue(name: string, value: string | undefined, flag: RawFlag, fault: FlagFault): string {
  const lower = (value ?? 'true').toLowerCase();
  if (lower === 'true' || lower === 'false') return lower;
  return fault(flag.offset, `flag --${name} is true or false, not ${JSON.stringify(value)}`);
}
