/** Volumes: filling one from an image, and mounting one that is full. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxEntries, makeTar, type TarEntry } from '../../helpers/image.js';
import { type Bench, type Case, type Contender, present, row } from '../case.js';
import { timeCommand } from '../command.js';
import type { Tool } from '../tools.js';

const image = 'localhost/many:1';
const files = 10_000;

export const volumeCase: Case = {
  name: 'volume',
  speed: 'slow',
  open: (bench) => {
    const tar = join(bench.workspace, 'many.tar');
    writeFileSync(tar, makeTar([...busyboxEntries(), ...manyFiles()]));
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => contender(bench, tool, tar)),
      rows: [
        row(`\`run -v NEW:/many IMAGE true\`: a volume filled with ${files} files`, 'fill', 0.4),
        row('`run -v FULL:/many IMAGE true`', 'full', 0.4),
      ],
    };
  },
};

function contender(bench: Bench, tool: Tool, tar: string): Contender {
  const store = bench.freshStore(tool);
  store.run('import', tar, image);
  const run = (name: string): Parameters<typeof timeCommand>[0] =>
    store.command('run', '--rm', '--network', 'none', '-v', `${name}:/many`, image, 'true');
  return {
    label: tool.name,
    round: (record, number) => {
      const name = `many${number}`;
      record('fill', timeCommand(run(name)));
      record('full', timeCommand(run(name)));
      store.run('volume', 'rm', name);
    },
  };
}

function manyFiles(): TarEntry[] {
  const directories = Array.from({ length: files / 100 }, (_, index) => `many/${index}`);
  return [
    ...['many', ...directories].map((name) => ({ name, type: 'directory' }) as const),
    ...directories.flatMap((directory) =>
      Array.from({ length: 100 }, (_, index) => ({
        name: `${directory}/${index}`,
        content: `${directory}/${index}\n`.repeat(20),
        uid: index % 3,
      })),
    ),
  ];
}
