/** Starting something small: `run` with and without a network, `exec`. */
import { against, type Bench, baseImage, type Case, type Contender, present, row } from '../case.js';
import { timeCommand } from '../command.js';

/** A contender whose turn is one command over its base store. */
function oneCommand(
  label: string,
  measure: string,
  make: () => Parameters<typeof timeCommand>[0],
): Contender {
  return { label, round: (record) => record(measure, timeCommand(make())) };
}

export const runCase: Case = {
  name: 'run',
  speed: 'fast',
  open: (bench) => ({
    contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => {
      const store = bench.baseStore(tool);
      const command = store.command('run', '--rm', '--network', 'none', baseImage, 'true');
      return oneCommand(tool.name, 'run', () => command);
    }),
    rows: [row('`run --rm --network none IMAGE true`', 'run', 0.35)],
  }),
};

export const networkCase: Case = {
  name: 'network',
  speed: 'fast',
  open: (bench) => ({
    contenders: [
      ...present(bench.tools.coracle, bench.tools.podman).map((tool) => runWith(bench, tool.name, tool, [])),
      runWith(bench, 'coracle slirp4netns', bench.tools.coracle, ['--network', 'slirp4netns']),
    ],
    rows: [
      row('`run --rm IMAGE true`, each with its default network (pasta; slirp4netns)', 'run', 0.35),
      {
        ...against('podman', '`run --rm IMAGE true`, both with slirp4netns', 'run', 0.35),
        ours: 'coracle slirp4netns',
      },
    ],
  }),
};

function runWith(
  bench: Bench,
  label: string,
  tool: Parameters<Bench['baseStore']>[0],
  flags: readonly string[],
): Contender {
  const command = bench.baseStore(tool).command('run', '--rm', ...flags, baseImage, 'true');
  return oneCommand(label, 'run', () => command);
}

export const execCase: Case = {
  name: 'exec',
  speed: 'fast',
  open: (bench) => ({
    contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => {
      const store = bench.baseStore(tool);
      const id = store.run('run', '-d', '--network', 'none', baseImage, 'sleep', '100000').trim();
      bench.atEnd(() => void store.run('rm', '-f', '-t', '0', id));
      return oneCommand(tool.name, 'exec', () => store.command('exec', id, 'true'));
    }),
    rows: [row('`exec CONTAINER true`', 'exec', 0.35)],
  }),
};
