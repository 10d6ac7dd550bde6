/** Mutated Dockerfiles from a fixed seed: same inputs every run, longer with FUZZ_SECONDS. */
import test from 'ava';
import { expandFrom, expandInstruction } from '../../lib/dockerfile/expansion.js';
import type { Dockerfile, Instruction } from '../../lib/dockerfile/instructions.js';
import { parseDockerfile } from '../../lib/dockerfile/parse.js';
import { CoracleError } from '../../lib/errors.js';
import { processorTime, type Random, randomFrom } from './seeded.js';

const corpus: readonly string[] = [
  `# syntax=docker/dockerfile:1\n# escape=\\\nARG V=3\nFROM --platform=$BUILDPLATFORM alpine:\${V} AS build\nWORKDIR /src\nCOPY --link go.* ./\nRUN --mount=type=cache,target=/root/.cache \\\n  # note\n\n  go build -o /out/app .\nFROM scratch\nCOPY --from=build --chown=1:1 --chmod=u+x /out/app /app\nENTRYPOINT ["/app"]\nCMD ["--help"]\n`,
  `FROM debian\nRUN <<EOF\napt-get update\nEOF\nRUN <<-'A' cat - <<B\n\tone\n\tA\ntwo\nB\nCOPY <<"x.txt" <<y.txt /d/\n$X\nx.txt\n\${Y:-z}\ny.txt\nONBUILD RUN <<E\nhi\nE\n`,
  '# escape=`\r\nFROM windows\r\nENV a=b c="d `" e" f=\'g\'\r\nRUN dir `\r\n c:\\\r\nSHELL ["cmd", "/S"]\r\n',
  `FROM a\nENV k v w\nLABEL "x y"=z a=\${b#*/} c=\${d//e/f}\nEXPOSE 80 1-3/udp $P\nVOLUME ["/a", "/b"]\nUSER u:g\nSTOPSIGNAL 9\nHEALTHCHECK --interval=1m30s --retries=3 CMD curl x || exit 1\nMAINTAINER me\nADD --checksum=sha256:aa --unpack --keep-git-dir=false https://x /\n`,
];
const tokens: readonly string[] = [
  ...'\\`"\'{$}[]<>-=#,: \t\n\r\0\u00e9\ufeff\u2028'.split(''),
  '<<EOF',
  '\nEOF\n',
  '<<-',
  '\\\n',
  '`\n',
  '--',
  '--mount=',
  '--from=',
  'ONBUILD ',
  'FROM x\n',
  'RUN ',
  'COPY ',
  'HEALTHCHECK ',
  `\${`,
  ':-',
  ':?',
  '//',
  '##',
  '%%',
  '["',
  '"]',
  '# escape=`\n',
  '# x',
  '\n\n',
  '🚀',
];

function mutate(text: string, random: Random): string {
  let result = text;
  for (let step = random(6); step >= 0; step -= 1) {
    const at = random(result.length + 1);
    const end = Math.min(result.length, at + random(20));
    const choice = random(5);
    if (choice === 0) result = result.slice(0, at) + result.slice(end);
    else if (choice === 1) result = result.slice(0, end) + result.slice(at);
    else if (choice === 2) result = result.slice(0, at);
    else result = result.slice(0, at) + (tokens[random(tokens.length)] ?? '') + result.slice(at);
    if (result === '') return corpus[random(corpus.length)] ?? '';
  }
  return result;
}

/** What must hold whatever the text is; undefined: it was refused properly. */
function check(text: string): Dockerfile | undefined {
  let file: Dockerfile;
  try {
    file = parseDockerfile(text, 'Dockerfile');
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code !== 'INVALID' || error.excerpt === undefined)
      throw error;
    return undefined;
  }
  for (const stage of file.stages) {
    for (const instruction of [stage.from, ...stage.instructions]) {
      const { startLine, endLine } = instruction.range;
      if (startLine < 1 || endLine < startLine || endLine > file.lines.length)
        throw new Error('range out of the file');
      expandAny(instruction, file);
    }
  }
  return file;
}

function expandAny(instruction: Instruction, file: Dockerfile): void {
  const lookup = (name: string): string | undefined => (name.length === 1 ? 'a/b c' : undefined);
  try {
    if (instruction.kind === 'from') expandFrom(instruction, lookup, file.directives.escape);
    else expandInstruction(instruction, lookup, file.directives.escape);
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code !== 'INVALID') throw error;
  }
}

/** The instruction without its places. */
function shape(instruction: Instruction | undefined): string {
  return JSON.stringify(instruction, (key, value: unknown) =>
    key === 'range' || key === 'comments' ? undefined : value,
  );
}

/** Parses the instruction's joined line alone and expects the same instruction. */
function checkAgain(instruction: Instruction, file: Dockerfile): void {
  const token = file.directives.escape;
  if (instruction.original.endsWith(token) || JSON.stringify(instruction).includes('"fd":')) return;
  if (instruction.kind === 'from' || instruction.original.includes('<<')) return;
  const again = parseDockerfile(`# escape=${token}\nFROM x\n${instruction.original}`, 'again');
  if (shape(again.stages[0]?.instructions[0]) !== shape(instruction)) {
    throw new Error(`${shape(instruction)} became ${shape(again.stages[0]?.instructions[0])}`);
  }
}

test('mutated Dockerfiles parse or fail with an error that has a place', (t) => {
  const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
  const random = randomFrom(20_260_101);
  const started = Date.now();
  let accepted = 0;
  let slowest = 0;
  for (let run = 0; run < 6_000 || Date.now() - started < seconds * 1_000; run += 1) {
    const text = mutate(corpus[random(corpus.length)] ?? '', random);
    const before = processorTime();
    try {
      const file = check(text);

      if (file === undefined) continue;
      accepted += 1;
      for (const stage of file.stages) {
        for (const instruction of stage.instructions) checkAgain(instruction, file);
      }
    } catch (error) {
      t.fail(`${JSON.stringify(text)}: ${error instanceof Error ? error.stack : error}`);
      return;
    }
    slowest = Math.max(slowest, processorTime() - before);
  }
  t.true(accepted > 500, `${accepted} accepted`);
  t.true(slowest < 1_000, `${slowest} ms`);
});

test('large and repetitive files parse in linear time', (t) => {
  const started = Date.now();
  const long = 'x'.repeat(100_000);
  for (const text of [
    `FROM scratch\n${'RUN a \\\n'.repeat(20_000)} b`,
    `FROM scratch\nRUN <<EOF\n${'line\n'.repeat(50_000)}EOF`,
    `FROM scratch\nENV ${'a=b '.repeat(20_000)}`,
    `FROM scratch\nRUN ${'<<A '.repeat(2_000)}\n${'A\n'.repeat(2_000)}`,
    `FROM scratch\nRUN ${' '.repeat(100_000)}x${' '.repeat(100_000)}`,
    `# ${' '.repeat(100_000)}x\nFROM scratch`,
    `FROM scratch\nCMD ${'['.repeat(100_000)}`,
    `FROM scratch\n${long} ${long}`,
    `FROM scratch\nRUN --${long} x`,
    `FROM scratch\nLABEL a=${'"'.repeat(99_999)}`,
  ]) {
    check(text);
  }
  t.true(Date.now() - started < 5_000, `${Date.now() - started} ms`);
});
