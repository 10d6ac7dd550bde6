/** `coracle healthcheck run`. */
import { defineCommand } from './command.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'healthcheck run',
  summary: "Run a container's health check now",
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'running',
  examples: [['coracle healthcheck run web', 'Ends with 0 when it does well, else with 1']],
  options: [],
  async handler(_values, [name = ''], { open }) {
    if (await open().checkHealth(name)) return 0;
    printLine('unhealthy');
    return 1;
  },
});
