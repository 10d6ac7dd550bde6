/** `coracle pod exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'pod exists',
  summary: 'Tell whether there is a pod',
  operands: 'POD',
  count: [1, 1],
  completes: 'pods',
  examples: [['coracle pod exists shop || coracle pod create shop', 'Exit code 0 if there is one, 1 if not']],
  options: [],
  async handler(_values, [text = ''], { open }) {
    const pods = await open().pods();
    return pods.some(({ id, name }) => name === text || (text !== '' && id.startsWith(text))) ? 0 : 1;
  },
});
