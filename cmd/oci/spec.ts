import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, exampleBundleConfig, hasErrno, ioError } from '../../lib/index.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci spec',
  summary: 'Write a config.json to begin with',
  operands: '',
  count: [0, 0],
  completes: 'nothing',
  examples: [['coracle oci spec --rootless', 'With a user namespace for this user']],
  options: [
    { name: 'bundle', short: 'b', kind: 'string', value: 'DIR', summary: 'Where (default: where we are)' },
    { name: 'rootless', kind: 'switch', summary: 'With a user namespace of all ids this user may map' },
  ],
  async handler(values) {
    const path = join(values.bundle ?? '.', 'config.json');
    const text = `${JSON.stringify(await exampleBundleConfig(values.rootless), undefined, 2)}\n`;
    try {
      writeFileSync(path, text, { flag: 'wx', mode: 0o644 });
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw ioError(`write ${path}`, error);
      throw new CoracleError('CONFLICT', `write ${path}: it is there already`);
    }
    return 0;
  },
});
