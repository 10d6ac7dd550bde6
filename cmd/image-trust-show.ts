/** `coracle image trust show`. */
import { readFileSync } from 'node:fs';
import { CoracleError, type TrustRule } from '../lib/index.js';
import { defineCommand } from './command.js';
import { trustOptions } from './options/registry.js';
import { printLine, printTable, visible, writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'image trust show',
  summary: 'Show which images may be used, and whose signatures they need',
  operands: '[REGISTRY]',
  count: [0, 1],
  completes: 'nothing',
  examples: [
    ['coracle image trust show', 'All rules of policy.json'],
    ['coracle image trust show --raw', 'The file as it is'],
  ],
  options: [
    { name: 'json', short: 'j', kind: 'switch', summary: 'As JSON' },
    { name: 'raw', kind: 'switch', summary: 'The file as it is' },
    ...trustOptions,
  ],
  refused: { 'signatures in sigstores of files are not read': 'registrypath' },
  async handler(values, [registry], { open }) {
    const { path, rules } = await open().showTrust(values['signature-policy']);
    if (values.raw) {
      if (path === undefined) throw new CoracleError('NOT_FOUND', 'show trust: there is no policy.json');
      writeAll(1, readFileSync(path, 'utf8'));
      return 0;
    }
    const shown = rules.filter(({ scope }) => registry === undefined || scope === registry);
    if (registry !== undefined && shown.length === 0) {
      throw new CoracleError(
        'NOT_FOUND',
        `show trust of ${registry}: no rule for it in ${path ?? 'any file'}`,
      );
    }
    if (values.json) printLine(JSON.stringify(shown, undefined, 4));
    else if (path === undefined) printLine('no policy.json: every image may be used');
    else printTable(['TRANSPORT', 'NAME', 'TYPE', 'KEYS', 'DETAIL'], shown.map(cellsOf));
    return 0;
  },
});

function cellsOf({ transport, scope, type, keys, detail }: TrustRule): string[] {
  return [transport, scope, type, keys.join(', '), detail].map(visible);
}
