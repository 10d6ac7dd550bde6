/** `coracle doctor`. */
import { isatty } from 'node:tty';
import type { Finding } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'doctor',
  summary: 'Say what this host can and cannot do, and the fix for each',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle doctor', 'Each ability, with the command that mends what is missing'],
    ['coracle doctor --format json', 'For scripts; exit code 1 when something needed is missing'],
  ],
  options: [
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      value: 'FORMAT',
      choices: ['text', 'json'],
      summary: 'text or json',
    },
  ],
  async handler(values, _operands, { open }) {
    const report = await open().doctor();
    if (values.format === 'json') printLine(JSON.stringify(report, undefined, 2));
    else printReport(report.findings, report.ready);
    return report.ready ? 0 : 1;
  },
});

const colours = { ok: '\x1b[32m', warn: '\x1b[33m', fail: '\x1b[31m', none: '\x1b[0m' } as const;

function printReport(findings: readonly Finding[], ready: boolean): void {
  const coloured = isatty(1) && process.env.NO_COLOR === undefined;
  const width = Math.max(...findings.map(({ title }) => title.length));
  for (const { status, title, detail, consequence, fix } of findings) {
    const mark = coloured ? `${colours[status]}${status.padEnd(4)}${colours.none}` : status.padEnd(4);
    printLine(`${mark}  ${title.padEnd(width)}  ${visible(detail)}`);
    const indent = ' '.repeat(width + 8);
    if (consequence !== undefined) printLine(`${indent}${consequence}`);
    if (fix !== undefined) printLine(`${indent}fix: ${visible(fix)}`);
  }
  printLine('');
  printLine(
    ready
      ? 'This host can build and run containers.'
      : 'This host cannot run containers yet: see fail above.',
  );
}
