/** `coracle system check`. */
import { type CheckResult, CoracleError, parseDuration, type StoreFinding } from '../lib/index.js';
import { defineCommand } from './command.js';
import { formatSize, printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'system check',
  summary: 'Check the store and mend what is damaged',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle system check', 'Blobs against their digests, layers, images, containers, what nothing needs'],
    ['coracle system check --quick', 'Sizes and records only'],
    ['coracle system check --deep', "Also each layer's files against the tar that they came of"],
    [
      'coracle system check --repair',
      'Fetch, unpack and write again what can be had again; remove what nothing needs',
    ],
    ['coracle system check --force', 'Also remove images and containers that cannot be mended'],
    [
      'coracle system check --format json',
      'For scripts; exit code 1 when errors are left, 125 when it cannot check',
    ],
  ],
  options: [
    { name: 'quick', short: 'q', kind: 'switch', summary: 'Hash nothing' },
    {
      name: 'deep',
      kind: 'switch',
      summary: 'Compare the files of every unpacked layer, which takes its time',
    },
    {
      name: 'repair',
      short: 'r',
      kind: 'switch',
      summary: 'Mend what can be mended without losing anything',
    },
    {
      name: 'force',
      short: 'f',
      kind: 'switch',
      summary: 'Also remove images and containers that cannot be mended; implies --repair',
    },
    {
      name: 'max',
      short: 'm',
      kind: 'string',
      value: 'DURATION',
      summary: 'Leave what nothing needs alone until it is so old (default 24h)',
    },
    {
      name: 'tls-verify',
      kind: 'toggle',
      summary: 'Demand HTTPS and valid certificates where blobs are fetched again',
    },
    { name: 'format', kind: 'string', value: 'FORMAT', choices: ['text', 'json'], summary: 'text or json' },
  ],
  async handler(values, _operands, { open }) {
    const { quick, deep, repair, force, format = 'text' } = values;
    if (quick && deep) throw new CoracleError('USAGE', 'use --quick and --deep: only one of them at a time');
    const tlsVerify = values['tls-verify'];
    const result = await open().checkStore({
      depth: quick ? 'quick' : deep ? 'deep' : 'usual',
      repair: repair || force,
      force,
      ...(values.max === undefined ? {} : { maxAge: ageOf(values.max) }),
      access: tlsVerify === undefined ? {} : { tlsVerify },
      ...(format === 'text' ? { onFinding: printFinding } : {}),
    });
    if (format === 'json') printLine(JSON.stringify(result, undefined, 2));
    else printLine(summary(result, repair || force));
    return result.remaining > 0 ? 1 : 0;
  },
});

function ageOf(text: string): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds !== undefined && nanoseconds >= 0) return nanoseconds / 1_000_000;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --max: not a duration`, {
    hint: 'such as 90m or 24h',
  });
}

function printFinding({ level, object, problem, meaning, repair, outcome, done }: StoreFinding): void {
  printLine(visible(`${level}: ${object}: ${problem}`));
  printLine(visible(`  means: ${meaning}`));
  if (outcome === 'found') printLine(visible(`  repair: ${repair}`));
  else printLine(visible(`  ${outcome}: ${done ?? ''}`));
}

function summary({ checked, findings, errors, remaining }: CheckResult, repair: boolean): string {
  const { blobs, bytes, layers, images, containers } = checked;
  const parts = [
    counted(blobs, 'blob', ` (${formatSize(bytes)})`),
    counted(layers, 'layer'),
    counted(images, 'image'),
    counted(containers, 'container'),
  ];
  const found = `${counted(errors, 'error')}, ${counted(findings.length - errors, 'notice')}`;
  const mended = repair && findings.length > 0 ? `; ${counted(remaining, 'error')} left` : '';
  return `checked ${parts.join(', ')}: ${found}${mended}`;
}

function counted(count: number, what: string, more = ''): string {
  return `${count} ${what}${count === 1 ? '' : 's'}${more}`;
}
