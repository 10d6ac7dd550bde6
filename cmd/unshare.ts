/** `coracle unshare`: a program in the user namespace that containers live in. */
import type { Coracle } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'unshare',
  summary: "Run a program as root of the containers' user namespace",
  operands: '[COMMAND [ARG...]]',
  count: [0, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  examples: [
    ['coracle unshare', 'A shell, which may mount containers and sees their files with their owners'],
    ["coracle unshare --mount ROOT=debian-working-container sh -c 'ls $ROOT'", 'With a container mounted'],
  ],
  options: [
    {
      name: 'mount',
      short: 'm',
      kind: 'list',
      value: '[NAME=]CONTAINER',
      summary: 'Mount a working container, or one that does not run; a variable has its mount point',
    },
  ],
  refused: { 'its network is that of this host': 'rootless-netns' },
  async handler(values, operands, { open }) {
    const coracle = open();
    const { mount } = values;
    if (mount.length > 0 && !(await coracle.isUnshared())) {
      // Within the namespace this very command line is carried out again, and then mounts.
      return coracle.unshare([process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
    }
    for (const text of mount) {
      const [, variable, name = ''] = /^(?:([A-Za-z_][A-Za-z0-9_]*)=)?(.+)$/.exec(text) ?? [];
      const path = await mountOne(coracle, name);
      if (variable !== undefined) process.env[variable] = path;
    }
    return coracle.unshare(operands.length > 0 ? operands : [process.env.SHELL || '/bin/sh']);
  },
});

async function mountOne(coracle: Coracle, name: string): Promise<string> {
  const isWorking = (await coracle.working.list()).some((one) => one.name === name || one.id === name);
  return isWorking ? coracle.working.mount(name) : coracle.mount(name);
}
