/** `coracle artifact add`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { annotationsOf } from './options/manifest.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact add',
  summary: 'Make an artifact of files',
  operands: 'NAME FILE...',
  count: [2, Number.POSITIVE_INFINITY],
  completes: 'files',
  examples: [
    ['coracle artifact add quay.io/me/model:1 model.gguf', 'Of one file; push sends it'],
    ['coracle artifact add --append --file-type text/markdown quay.io/me/model:1 README.md', 'One more'],
  ],
  options: [
    { name: 'type', kind: 'string', value: 'TYPE', summary: 'Media type of the artifact' },
    {
      name: 'file-type',
      kind: 'string',
      value: 'TYPE',
      summary: 'Media type of the files (default: found out)',
    },
    { name: 'annotation', kind: 'list', value: 'NAME=VALUE', summary: 'Annotation of the files' },
    { name: 'append', short: 'a', kind: 'switch', summary: 'Add to the artifact that has the name' },
    { name: 'replace', kind: 'switch', summary: 'Take the place of what has the name' },
  ],
  async handler(values, [name = '', ...files], context) {
    const { type, append, replace } = values;
    if (append && (replace || type !== undefined)) {
      throw new CoracleError(
        'USAGE',
        `use --append and --${replace ? 'replace' : 'type'}: only one at a time`,
      );
    }
    const digest = await context.open().addArtifact(name, files, {
      type,
      append,
      replace,
      fileType: values['file-type'],
      fileAnnotations: annotationsOf('--annotation', values.annotation),
    });
    printLine(digest);
    return 0;
  },
});
