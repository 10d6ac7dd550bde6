/** `coracle update`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { healthOptions } from './options/container.js';
import { readHealth } from './options/health.js';
import { limitOptions, readLimits } from './options/limits.js';
import { readRestart } from './options/run-texts.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'update',
  summary: 'Change how a container is looked after',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'containers',
  examples: [
    ['coracle update --restart unless-stopped web', 'From now on, also if it runs'],
    ['coracle update --health-interval 5s web', 'Check more often; the count of failures begins anew'],
    ['coracle update --no-healthcheck web', 'Check no more'],
    ['coracle update --memory 512m --cpus 1.5 web', 'Other limits, at once'],
  ],
  options: [
    {
      name: 'restart',
      kind: 'string',
      value: 'POLICY',
      summary: 'no, always, unless-stopped, on-failure[:N]',
    },
    ...healthOptions,
    ...limitOptions,
  ],
  refused: {
    'the start period takes the place of a start-up check':
      'health-startup-cmd health-startup-interval health-startup-retries health-startup-success health-startup-timeout',
    'results of health checks are kept with the container': 'health-log-destination',
    'the environment is as the container was made with': 'env unsetenv',
    'cgroups of version 2 have no such limit': 'cpu-rt-period cpu-rt-runtime memory-swappiness kernel-memory',
    'name the container': 'latest,l',
  },
  async handler(values, [name = ''], { open }) {
    const change = {
      restart: values.restart === undefined ? undefined : readRestart(values.restart),
      health: readHealth(values),
      limits: readLimits(values, 'update'),
    };
    if (Object.values(change).every((value) => value === undefined)) {
      throw new CoracleError('USAGE', `update ${name}: nothing to change`, {
        hint: 'see coracle update --help',
      });
    }
    const { id } = await open().update(name, {
      ...change,
      requireLimits: values['require-limits'],
      onWarning: (text) => say(visible(`warning: ${text}`)),
    });
    printLine(id);
    return 0;
  },
});
