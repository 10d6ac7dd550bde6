/** `coracle container inspect`. */
import { defineCommand } from './command.js';
import { inspectFormat, inspectSize, printDocuments } from './inspect.js';

export const command = defineCommand({
  name: 'container inspect',
  summary: 'Show everything known about containers',
  operands: 'CONTAINER...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle container inspect web', 'The container, never an image of that name'],
    ["coracle container inspect -f '{{.State.Status}}' web", 'One field'],
  ],
  options: [inspectFormat, inspectSize],
  refused: { 'name the container': 'latest,l' },
  handler: (values, names, context) => printDocuments(names, { ...values, type: 'container' }, context),
});
