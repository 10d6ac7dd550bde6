/** One logical line to one typed instruction. */
import { splitWhitespace } from './arguments.js';
import { parseCmd, parseEntrypoint, parseHealthcheck, parseRun, parseShell } from './commands.js';
import { parseAdd, parseCopy } from './copies.js';
import { splitLine } from './flags.js';
import type {
  EscapeToken,
  FromInstruction,
  Instruction,
  OnbuildInstruction,
  TriggerInstruction,
} from './instructions.js';
import type { LogicalLine } from './lines.js';
import type { SourceText } from './problem.js';
import { fault, flagsOf, type Request, requiredRest, sourceOf } from './request.js';
import {
  parseArg,
  parseEnv,
  parseExpose,
  parseLabel,
  parseMaintainer,
  parseStopsignal,
  parseUser,
  parseVolume,
  parseWorkdir,
} from './settings.js';
import type { Warning } from './source.js';
import { suggest } from './suggestion.js';

const TRIGGERS: ReadonlyMap<string, (request: Request) => TriggerInstruction> = new Map<
  string,
  (request: Request) => TriggerInstruction
>([
  ['ADD', parseAdd],
  ['ARG', parseArg],
  ['CMD', parseCmd],
  ['COPY', parseCopy],
  ['ENTRYPOINT', parseEntrypoint],
  ['ENV', parseEnv],
  ['EXPOSE', parseExpose],
  ['HEALTHCHECK', parseHealthcheck],
  ['LABEL', parseLabel],
  ['RUN', parseRun],
  ['SHELL', parseShell],
  ['STOPSIGNAL', parseStopsignal],
  ['USER', parseUser],
  ['VOLUME', parseVolume],
  ['WORKDIR', parseWorkdir],
]);

const STAGE_NAME = /^[a-z][a-z0-9_.-]*$/;

/**
 * Parses one logical line; warnings are added to `warnings`.
 * @throws {CoracleError} INVALID, with an excerpt of `source`.
 */
export function parseInstruction(
  source: SourceText,
  line: LogicalLine,
  escapeToken: EscapeToken,
  warnings: Warning[],
): Instruction {
  const split = splitLine(line.text, 0);
  const keyword = split.keyword.toUpperCase();
  const request = { source, line, split, keyword, escape: escapeToken, heredocs: line.heredocs, warnings };
  if (keyword === 'FROM') return parseFrom(request);
  if (keyword === 'ONBUILD') return parseOnbuild(request);
  if (keyword === 'MAINTAINER') return parseMaintainer(request);
  return parseTrigger(request);
}

function parseTrigger(request: Request): TriggerInstruction {
  const parse = TRIGGERS.get(request.keyword);
  if (parse !== undefined) return parse(request);
  const known = [...TRIGGERS.keys(), 'FROM', 'ONBUILD', 'MAINTAINER'];
  const { keyword } = request.split;
  const shown = keyword.length > 60 ? `${keyword.slice(0, 60)}...` : keyword;
  if (keyword === '') return fault(request, 'a continuation ends without an instruction');
  return fault(request, `unknown instruction ${shown}`, suggest(request.keyword, known));
}

function parseFrom(request: Request): FromInstruction {
  const words = splitWhitespace(request.split.rest, request.split.restOffset);
  const [base, as, name] = words;
  const hint = 'write FROM IMAGE, or FROM IMAGE AS NAME';
  if (base === undefined) return fault(request, 'FROM needs an image', hint);
  const platform = flagsOf(request, { platform: 'string' }).string('platform');
  const source = { ...sourceOf(request), ...(platform === undefined || platform === '' ? {} : { platform }) };
  if (as === undefined) return { ...source, kind: 'from', base: base.text };
  if (as.text.toLowerCase() !== 'as' || name === undefined || words.length > 3) {
    return fault(request, 'FROM takes one or three words', hint, as.offset);
  }
  const stageName = name.text.toLowerCase();
  if (!STAGE_NAME.test(stageName)) {
    const rule = 'a name starts with a letter and holds letters, digits and _ . - only';
    return fault(request, `invalid stage name ${name.text}`, rule, name.offset);
  }
  const written = { stageNameWritten: name.text, asKeyword: as.text };
  return { ...source, kind: 'from', base: base.text, stageName, ...written };
}

function parseOnbuild(request: Request): OnbuildInstruction {
  flagsOf(request, {});
  const rest = requiredRest(request, 'an instruction');
  const split = splitLine(rest, request.split.restOffset);
  const keyword = split.keyword.toUpperCase();
  if (keyword === 'ONBUILD' || keyword === 'FROM' || keyword === 'MAINTAINER') {
    return fault(request, `${keyword} is not allowed as an ONBUILD trigger`, undefined, split.offset);
  }
  const trigger = parseTrigger({ ...request, split, keyword });
  const bodies = request.heredocs.map((heredoc) => `\n${heredoc.data}${heredoc.name}`);
  const expression = rest + bodies.join('');
  return { ...sourceOf(request), kind: 'onbuild', expression, trigger };
}
