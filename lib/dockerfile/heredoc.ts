/** Heredocs: finding their words on a line, and what a RUN makes of their bodies. */
import { CoracleError } from '../errors.js';
import { parseJsonWords } from './arguments.js';
import { splitLine } from './flags.js';
import type { Command, Heredoc } from './instructions.js';
import { expandWord } from './words.js';

/** A heredoc word: the heredoc without its body. */
export type HeredocWord = Omit<Heredoc, 'data'>;

const WORD = /^(\d*)<<(-?)\s*([^<]*)$/;
const KEYWORDS = new Set(['run', 'copy', 'add']);
const unset = (): undefined => undefined;

/** The heredoc that `word` announces, if it is such a word. `\` escapes whatever the directive says. */
export function parseHeredocWord(word: string): HeredocWord | undefined {
  const [, fd = '', dash = '', rest = ''] = WORD.exec(word) ?? [];
  if (rest === '') return undefined;
  const bare = lex(rest, false);
  const name = bare?.[0];
  if (bare?.length !== 1 || name === undefined) return undefined;
  // Quotes that vanish were syntax: any of them makes the body literal.
  const expand = quotes(name) === quotes(lex(rest, true)?.[0] ?? '');
  return { name, expand, chomp: dash === '-', fd: fd === '' ? 0 : Number(fd) };
}

/** The words of `text`; undefined where its quotes are unbalanced. */
function lex(text: string, raw: boolean, rawEscapes = false): readonly string[] | undefined {
  try {
    return expandWord(text, unset, '\\', { keepUnset: true, rawQuotes: raw, rawEscapes }).words;
  } catch (error) {
    if (error instanceof CoracleError) return undefined;
    throw error;
  }
}

function quotes(text: string): number {
  return text.split(/['"]/).length;
}

/** The heredocs a logical line announces, in order. Only RUN, COPY and ADD in shell form, or under ONBUILD. */
export function findHeredocs(line: string): readonly HeredocWord[] {
  if (!line.includes('<<')) return [];
  let split = splitLine(line, 0);
  if (split.keyword.toLowerCase() === 'onbuild') split = splitLine(split.rest, 0);
  if (!KEYWORDS.has(split.keyword.toLowerCase()) || parseJsonWords(split.rest) !== undefined) return [];
  const found: HeredocWord[] = [];
  for (const word of lex(line, true, true) ?? []) {
    const heredoc = parseHeredocWord(word);
    if (heredoc !== undefined) found.push(heredoc);
  }
  return found;
}

/** The body of a heredoc with the leading tabs gone that `<<-` asks to remove. */
export function heredocBody(heredoc: Pick<Heredoc, 'data' | 'chomp'>): string {
  return heredoc.chomp ? heredoc.data.replace(/(^|\n)\t+/g, '$1') : heredoc.data;
}

/** What a shell-form RUN executes. */
export type RunBody =
  /** The text for the shell's last argument. */
  | { readonly kind: 'script'; readonly script: string }
  /** A body that starts with `#!`: written to an executable file, whose path the shell gets. */
  | { readonly kind: 'file'; readonly name: string; readonly data: string };

/**
 * Resolves the heredocs of a shell-form command: one heredoc that is the whole command is the script
 * itself (or an executable file); any other is handed to the shell, bodies included.
 */
export function runBody(command: Extract<Command, { form: 'shell' }>): RunBody {
  const [first] = command.files;
  if (first === undefined) return { kind: 'script', script: command.script };
  if (parseHeredocWord(command.script) !== undefined) {
    const data = heredocBody(first);
    if (first.data.startsWith('#!')) return { kind: 'file', name: first.name, data };
    return { kind: 'script', script: data };
  }
  const bodies = command.files.map((file) => `\n${file.data}${file.name}`);
  return { kind: 'script', script: command.script + bodies.join('') };
}
