/**
 * Variable expansion of a typed instruction, at the point where its environment is known: which
 * fields, and with which rules, follows BuildKit's dispatch (convert.go) and instructions/commands.go.
 */
import { CoracleError } from '../errors.js';
import type {
  ArgInstruction,
  Argument,
  EscapeToken,
  ExpandedInstruction,
  FromInstruction,
  KeyValue,
  SourceContent,
  StageInstruction,
} from './instructions.js';
import { parseMount } from './mount.js';
import { type ExpandedWord, expandWord, type Lookup, type WordOptions } from './words.js';

/**
 * ARG only: the value that replaces a default, which is then not even looked at (a build argument;
 * where `hasDefault` is false also the global ARG of that name). Undefined: the default counts.
 */
export type ArgumentSource = (name: string, hasDefault: boolean) => string | undefined;

export type Expansion<Value> = {
  readonly instruction: Value;
  /** Names of variables that were referred to but not set, each once. */
  readonly unmatched: readonly string[];
};

/**
 * Expands the words of an instruction. CMD, ENTRYPOINT, SHELL, HEALTHCHECK, MAINTAINER, ONBUILD and
 * RUN's command are never expanded, neither are `--from` and `--exclude`. One value holds for the whole
 * instruction (`ENV a=1 b=$a` sees the former `a`), except in ARG, where each sees those before it.
 * `lookup` knows the ENVs and ARGs of the stage so far.
 * @throws {CoracleError} INVALID, without a place: bad quoting or substitution, `${name:?}`, a bad mount.
 */
export function expandInstruction(
  instruction: StageInstruction,
  lookup: Lookup,
  escapeToken: EscapeToken,
  argumentSource: ArgumentSource = () => undefined,
): Expansion<ExpandedInstruction> {
  const expander = new Expander(lookup, escapeToken);
  const result = expanded(instruction, expander, argumentSource);
  return { instruction: result, unmatched: [...expander.unmatched] };
}

/**
 * Expands the image and the platform of a FROM; `lookup` knows the global ARGs only.
 * @throws {CoracleError} INVALID, without a place, also where the image comes out empty.
 */
export function expandFrom(
  instruction: FromInstruction,
  lookup: Lookup,
  escapeToken: EscapeToken,
): Expansion<FromInstruction> {
  const expander = new Expander(lookup, escapeToken);
  const base = expander.word(instruction.base);
  if (base === '') {
    throw new CoracleError('INVALID', `expand FROM ${instruction.base}: the image name is empty`, {
      hint: 'give the variable a default value in an ARG before the first FROM',
    });
  }
  const platform = optional('platform', expander.optional(instruction.platform));
  return { instruction: { ...instruction, base, ...platform }, unmatched: [...expander.unmatched] };
}

class Expander {
  readonly unmatched = new Set<string>();
  readonly lookup: Lookup;
  readonly #escape: EscapeToken;

  constructor(lookup: Lookup, escapeToken: EscapeToken) {
    this.lookup = lookup;
    this.#escape = escapeToken;
  }

  readonly word = (word: string): string => this.#run(word, this.lookup, {}).text;

  words(word: string): readonly string[] {
    return this.#run(word, this.lookup, {}).words;
  }

  wordWith(word: string, lookup: Lookup): string {
    return this.#run(word, lookup, {}).text;
  }

  optional(word: string | undefined): string | undefined {
    return word === undefined ? undefined : this.word(word);
  }

  /** A heredoc's body: quotes mean nothing and `\` escapes whatever the directive says. */
  body(content: SourceContent): SourceContent {
    if (!content.expand) return content;
    const options: WordOptions = { literalQuotes: true };
    return {
      ...content,
      data: this.#run(content.data, this.lookup, options, '\\').text,
      expand: false,
    };
  }

  #run(word: string, lookup: Lookup, options: WordOptions, escapeToken = this.#escape): ExpandedWord {
    const result = expandWord(word, lookup, escapeToken, options);
    for (const name of result.unmatched) this.unmatched.add(name);
    return result;
  }
}

function expanded(
  instruction: StageInstruction,
  expander: Expander,
  argumentSource: ArgumentSource,
): ExpandedInstruction {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return { ...instruction, pairs: instruction.pairs.map((pair) => expandPair(pair, expander)) };
    case 'arg':
      return { ...instruction, args: expandArguments(instruction, expander, argumentSource) };
    case 'workdir':
      return { ...instruction, path: expander.word(instruction.path) };
    case 'user':
      return { ...instruction, user: expander.word(instruction.user) };
    case 'stopsignal':
      return { ...instruction, signal: expander.word(instruction.signal) };
    case 'volume':
      return { ...instruction, paths: instruction.paths.map(expander.word) };
    case 'expose':
      return { ...instruction, ports: instruction.ports.flatMap((port) => expander.words(port)) };
    case 'copy':
      return { ...instruction, ...expandCopy(instruction, expander) };
    case 'add': {
      const checksum = optional('checksum', expander.optional(instruction.checksum));
      return { ...instruction, ...expandCopy(instruction, expander), ...checksum };
    }
    case 'run': {
      const mounts = instruction.mounts.map((mount) => parseMount(mount.raw, expander.word));
      return { ...instruction, mounts };
    }
    default:
      return instruction;
  }
}

function optional<Key extends string>(key: Key, value: string | undefined): { [Name in Key]?: string } {
  const result: { [Name in Key]?: string } = {};
  if (value !== undefined) result[key] = value;
  return result;
}

function expandPair(pair: KeyValue, expander: Expander): KeyValue {
  return { ...pair, key: expander.word(pair.key), value: expander.word(pair.value) };
}

type CopyWords = {
  readonly sources: readonly string[];
  readonly contents: readonly SourceContent[];
  readonly destination: string;
  readonly chown?: string;
  readonly chmod?: string;
};

function expandCopy(words: CopyWords, expander: Expander): CopyWords {
  return {
    ...optional('chown', expander.optional(words.chown)),
    ...optional('chmod', expander.optional(words.chmod)),
    sources: words.sources.map(expander.word),
    destination: expander.word(words.destination),
    contents: words.contents.map((content) => expander.body(content)),
  };
}

function expandArguments(
  instruction: ArgInstruction,
  expander: Expander,
  argumentSource: ArgumentSource,
): Argument[] {
  const earlier = new Map<string, string>();
  const lookup: Lookup = (name) => earlier.get(name) ?? expander.lookup(name);
  return instruction.args.map((argument) => {
    const given = argumentSource(argument.key, argument.value !== undefined);
    const word = argument.value;
    const value = given ?? (word === undefined ? undefined : expander.wordWith(word, lookup));
    if (value === undefined) return argument;
    earlier.set(argument.key, value);
    return { ...argument, value };
  });
}
