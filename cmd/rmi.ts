/** `coracle rmi`. */
import {
  CoracleError,
  familiarReference,
  type ImageSummary,
  parseReference,
  renderError,
} from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'rmi',
  summary: 'Remove images',
  operands: 'IMAGE...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle rmi hello', 'The name, and the image with its last name'],
    ['coracle rmi -f 3f2a', 'All names of an image, even if containers use it'],
    ['coracle rmi -a', 'Every image that no container uses'],
  ],
  options: [
    {
      name: 'force',
      short: 'f',
      kind: 'switch',
      summary: 'Even with several names or in use; one that does not exist is no error',
    },
    { name: 'all', short: 'a', kind: 'switch', summary: 'Every image; with -f also those in use' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
    { name: 'no-prune', kind: 'switch', summary: 'Accepted: there are no untagged parents' },
  ],
  refused: { 'an image goes with all its platforms': 'platform' },
  async handler(values, operands, context) {
    if (values.all && operands.length > 0) {
      throw new CoracleError('USAGE', `rmi ${operands[0]}: --all takes no names`);
    }
    const coracle = context.open();
    const every = values.all ? (await coracle.images()).flatMap(namesOf) : [];
    const names = [...new Set([...operands, ...every])];
    if (names.length === 0 && !values.all) {
      throw new CoracleError('USAGE', 'rmi: needs at least 1 argument, got 0');
    }
    const result = await coracle.removeImages(names, { force: values.force });
    for (const reference of result.untagged)
      printLine(`Untagged: ${familiarReference(parseReference(reference))}`);
    for (const id of result.deleted) printLine(`Deleted: sha256:${id}`);
    const passed = values.ignore || values.force;
    const failures = result.failures.filter(({ error }) => !(passed && error.code === 'NOT_FOUND'));
    for (const { error } of failures) {
      say(visible(renderError(error, { stack: context.globals.debug })));
    }
    return exitCode(failures.map(({ error }) => error));
  },
});

/** podman's codes: 1 for an image that does not exist, 2 for one in use, 125 for the rest. */
function exitCode(errors: readonly CoracleError[]): number {
  if (errors.some(({ code }) => code === 'IN_USE')) return 2;
  if (errors.some(({ code }) => code !== 'NOT_FOUND')) return 125;
  return errors.length > 0 ? 1 : 0;
}

/** Each name by itself: one that a container uses stays, and the image with it. */
function namesOf({ id, references }: ImageSummary): readonly string[] {
  return references.length === 0 ? [id] : references;
}
