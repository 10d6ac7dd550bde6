/** `coracle manifest add`. */
import { readFileSync } from 'node:fs';
import { type Coracle, CoracleError, ioError } from '../lib/index.js';
import { defineCommand, type OptionSpec, type Values } from './command.js';
import { annotationsOf, entryChange, entryOptions, entryRefusals } from './options/manifest.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { printLine } from './terminal/output.js';

const artifactOptions = [
  { name: 'artifact', kind: 'switch', summary: 'What is added are files, as an artifact' },
  { name: 'artifact-type', kind: 'string', value: 'TYPE', summary: 'Media type of the artifact' },
  { name: 'artifact-config', kind: 'string', value: 'FILE', summary: 'Config of the artifact' },
  { name: 'artifact-config-type', kind: 'string', value: 'TYPE', summary: 'Media type of the config' },
  { name: 'artifact-layer-type', kind: 'string', value: 'TYPE', summary: 'Media type of the files' },
  { name: 'artifact-annotation', kind: 'list', value: 'NAME=VALUE', summary: 'Annotation of the artifact' },
  { name: 'artifact-subject', kind: 'string', value: 'IMAGE', summary: 'What the artifact is about' },
  { name: 'artifact-exclude-titles', kind: 'switch', summary: 'Do not say how the files are called' },
] as const satisfies readonly OptionSpec[];

const options = [
  { name: 'all', kind: 'switch', summary: 'Of an image that is a list, all its images' },
  ...entryOptions,
  ...artifactOptions,
  ...registryOptions,
] as const;

export const command = defineCommand({
  name: 'manifest add',
  summary: 'Add an image, or files as an artifact, to a list',
  operands: 'LIST IMAGE|FILE...',
  count: [2, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle manifest add app:1 app:arm64', 'An image of this store'],
    ['coracle manifest add --all app:1 docker://debian:13', 'All images of a list at a registry'],
    [
      'coracle manifest add --arch arm64 --variant v8 app:1 oci:layout:app',
      'Of a layout, for another platform',
    ],
    ['coracle manifest add --artifact --artifact-type text/x-notes app:1 notes.txt', 'A file'],
  ],
  options,
  refused: entryRefusals,
  async handler(values, [list = '', ...names], context) {
    const coracle = context.open();
    if (values.artifact) {
      printLine(await addFiles(coracle, list, names, values));
      return 0;
    }
    const stray = artifactOptions.find(({ name }) => {
      const value = values[name];
      return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
    });
    if (stray !== undefined) throw new CoracleError('USAGE', `use --${stray.name}: it needs --artifact`);
    const { all } = values;
    let digest = '';
    for (const name of names) {
      digest = await coracle.addToList(list, name, {
        all,
        access: registryAccess(values),
        ...entryChange(values),
      });
    }
    printLine(digest);
    return 0;
  },
});

function addFiles(
  coracle: Coracle,
  list: string,
  files: readonly string[],
  values: Values<typeof options>,
): Promise<string> {
  const config = values['artifact-config'];
  const mediaType = values['artifact-config-type'];
  if (mediaType !== undefined && config === undefined) {
    throw new CoracleError('USAGE', 'use --artifact-config-type: it needs --artifact-config');
  }
  return coracle.addArtifactToList(list, files, {
    type: values['artifact-type'],
    fileType: values['artifact-layer-type'],
    annotations: annotationsOf('--artifact-annotation', values['artifact-annotation']),
    excludeTitles: values['artifact-exclude-titles'],
    config:
      config === undefined
        ? undefined
        : { bytes: readBytes(config), mediaType: mediaType ?? 'application/octet-stream' },
    subjectName: values['artifact-subject'],
    entry: entryChange(values),
  });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw ioError(`read ${path} for --artifact-config`, error);
  }
}
