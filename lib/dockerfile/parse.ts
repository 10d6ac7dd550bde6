/** The Dockerfile parser: text to typed instructions. Pure; the only reader of Dockerfiles there is. */

import { trimNewline } from './characters.js';
import { parseDirectives } from './directives.js';
import { parseInstruction } from './instruction-parser.js';
import type {
  ArgInstruction,
  Dockerfile,
  EscapeToken,
  FromInstruction,
  Instruction,
  Stage,
  StageInstruction,
  TriggerInstruction,
} from './instructions.js';
import { readLogicalLines } from './lines.js';
import { problem, type SourceText } from './problem.js';
import { description } from './settings.js';
import type { Warning } from './source.js';

const NEWLINE = 0x0a;

/**
 * Parses a Dockerfile. `fileName` is shown in errors. Bytes must be UTF-8; a byte order mark is
 * dropped and CRLF accepted.
 * @throws {CoracleError} INVALID with an excerpt: whatever BuildKit would refuse before it builds.
 */
export function parseDockerfile(text: string | Uint8Array, fileName: string): Dockerfile {
  const { source, rawLines } = readSource(text, fileName);
  const directives = parseDirectives(source);
  const logical = readLogicalLines(source, rawLines, directives.escape);
  const warnings: Warning[] = [...logical.warnings];
  const instructions = logical.lines.map((line) =>
    parseInstruction(source, line, directives.escape, warnings),
  );
  if (instructions.length === 0) {
    const hint = 'start it with FROM and the name of an image, or FROM scratch';
    throw problem(source, { startLine: 1, endLine: 1 }, 'the file holds no instructions', hint);
  }
  const { metaArgs, stages } = gather(source, instructions);
  return { ...source, directives, metaArgs, stages, warnings };
}

/**
 * Parses the text of an ONBUILD trigger as an image's config holds it. `origin` is the file name of errors.
 * @throws {CoracleError} INVALID, also where the text is more than one instruction or not allowed as a trigger.
 */
export function parseTrigger(text: string, origin: string, escapeToken: EscapeToken): TriggerInstruction {
  const { source, rawLines } = readSource(text, origin);
  const [line, second] = readLogicalLines(source, rawLines, escapeToken).lines;
  if (line === undefined) throw problem(source, { startLine: 1, endLine: 1 }, 'the trigger is empty');
  if (second !== undefined)
    throw problem(source, second.range, 'the trigger holds more than one instruction');
  const instruction = parseInstruction(source, line, escapeToken, []);
  if (instruction.kind === 'from' || instruction.kind === 'onbuild' || instruction.kind === 'maintainer') {
    throw problem(source, line.range, `${instruction.keyword} is not allowed as an ONBUILD trigger`);
  }
  return instruction;
}

function readSource(text: string | Uint8Array, fileName: string): { source: SourceText; rawLines: string[] } {
  const decoded = typeof text === 'string' ? text : decode(text, fileName);
  const rawLines = (decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded).split(/(?<=\n)/);
  const source = { fileName, lines: rawLines.map(trimNewline) };
  const index = rawLines.findIndex((line) => line.includes('\0'));
  if (index >= 0) {
    const startColumn = (rawLines[index]?.indexOf('\0') ?? 0) + 1;
    const range = { startLine: index + 1, endLine: index + 1, startColumn };
    throw problem(source, range, 'the line holds a NUL byte', 'is this a text file in UTF-8?');
  }
  return { source, rawLines };
}

function decode(bytes: Uint8Array, fileName: string): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw invalidUtf8(bytes, fileName);
  }
}

/** The error for the first line that is not UTF-8. */
function invalidUtf8(bytes: Uint8Array, fileName: string): Error {
  const lenient = new TextDecoder('utf-8');
  let line = 1;
  for (let start = 0; start <= bytes.length; line += 1) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = lenient.decode(bytes.subarray(start, end));
    const column = text.indexOf('\ufffd') + 1;
    const isGenuine = Buffer.from(text).equals(bytes.subarray(start, end));
    if (column > 0 && !isGenuine) {
      const lines = lenient.decode(bytes).split('\n');
      const range = { startLine: line, endLine: line, startColumn: column };
      return problem({ fileName, lines }, range, 'the line is not valid UTF-8', 'save the file as UTF-8');
    }
    start = end + 1;
  }
  const range = { startLine: 1, endLine: 1 };
  return problem({ fileName, lines: [''] }, range, 'the file is not valid UTF-8', 'save the file as UTF-8');
}

type Gathered = { readonly metaArgs: readonly ArgInstruction[]; readonly stages: readonly Stage[] };

/** Sorts instructions into the global ARGs and the stages. */
function gather(source: SourceText, instructions: readonly Instruction[]): Gathered {
  const metaArgs: ArgInstruction[] = [];
  const stages: Stage[] = [];
  let current: StageInstruction[] | undefined;
  for (const instruction of instructions) {
    if (instruction.kind === 'from') {
      current = [];
      stages.push(stage(stages.length, instruction, current));
    } else if (current !== undefined) current.push(instruction);
    else if (instruction.kind === 'arg') metaArgs.push(instruction);
    else {
      const reason = `${instruction.keyword.toUpperCase()} stands before the first FROM`;
      throw problem(source, instruction.range, reason, 'only ARG may stand there');
    }
  }
  if (stages.length === 0) {
    const { range } = instructions.at(-1) ?? { range: { startLine: 1, endLine: 1 } };
    throw problem(
      source,
      range,
      'the file has no FROM',
      'add FROM and the name of an image, or FROM scratch',
    );
  }
  return { metaArgs, stages };
}

function stage(index: number, from: FromInstruction, instructions: readonly StageInstruction[]): Stage {
  const comment = from.stageName === undefined ? undefined : description(from.comments, from.stageName);
  return {
    index,
    ...(from.stageName === undefined ? {} : { name: from.stageName }),
    baseName: from.base,
    ...(from.platform === undefined ? {} : { platform: from.platform }),
    ...(comment === undefined ? {} : { comment }),
    from,
    instructions,
  };
}
