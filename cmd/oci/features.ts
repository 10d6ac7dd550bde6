import { bundleFeatures } from '../../lib/index.js';
import { printLine } from '../terminal/output.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci features',
  summary: 'Show what this runtime can do as JSON',
  operands: '',
  count: [0, 0],
  completes: 'nothing',
  examples: [['coracle oci features', 'The document of the runtime specification']],
  options: [],
  async handler() {
    printLine(JSON.stringify(await bundleFeatures(), undefined, 2));
    return 0;
  },
});
