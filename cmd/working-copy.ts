/** `coracle working copy`. */
import { defineCommand } from './command.js';
import { copyInto, copySource, workingCopyOptions, workingFromOptions } from './working-copies.js';

export const command = defineCommand({
  name: 'working copy',
  summary: 'Copy files into a working container',
  operands: 'CONTAINER SOURCE... [DESTINATION]',
  count: [2, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [
    ['coracle working copy $work ./dist /srv/', "A directory's contents"],
    ['coracle working copy --from $build $work /out/tool /usr/bin/tool', 'From another working container'],
    ['coracle working copy --chown 1000 --chmod go-w $work app.js /srv/', 'With an owner and a mode'],
  ],
  options: [
    ...workingCopyOptions,
    ...workingFromOptions,
    { name: 'parents', kind: 'switch', summary: "Keep the sources' directories" },
  ],
  refused: {
    'copy makes no layers of its own: commit makes one': 'link',
    'times of files are those of the sources; commit --timestamp changes them': 'timestamp',
    'nothing is fetched over the network': 'retry retry-delay',
    'links to directories are followed at the end of a path alone': 'no-follow-symlinks',
  },
  handler: (values, operands, context) =>
    copyInto('copy', values, operands, context, { ...copySource(values), parents: values.parents }),
});
