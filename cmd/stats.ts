/** `coracle stats`. */
import type { ContainerUsage } from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { formatOption, printListing } from './listing.js';
import { formatSize, writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'stats',
  summary: 'Show what containers use',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle stats', 'All that run, again each second'],
    ['coracle stats --no-stream --format json web', 'One answer, for programs'],
  ],
  options: [
    { name: 'no-stream', kind: 'switch', summary: 'A single answer' },
    { name: 'no-reset', kind: 'switch', summary: 'Do not clear the screen between answers' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids' },
    {
      name: 'interval',
      short: 'i',
      kind: 'number',
      value: 'SECONDS',
      summary: 'Time between answers (default: 1)',
    },
    { name: 'all', short: 'a', kind: 'switch', summary: 'Accepted: only what runs uses anything' },
    formatOption,
  ],
  refused: { 'name the container': 'latest,l' },
  async handler(values, operands, context) {
    const clears = !values['no-stream'] && !values['no-reset'] && values.format !== 'json';
    await interruptible(async (signal) => {
      const request = { stream: !values['no-stream'], interval: values.interval, signal };
      for await (const usage of context.open().stats(operands, request)) {
        if (clears) writeAll(1, '\x1b[2J\x1b[H');
        print(usage, values.format, values['no-trunc']);
      }
    });
    return 0;
  },
});

const headings = {
  ID: 'ID',
  Container: 'CONTAINER',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET IO',
  BlockIO: 'BLOCK IO',
  PIDs: 'PIDS',
  CPUTime: 'CPU TIME',
  AvgCPU: 'AVG CPU %',
};

function print(usage: readonly ContainerUsage[], format: string | undefined, whole: boolean): void {
  printListing({
    rows: usage.map((one) => rowOf(one, whole)),
    headings,
    columns: [
      'ID',
      'Name',
      'CPUPerc',
      'MemUsage',
      'MemPerc',
      'NetIO',
      'BlockIO',
      'PIDs',
      'CPUTime',
      'AvgCPU',
    ],
    format,
  });
}

function rowOf(one: ContainerUsage, whole: boolean): Record<keyof typeof headings, string> {
  return {
    ID: whole ? one.id : one.id.slice(0, 12),
    Container: one.name,
    Name: one.name,
    CPUPerc: `${one.cpuPercent.toFixed(2)}%`,
    MemUsage: `${formatSize(one.memory)} / ${formatSize(one.memoryLimit)}`,
    MemPerc: `${one.memoryPercent.toFixed(2)}%`,
    NetIO: `${formatSize(one.networkIn)} / ${formatSize(one.networkOut)}`,
    BlockIO: `${formatSize(one.blockIn)} / ${formatSize(one.blockOut)}`,
    PIDs: `${one.pids}`,
    CPUTime: `${one.cpuSeconds.toFixed(2)}s`,
    AvgCPU: `${one.cpuAverage.toFixed(2)}%`,
  };
}
