/**
 * Reads a command line the way docker's and podman's flag library (pflag) does: `--name=value`, `--name value`,
 * `-abc`, `-eA=b`, `-e=A`, `-p80:80`, `--` ends options. Options mix with operands unless the command stops at the
 * first operand. https://pkg.go.dev/github.com/spf13/pflag
 */
import { CoracleError, nearest } from '../lib/index.js';
import type { OptionSpec, RawValue, RawValues } from './command.js';

export type Parsed = { readonly values: RawValues; readonly operands: readonly string[] };

type Found = Map<string, RawValue>;
type Tables = { readonly long: Map<string, OptionSpec>; readonly short: Map<string, OptionSpec> };

/** Parses `argv`; throws USAGE with the offending word and, where one is near, the option meant. */
export function parseArguments(
  argv: readonly string[],
  options: readonly OptionSpec[],
  settings: { readonly stopAtOperand?: boolean } = {},
): Parsed {
  const tables = indexOptions(options);
  const found: Found = new Map();
  const operands: string[] = [];
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') {
      operands.push(...rest);
      break;
    }
    if (word.startsWith('--')) readLong(word, rest, tables, found);
    else if (word.length > 1 && word.startsWith('-')) readShort(word, rest, tables, found);
    else {
      operands.push(word);
      if (settings.stopAtOperand === true) {
        operands.push(...rest);
        break;
      }
    }
  }
  return { values: withDefaults(options, found), operands };
}

function indexOptions(options: readonly OptionSpec[]): Tables {
  const long = new Map<string, OptionSpec>();
  const short = new Map<string, OptionSpec>();
  for (const option of options) {
    long.set(option.name, option);
    for (const alias of option.aliases ?? []) long.set(alias, option);
    if (option.short !== undefined) short.set(option.short, option);
  }
  return { long, short };
}

function readLong(word: string, rest: string[], tables: Tables, found: Found): void {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const option = tables.long.get(name);
  if (option === undefined) throw unknownOption(`--${name}`, name, tables);
  const attached = equals < 0 ? undefined : word.slice(equals + 1);
  store(found, option, `--${name}`, attached ?? valueFor(option, `--${name}`, rest));
}

function readShort(word: string, rest: string[], tables: Tables, found: Found): void {
  let letters = word.slice(1);
  while (letters.length > 0) {
    const letter = letters.charAt(0);
    const option = tables.short.get(letter);
    if (option === undefined) {
      throw new CoracleError('USAGE', `unknown shorthand flag: '${letter}' in ${word}`, {
        hint: 'see --help for the options',
      });
    }
    const tail = letters.slice(1);
    if (tail.length > 1 && tail.startsWith('=')) return store(found, option, `-${letter}`, tail.slice(1));
    if (isBare(option)) {
      store(found, option, `-${letter}`, bareValue(option));
      letters = tail;
      continue;
    }
    const value = tail.length > 0 ? tail : valueFor(option, `-${letter}`, rest);
    return store(found, option, `-${letter}`, value);
  }
}

function isBare(option: OptionSpec): boolean {
  return option.kind === 'switch' || option.kind === 'toggle' || option.kind === 'optional';
}

function bareValue(option: OptionSpec): string {
  return option.kind === 'optional' ? (option.bare ?? '') : 'true';
}

function valueFor(option: OptionSpec, spelled: string, rest: string[]): string {
  if (isBare(option)) return bareValue(option);
  const value = rest.shift();
  if (option.unsupported !== undefined) return '';
  if (value === undefined) throw new CoracleError('USAGE', `flag needs an argument: ${spelled}`);
  return value;
}

function store(found: Found, option: OptionSpec, spelled: string, text: string): void {
  if (option.unsupported !== undefined) {
    throw new CoracleError('UNSUPPORTED', `use ${spelled}: ${option.unsupported}`);
  }
  if (option.choices !== undefined && !option.choices.includes(text)) {
    throw new CoracleError(
      'USAGE',
      `invalid argument "${text}" for ${spelled}: must be ${option.choices.join(', ')}`,
    );
  }
  if (option.kind === 'list') {
    const before = found.get(option.name);
    found.set(option.name, [...(Array.isArray(before) ? before : []), text]);
  } else if (option.kind === 'switch' || option.kind === 'toggle') {
    found.set(option.name, parseBoolean(text, spelled));
  } else if (option.kind === 'number') {
    found.set(option.name, parseNumber(text, spelled));
  } else {
    found.set(option.name, text);
  }
}

const truths = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const falsehoods = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

function parseBoolean(text: string, spelled: string): boolean {
  if (truths.includes(text)) return true;
  if (falsehoods.includes(text)) return false;
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${spelled}: must be true or false`);
}

function parseNumber(text: string, spelled: string): number {
  if (!/^-?\d+$/.test(text)) {
    throw new CoracleError('USAGE', `invalid argument "${text}" for ${spelled}: must be a whole number`);
  }
  return Number(text);
}

function unknownOption(spelled: string, name: string, tables: Tables): CoracleError {
  const offered = [...tables.long].filter(([, option]) => option.unsupported === undefined);
  const near = nearest(
    name,
    offered.map(([spelling]) => spelling),
  );
  return new CoracleError('USAGE', `unknown flag: ${spelled}`, {
    hint: near === undefined ? 'see --help for the options' : `did you mean --${near}?`,
  });
}

function withDefaults(options: readonly OptionSpec[], found: Found): RawValues {
  const values: Record<string, RawValue> = {};
  for (const option of options) {
    const empty = option.kind === 'switch' ? false : option.kind === 'list' ? [] : undefined;
    values[option.name] = found.has(option.name) ? found.get(option.name) : empty;
  }
  return values;
}
