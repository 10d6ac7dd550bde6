/** `coracle artifact extract`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'artifact extract',
  summary: 'Write the files of an artifact',
  operands: 'NAME PATH',
  count: [2, 2],
  completes: 'artifacts',
  examples: [
    ['coracle artifact extract quay.io/me/model:1 models/', 'All files into a directory, under their names'],
    [
      'coracle artifact extract --title model.gguf quay.io/me/model:1 here.gguf',
      'One file to a path; - is standard output',
    ],
  ],
  options: [
    { name: 'title', kind: 'string', value: 'NAME', summary: 'The file of this name' },
    { name: 'digest', kind: 'string', value: 'DIGEST', summary: 'The file of this digest' },
  ],
  async handler({ title, digest }, [name = '', target = ''], context) {
    await context.open().extractArtifact(name, target, { title, digest });
    return 0;
  },
});
