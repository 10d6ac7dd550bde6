/** `coracle secret create`. */
import { readFileSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readAssignments } from './options/texts.js';
import { printLine, readInput } from './terminal/output.js';

export const command = defineCommand({
  name: 'secret create',
  summary: 'Keep a secret',
  operands: 'NAME FILE|-',
  count: [2, 2],
  completes: 'files',
  examples: [
    ['coracle secret create db-password ./password.txt', 'From a file'],
    ['printf \'%s\' "$TOKEN" | coracle secret create token -', 'From standard input'],
    ['coracle secret create --env token TOKEN', 'From a variable'],
    ['coracle run --secret token,type=env,target=API_TOKEN app', 'For one container'],
  ],
  options: [
    {
      name: 'driver',
      short: 'd',
      kind: 'string',
      value: 'DRIVER',
      choices: ['file'],
      summary: 'Where it is kept: file, which is in the store, readable for its owner alone',
    },
    { name: 'env', kind: 'switch', summary: 'The second word is a variable of the environment' },
    { name: 'label', short: 'l', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label' },
    { name: 'replace', kind: 'switch', summary: 'Take the place of one that has the name' },
  ],
  refused: { 'the driver has none': 'driver-opts' },
  async handler(values, [name = '', source = ''], { open }) {
    const { id } = await open().createSecret({
      name,
      value: values.env ? fromVariable(source) : fromFile(source),
      labels: readAssignments('--label', values.label, undefined),
      replace: values.replace,
    });
    printLine(id);
    return 0;
  },
});

function fromVariable(name: string): Uint8Array {
  const value = process.env[name];
  if (value !== undefined) return Buffer.from(value);
  throw new CoracleError('USAGE', `create a secret from variable ${name}: it is not set`);
}

function fromFile(path: string): Uint8Array {
  if (path === '-') return readInput();
  try {
    return readFileSync(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw ioError(`read ${path}`, error);
    throw new CoracleError('NOT_FOUND', `read ${path}: no such file`, { cause: error });
  }
}
