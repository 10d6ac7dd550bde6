/** COPY and ADD. */
import { splitWhitespace, type Word } from './arguments.js';
import type { FlagTypes, FlagValues } from './flags.js';
import { heredocBody, parseHeredocWord } from './heredoc.js';
import type { AddInstruction, CopyInstruction, SourceContent } from './instructions.js';
import { fault, flagsOf, jsonWords, type Request, sourceOf } from './request.js';

const COMMON: FlagTypes = { chown: 'string', chmod: 'string', link: 'boolean', exclude: 'list' };

export function parseCopy(request: Request): CopyInstruction {
  const flags = flagsOf(request, { ...COMMON, from: 'string', parents: 'boolean' });
  const from = flags.list('from')[0];
  if (from !== undefined && /\$./s.test(from.text)) {
    const hint =
      'name the image in a stage of its own, FROM ... AS name with a global ARG, and copy from that name';
    fault(request, `--from=${from.text} cannot hold a variable`, hint, from.offset);
  }
  return {
    ...sourceOf(request),
    ...common(flags),
    ...places(request),
    kind: 'copy',
    parents: flags.boolean('parents') ?? false,
    ...(from === undefined || from.text === '' ? {} : { from: from.text }),
  };
}

export function parseAdd(request: Request): AddInstruction {
  const flags = flagsOf(request, {
    ...COMMON,
    checksum: 'string',
    'keep-git-dir': 'boolean',
    unpack: 'boolean',
  });
  const checksum = flags.string('checksum');
  const keepGitDirectory = flags.boolean('keep-git-dir');
  const unpack = flags.boolean('unpack');
  return {
    ...sourceOf(request),
    ...common(flags),
    ...places(request),
    kind: 'add',
    ...(checksum === undefined || checksum === '' ? {} : { checksum }),
    ...(keepGitDirectory === undefined ? {} : { keepGitDirectory }),
    ...(unpack === undefined ? {} : { unpack }),
  };
}

/** An empty `--chown=` or `--chmod=` means none, as in BuildKit. */
function common(flags: FlagValues): Pick<CopyInstruction, 'chown' | 'chmod' | 'link' | 'excludes'> {
  const chown = flags.string('chown');
  const chmod = flags.string('chmod');
  return {
    ...(chown === undefined || chown === '' ? {} : { chown }),
    ...(chmod === undefined || chmod === '' ? {} : { chmod }),
    link: flags.boolean('link') ?? false,
    excludes: flags.list('exclude').map((flag) => flag.text),
  };
}

type Places = Pick<CopyInstruction, 'sources' | 'contents' | 'destination'>;

function places(request: Request): Places {
  const { rest, restOffset } = request.split;
  const json = jsonWords(request, rest, restOffset);
  const words =
    json?.map((text): Word => ({ text, offset: restOffset })) ?? splitWhitespace(rest, restOffset);
  const destination = words.pop();
  if (destination === undefined || words.length === 0) {
    const hint = `write ${request.keyword} SOURCE... DESTINATION`;
    return fault(request, `${request.keyword} needs a source and a destination`, hint);
  }
  // In the JSON form a word that looks like a heredoc is a file's name.
  if (json !== undefined) return { sources: json.slice(0, -1), contents: [], destination: destination.text };
  if (parseHeredocWord(destination.text) !== undefined) {
    const hint = `write ${request.keyword} ${destination.text} DESTINATION`;
    fault(request, `${request.keyword} cannot take a heredoc as its destination`, hint, destination.offset);
  }
  const sources: string[] = [];
  const contents: SourceContent[] = [];
  for (const word of words) {
    const content = contentOf(request, word);
    if (content === undefined) sources.push(word.text);
    else contents.push(content);
  }
  return { sources, contents, destination: destination.text };
}

function contentOf(request: Request, word: Word): SourceContent | undefined {
  const heredoc = parseHeredocWord(word.text);
  if (heredoc === undefined) return undefined;
  const found = request.heredocs.findLast((candidate) => candidate.name === heredoc.name);
  const data = found === undefined ? '' : heredocBody({ data: found.data, chomp: heredoc.chomp });
  return { name: heredoc.name, data, expand: heredoc.expand };
}
