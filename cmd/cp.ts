/** `coracle cp`. */
import { type CopyEnd, CoracleError, hasErrno } from '../lib/index.js';
import { defineCommand } from './command.js';
import { say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'cp',
  summary: 'Copy files between containers and this host',
  operands: '[CONTAINER:]SOURCE [CONTAINER:]DESTINATION',
  count: [2, 2],
  completes: 'containers',
  examples: [
    ['coracle cp web:/etc/nginx .', 'The directory, running or not'],
    ['coracle cp site/. web:/srv', "A directory's contents"],
    ['coracle cp one:/data two:/', 'From container to container'],
    ['coracle cp web:/var/log - | tar t', 'As a tar on standard output'],
  ],
  options: [
    { name: 'archive', short: 'a', kind: 'switch', summary: 'Keep owners' },
    { name: 'follow-link', short: 'L', kind: 'switch', summary: 'Copy what a link as the source names' },
    {
      name: 'overwrite',
      kind: 'switch',
      summary: 'A directory may replace what is none, and the reverse',
    },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Accepted: nothing is printed' },
  ],
  async handler(values, [source = '', destination = ''], { open }) {
    try {
      await open().copy(readEnd(source), readEnd(destination), {
        archive: values.archive,
        followLink: values['follow-link'],
        overwrite: values.overwrite,
        onWarning: (text) => say(visible(`warning: ${text}`)),
      });
      return 0;
    } catch (error) {
      // The reader of the pipe had enough, as head does.
      if (destination === '-' && error instanceof CoracleError && hasErrno(error.cause, 'EPIPE')) return 141;
      throw error;
    }
  },
});

/** As docker: what begins with a slash or a dot is a path of this host, whatever colons are in it. */
function readEnd(text: string): CopyEnd {
  if (text === '-') return { kind: 'stream' };
  const colon = text.indexOf(':');
  if (colon < 0 || /^[./]/.test(text)) return { kind: 'host', path: text };
  const [container, path] = [text.slice(0, colon), text.slice(colon + 1)];
  if (container !== '' && path !== '') return { kind: 'container', container, path };
  throw new CoracleError('USAGE', `invalid argument "${text}": expected CONTAINER:PATH`);
}
