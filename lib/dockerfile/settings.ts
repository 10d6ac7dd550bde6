/** The instructions that set something in the image's config or in the environment of later ones. */
import { splitOnce, splitQuoted, splitWhitespace, type Word } from './arguments.js';
import { trim } from './characters.js';
import type {
  ArgInstruction,
  Argument,
  EnvInstruction,
  ExposeInstruction,
  KeyValue,
  LabelInstruction,
  MaintainerInstruction,
  StopsignalInstruction,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from './instructions.js';
import { fault, flagsOf, jsonWords, type Request, requiredRest, sourceOf } from './request.js';
import { rules } from './rules.js';

/** ENV and LABEL: `name=value ...`, or the old `name value`. */
export function parseEnv(request: Request): EnvInstruction {
  return { ...sourceOf(request), kind: 'env', pairs: pairs(request) };
}

export function parseLabel(request: Request): LabelInstruction {
  return { ...sourceOf(request), kind: 'label', pairs: pairs(request) };
}

function pairs(request: Request): KeyValue[] {
  flagsOf(request, {});
  const rest = requiredRest(request, 'a name and a value');
  const words = splitQuoted(rest, request.split.restOffset, request.escape);
  if (words[0]?.text.includes('=') !== true) {
    const parts = splitOnce(rest);
    const hint = `write ${request.keyword} NAME=VALUE`;
    if (parts === undefined) return fault(request, `${request.keyword} ${rest} has no value`, hint);
    return [{ key: parts[0], value: parts[1], legacy: true }];
  }
  return words.map((word) => pair(request, word));
}

function pair(request: Request, word: Word): KeyValue {
  const equals = word.text.indexOf('=');
  if (equals < 0) {
    const hint = 'write NAME=VALUE, with quotes around a value that holds spaces';
    return fault(request, `no = in ${word.text}`, hint, word.offset);
  }
  if (equals === 0) {
    return fault(
      request,
      `${request.keyword} name is blank in ${word.text}`,
      'write NAME=VALUE',
      word.offset,
    );
  }
  return { key: word.text.slice(0, equals), value: word.text.slice(equals + 1), legacy: false };
}

/** ARG: `name[=default] ...`. */
export function parseArg(request: Request): ArgInstruction {
  flagsOf(request, {});
  const rest = requiredRest(request, 'a name');
  const words = splitQuoted(rest, request.split.restOffset, request.escape);
  return { ...sourceOf(request), kind: 'arg', args: words.map((word) => argument(request, word)) };
}

function argument(request: Request, word: Word): Argument {
  const equals = word.text.indexOf('=');
  if (equals === 0) fault(request, `ARG name is blank in ${word.text}`, 'write ARG NAME=VALUE', word.offset);
  const key = equals < 0 ? word.text : word.text.slice(0, equals);
  const comment = description(request.line.comments, key);
  return {
    key,
    ...(equals < 0 ? {} : { value: word.text.slice(equals + 1) }),
    ...(comment === undefined ? {} : { comment }),
  };
}

/** What a comment `# name text` says of `name`. */
export function description(comments: readonly string[], name: string): string | undefined {
  return comments.find((comment) => comment.startsWith(`${name} `))?.slice(name.length + 1);
}

export function parseWorkdir(request: Request): WorkdirInstruction {
  flagsOf(request, {});
  return { ...sourceOf(request), kind: 'workdir', path: requiredRest(request, 'a path') };
}

export function parseUser(request: Request): UserInstruction {
  flagsOf(request, {});
  return { ...sourceOf(request), kind: 'user', user: requiredRest(request, 'a user') };
}

export function parseStopsignal(request: Request): StopsignalInstruction {
  flagsOf(request, {});
  return { ...sourceOf(request), kind: 'stopsignal', signal: requiredRest(request, 'a signal') };
}

export function parseMaintainer(request: Request): MaintainerInstruction {
  flagsOf(request, {});
  const source = sourceOf(request);
  request.warnings.push({
    rule: 'MaintainerDeprecated',
    message: rules.MaintainerDeprecated.format(),
    range: source.range,
  });
  return { ...source, kind: 'maintainer', name: requiredRest(request, 'a name') };
}

/** EXPOSE: the words sorted, as the history entry shows them. */
export function parseExpose(request: Request): ExposeInstruction {
  flagsOf(request, {});
  const rest = requiredRest(request, 'a port');
  const ports = splitWhitespace(rest, request.split.restOffset).map((word) => word.text);
  return { ...sourceOf(request), kind: 'expose', ports: ports.sort() };
}

/** VOLUME: a JSON array or words. */
export function parseVolume(request: Request): VolumeInstruction {
  flagsOf(request, {});
  const rest = requiredRest(request, 'a path');
  const offset = request.split.restOffset;
  const words = jsonWords(request, rest, offset) ?? splitWhitespace(rest, offset).map((word) => word.text);
  const paths = words.map(trim);
  if (paths.length === 0 || paths.includes('')) fault(request, 'VOLUME path is empty', undefined, offset);
  return { ...sourceOf(request), kind: 'volume', paths };
}
