/** `coracle commit`. */
import { defineCommand } from './command.js';
import { writeTextFile } from './options/texts.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'commit',
  summary: 'Make an image of a container and what it changed',
  operands: 'CONTAINER [NAME]',
  count: [1, 2],
  completes: 'containers',
  examples: [
    ['coracle commit work tool', 'Running or not; mounts are left out'],
    ['coracle commit -c \'CMD ["serve"]\' -m "with data" work tool:2', 'With another command and a comment'],
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
    { name: 'author', short: 'a', kind: 'string', value: 'TEXT', summary: 'Who made it' },
    { name: 'iidfile', kind: 'string', value: 'FILE', summary: "Write the image's id to a file" },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Accepted: only the id is printed' },
    {
      name: 'format',
      short: 'f',
      kind: 'string',
      value: 'FORMAT',
      choices: ['oci'],
      summary: 'Format of the image (default: oci)',
    },
  ],
  refused: {
    'the container goes on while it is read': 'pause,p',
    'volumes are left out': 'include-volumes',
    'the changes make one layer': 'squash,s',
    'a configuration is made of changes': 'config',
  },
  async handler(values, [container = '', name], { open }) {
    const image = await open().commit(container, {
      reference: name,
      changes: values.change,
      message: values.message,
      author: values.author,
      onWarning: (text) => say(visible(`warning: ${text}`)),
    });
    const id = `sha256:${image.id}`;
    if (values.iidfile !== undefined) writeTextFile('--iidfile', values.iidfile, id);
    printLine(id);
    return 0;
  },
});
