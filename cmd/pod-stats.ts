/** `coracle pod stats`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { command as stats } from './stats.js';

export const command = defineCommand({
  name: 'pod stats',
  summary: 'Show what the containers of pods use',
  operands: '[POD...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod stats --no-stream shop', 'One answer about its containers']],
  options: stats.options,
  async handler(values, operands, context) {
    const coracle = context.open();
    const pods =
      operands.length === 0
        ? await coracle.pods()
        : await Promise.all(operands.map((name) => coracle.pod(name)));
    const running = pods.flatMap(({ members }) => members).filter(({ status }) => status === 'running');
    if (running.length === 0) {
      throw new CoracleError('CONFLICT', 'show what pods use: none of their containers runs');
    }
    return stats.handler(
      values,
      running.map(({ record }) => record.id),
      context,
    );
  },
});
