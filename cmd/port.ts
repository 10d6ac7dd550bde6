/** `coracle port`. */
import { CoracleError, type PortMapping } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { selectContainers } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'port',
  summary: 'Show the published ports of a container',
  operands: 'CONTAINER [PORT[/PROTOCOL]]',
  count: [0, 2],
  completes: 'containers',
  examples: [
    ['coracle port web', 'All of them: 80/tcp -> 0.0.0.0:8080'],
    ['coracle port web 80', 'Where this host answers for port 80'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Those of all containers' },
    { name: 'latest', short: 'l', kind: 'switch', summary: 'Those of the container made last' },
  ],
  async handler(values, operands, context) {
    const byFlag = values.all || values.latest;
    const port = byFlag ? operands[0] : operands[1];
    const names = byFlag ? [] : operands.slice(0, 1);
    const chosen = await selectContainers('port', names, values, 'all', context);
    return forEach(chosen, context, async (name) => {
      const ports = await context.open().ports(name);
      if (values.all) for (const one of ports) printLine(`${name.slice(0, 12)}\t${line(one)}`);
      else if (port === undefined) for (const one of ports) printLine(line(one));
      else for (const text of answersFor(name, ports, port)) printLine(text);
    });
  },
});

function line(port: PortMapping): string {
  return `${port.containerPort}/${port.protocol} -> ${hostText(port)}`;
}

function hostText({ hostAddress, hostPort }: PortMapping): string {
  return hostAddress.includes(':') ? `[${hostAddress}]:${hostPort}` : `${hostAddress}:${hostPort}`;
}

function answersFor(name: string, ports: readonly PortMapping[], text: string): readonly string[] {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) {
    throw new CoracleError('USAGE', `read port "${text}": expected PORT or PORT/PROTOCOL`, {
      hint: 'as in 80 or 53/udp',
    });
  }
  const protocol = match[2] ?? 'tcp';
  const found = ports.filter((port) => port.containerPort === Number(match[1]) && port.protocol === protocol);
  if (found.length > 0) return found.map(hostText);
  throw new CoracleError('NOT_FOUND', `port of ${name}: ${match[1]}/${protocol} is not published`, {
    hint: `coracle port ${name} lists those that are`,
  });
}
