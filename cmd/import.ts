/** `coracle import`. */
import { defineCommand } from './command.js';
import { readPlatform } from './options/platform-parts.js';
import { trustOptions } from './options/registry.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'import',
  summary: 'Make an image from a tar of a root file system',
  operands: 'FILE|URL|- [NAME]',
  count: [1, 2],
  completes: 'files',
  examples: [
    ['coracle import rootfs.tar busybox', 'An image from a tar'],
    [
      'coracle import --arch arm64 https://example.com/rootfs.tar.xz base',
      'Of another platform, fetched by URL',
    ],
    ['coracle import -c \'CMD ["/bin/sh"]\' - base < rootfs.tar.gz', 'From standard input, with a command'],
  ],
  options: [
    {
      name: 'change',
      short: 'c',
      kind: 'list',
      value: 'INSTRUCTION',
      summary:
        'Set the config by a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR',
    },
    { name: 'message', short: 'm', kind: 'string', value: 'TEXT', summary: 'Comment in its history' },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'What its programs are made for (default: this machine)',
    },
    { name: 'os', kind: 'string', value: 'OS', summary: 'The same, in parts' },
    { name: 'arch', kind: 'string', value: 'ARCH', summary: 'The same, in parts' },
    { name: 'variant', kind: 'string', value: 'VARIANT', summary: 'The same, in parts' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Accepted: only the id is printed' },
    ...trustOptions,
  ],
  async handler(values, [source = '', name], context) {
    const image = await context.open().importImage(source, {
      reference: name,
      changes: values.change,
      message: values.message,
      platform: readPlatform(values),
      signaturePolicy: values['signature-policy'],
    });
    printLine(`sha256:${image.id}`);
    return 0;
  },
});
