/** `coracle manifest annotate`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { entryChange, entryOptions, entryRefusals } from './options/manifest.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest annotate',
  summary: 'Say more of a list, or of an image in it',
  operands: 'LIST [IMAGE|DIGEST]',
  count: [1, 2],
  completes: 'images',
  examples: [
    ['coracle manifest annotate --arch arm64 --variant v8 app:1 app:arm64', 'What an image is for'],
    [
      'coracle manifest annotate --index --annotation org.opencontainers.image.version=1 app:1',
      'The list itself',
    ],
  ],
  options: [
    ...entryOptions,
    { name: 'index', kind: 'switch', summary: 'Annotate the list, not an image in it' },
    { name: 'subject', kind: 'string', value: 'IMAGE', summary: 'What the list is about' },
  ],
  refused: entryRefusals,
  async handler(values, [list = '', image], context) {
    const { index, subject } = values;
    const change = entryChange(values);
    const isAboutList = index || subject !== undefined;
    if (isAboutList === (image !== undefined)) {
      const reason = isAboutList
        ? 'it is about the list: name no image'
        : 'name an image of the list, or use --index';
      throw new CoracleError('USAGE', `coracle manifest annotate: ${reason}`);
    }
    if (isAboutList && Object.keys(change.platform ?? {}).length > 0) {
      throw new CoracleError('USAGE', 'coracle manifest annotate: a list is for no platform');
    }
    printLine(await context.open().annotateList(list, image, { ...change, subject }));
    return 0;
  },
});
