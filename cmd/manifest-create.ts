/** `coracle manifest create`. */
import { defineCommand } from './command.js';
import { annotationsOf } from './options/manifest.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest create',
  summary: 'Make a list of images for several platforms',
  operands: 'LIST [IMAGE...]',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle manifest create app:1', 'An empty list'],
    ['coracle manifest create app:1 app:amd64 app:arm64', 'Of two images of this store'],
    ['coracle manifest create --all mirror docker://debian:13', 'With all images of a list at a registry'],
  ],
  options: [
    { name: 'all', kind: 'switch', summary: 'Of images that are lists, all their images' },
    { name: 'amend', short: 'a', kind: 'switch', summary: 'Add to the list where there is one' },
    { name: 'annotation', kind: 'list', value: 'NAME=VALUE', summary: 'Annotation of the list' },
    ...registryOptions,
  ],
  refused: { 'use --tls-verify=false': 'insecure' },
  async handler(values, [list = '', ...images], context) {
    const digest = await context.open().createList(list, images, {
      all: values.all,
      amend: values.amend,
      annotations: annotationsOf('--annotation', values.annotation),
      access: registryAccess(values),
    });
    printLine(digest);
    return 0;
  },
});
