import { bundleFeatures, coracleVersion } from '../../lib/index.js';
import { printLine } from '../terminal/output.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci version',
  summary: 'Show the version of the runtime and of the specification it follows',
  operands: '',
  count: [0, 0],
  completes: 'nothing',
  examples: [['coracle oci --version', 'The same']],
  options: [],
  async handler() {
    const { ociVersionMax } = (await bundleFeatures()) as { readonly ociVersionMax: string };
    printLine(`coracle-oci version ${coracleVersion}\nspec: ${ociVersionMax}`);
    return 0;
  },
});
