/** `coracle working add`. */
import { defineCommand } from './command.js';
import { copyInto, copySource, workingCopyOptions, workingFromOptions } from './working-copies.js';

export const command = defineCommand({
  name: 'working add',
  summary: 'Copy files, archives, URLs or git repositories into a working container',
  operands: 'CONTAINER SOURCE... [DESTINATION]',
  count: [2, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [
    ['coracle working add $work site.tar.gz /srv/', 'Unpacked'],
    [
      'coracle working add --checksum sha256:… $work https://example.org/tool /usr/bin/tool',
      'Fetched and checked',
    ],
  ],
  options: [
    ...workingCopyOptions,
    ...workingFromOptions,
    { name: 'checksum', kind: 'string', value: 'DIGEST', summary: 'What the one source must be' },
    { name: 'keep-git-dir', kind: 'toggle', summary: 'Keep the .git of a repository' },
    { name: 'unpack', kind: 'toggle', summary: 'Unpack archives (default: those of this host)' },
  ],
  refused: {
    'add makes no layers of its own: commit makes one': 'link',
    'times of files are those of the sources; commit --timestamp changes them': 'timestamp',
    'a fetch is tried once': 'retry retry-delay',
  },
  handler: (values, operands, context) =>
    copyInto('add', values, operands, context, {
      ...copySource(values),
      checksum: values.checksum,
      keepGitDirectory: values['keep-git-dir'],
      unpack: values.unpack,
    }),
});
