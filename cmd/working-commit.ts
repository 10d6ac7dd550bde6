/** `coracle working commit`. */
import { CoracleError, coracleVersion } from '../lib/index.js';
import { defineCommand } from './command.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { readAssignments, writeTextFile } from './options/texts.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'working commit',
  summary: 'Make an image of a working container',
  operands: 'CONTAINER [DESTINATION]',
  count: [1, 2],
  completes: 'working',
  examples: [
    ['coracle working commit $work tool', 'localhost/tool:latest, with all that was written as one layer'],
    [
      'coracle working commit --rm --squash $work oci-archive:tool.tar',
      'One layer in an archive; the container goes',
    ],
    ['coracle working commit $work docker://registry.example.org/tool:2', 'To a registry'],
  ],
  options: [
    { name: 'author', kind: 'string', value: 'TEXT', summary: 'Who made it' },
    {
      name: 'change',
      short: 'c',
      kind: 'list',
      value: 'INSTRUCTION',
      summary: 'Set the config by a Dockerfile instruction',
    },
    { name: 'message', kind: 'string', value: 'TEXT', summary: 'Comment in its history' },
    { name: 'squash', kind: 'switch', summary: 'One layer for everything, the image it began with included' },
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      value: 'FORMAT',
      choices: ['oci', 'docker'],
      summary: 'Media types of the manifest (default: oci)',
    },
    {
      name: 'timestamp',
      kind: 'string',
      value: 'SECONDS',
      summary: 'Time of the image and its newest file',
      aliases: ['source-date-epoch'],
    },
    {
      name: 'rewrite-timestamp',
      kind: 'toggle',
      summary: 'Make no file later than that (default: with --timestamp)',
    },
    { name: 'omit-history', kind: 'switch', summary: 'Without a history' },
    { name: 'unsetenv', kind: 'list', value: 'NAME', summary: 'Variable that the image loses' },
    { name: 'annotation', kind: 'list', value: 'NAME=VALUE', summary: 'Annotation of the manifest' },
    { name: 'identity-label', kind: 'switch', summary: 'Label it with the version that made it' },
    { name: 'rm', kind: 'switch', summary: 'Remove the working container afterwards' },
    { name: 'iidfile', kind: 'string', value: 'FILE', summary: "Write the image's id to a file" },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    ...registryOptions,
  ],
  refused: {
    'build --attest makes them':
      'sbom sbom-image-output sbom-merge-strategy sbom-output sbom-purl-output sbom-scanner-command sbom-scanner-image sbom-image-purl-output',
    'this version does not sign': 'sign-by',
    'this version does not encrypt': 'encrypt-layer encryption-key',
    'copy the files first': 'add-file',
    'push says how layers are compressed': 'compression-format compression-level disable-compression,D',
    'a configuration is made of changes': 'config',
    'no layer has one': 'reference-time',
    'manifest create makes lists': 'manifest',
    'images for confidential computing are not made here': 'cw',
  },
  async handler(values, [container = '', destination], { open }) {
    const progress = transferProgress(values.quiet);
    try {
      const image = await open().working.commit(container, {
        destination,
        author: values.author,
        changes: values.change,
        message: values.message,
        squash: values.squash,
        format: values.format === 'docker' ? 'docker' : 'oci',
        timestamp: readTime(values.timestamp ?? process.env.SOURCE_DATE_EPOCH),
        rewriteTimestamp: values['rewrite-timestamp'],
        omitHistory: values['omit-history'],
        unsetEnv: values.unsetenv,
        labels: values['identity-label'] ? { 'dev.coracle.version': coracleVersion } : undefined,
        annotations: readAssignments('--annotation', values.annotation, undefined),
        remove: values.rm,
        access: registryAccess(values),
        onEvent: progress.onEvent,
        onWarning: (text) => say(visible(`warning: ${text}`)),
      });
      progress.close();
      const id = `sha256:${image.id}`;
      if (values.iidfile !== undefined) writeTextFile('--iidfile', values.iidfile, id);
      printLine(id);
      return 0;
    } finally {
      progress.close();
    }
  },
});

function readTime(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const seconds = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(seconds * 1000)) return seconds;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --timestamp: expected seconds since 1970`);
}
