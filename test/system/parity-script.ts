/** A script whose lines are run one by one by different engines, and what each line gave, comparable. */
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Outcome, runProgram } from '../helpers/cli.js';
import { writeBusyboxTar } from '../helpers/image.js';

/** What one line gave, as far as it must be the same everywhere. */
export type LineResult = {
  readonly line: string;
  readonly code: number | null;
  /** Standard output after `mask`. */
  readonly output: string;
  /** As it was, to be shown where the rest differs. */
  readonly errors: string;
};

/** An engine as the script sees it: the program and the options that choose its store. */
export type Engine = {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/** The command lines of a script: everything but comments and empty lines. */
export function commandLines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Runs the lines in order, each in a shell of its own below `directory`, in which `engine` is the engine. */
export async function runLines(
  engine: Engine,
  lines: readonly string[],
  directory: string,
): Promise<readonly LineResult[]> {
  const work = prepareWork(engine, directory);
  const [PORT_A, PORT_B] = await freePorts();
  const env = { ...engine.env, PATH: `${join(directory, 'bin')}:${engine.env.PATH}`, PORT_A, PORT_B };
  const own = { [work]: '<directory>', [PORT_A]: '<port a>', [PORT_B]: '<port b>' };
  const results: LineResult[] = [];
  for (const line of lines) {
    const outcome = await runProgram('/bin/sh', ['-c', line], { cwd: work, env, timeout: 30_000 });
    results.push(resultOf(line, outcome, own));
  }
  return results;
}

/** Two ports that nobody listens at; each engine gets others, as both run at once. */
async function freePorts(): Promise<readonly [string, string]> {
  const servers = [createServer(), createServer()];
  const ports: string[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    ports.push(String(address !== null && typeof address === 'object' ? address.port : 0));
  }
  for (const server of servers) server.close();
  const [one = '', other = ''] = ports.sort();
  return [one, other];
}

function resultOf(line: string, { code, stdout, stderr }: Outcome, own: OwnTexts): LineResult {
  return { line, code, output: mask(stdout, own), errors: stderr };
}

/** The wrapper called `engine`, and the files that the script reads. */
function prepareWork({ program, args }: Engine, directory: string): string {
  const [bin, work] = [join(directory, 'bin'), join(directory, 'work')];
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(work, 'shared'), { recursive: true });
  const words = [program, ...args].map((word) => `'${word}'`).join(' ');
  writeFileSync(join(bin, 'engine'), `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(join(bin, 'engine'), 0o755);
  writeBusyboxTar(join(work, 'base.tar'));
  writeFileSync(join(work, 'shared', 'file'), 'shared\n');
  writeFileSync(join(work, 'vars'), '# comment\nA=1\n\nB=two words\nC="quoted"\n');
  return work;
}

const masks: readonly (readonly [pattern: RegExp, word: string])[] = [
  [/\b[0-9a-f]{64}\b/g, '<id>'],
  [/\b[0-9a-f]{25}\b/g, '<secret id>'],
  [/\b[0-9a-f]{12}\b/g, '<short id>'],
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d\d:?\d\d))?( UTC)?/g, '<time>'],
  [/(\d+|an?|Less than a|About an?) (second|minute)s?( ago)?/g, '<age>'],
  [/\d+(\.\d+)? ?[kMG]?B\b/g, '<size>'],
  // What stands in columns is as wide as what was masked.
  [/ {2,}/g, '  '],
  [/ +$/gm, ''],
];

/** What only one engine's run has → the word for it. */
export type OwnTexts = Readonly<Record<string, string>>;

/** Without what differs from run to run: ids, times, ages, sizes, the width of columns, the run's own texts. */
export function mask(text: string, own: OwnTexts): string {
  const named = Object.entries(own).reduce((all, [part, word]) => all.replaceAll(part, word), text);
  return masks.reduce((masked, [pattern, word]) => masked.replace(pattern, word), named);
}
