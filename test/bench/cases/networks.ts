/** User-defined networks: to start a container on one, what passes through it, and how fast names are found. */
import { spawn } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { packetsProgram } from '../../helpers/hostile-image.js';
import { type Bench, baseImage, type Case, type Contender, present, row } from '../case.js';
import { timeCommand } from '../command.js';
import type { Store, Tool } from '../tools.js';

const network = 'bench';
const lookUps = 2000;

export const networksCase: Case = {
  name: 'networks',
  speed: 'slow',
  open: (bench) => {
    const program = packetsProgram({ directory: bench.workspace });
    const port = 20_000 + (process.pid % 10_000);
    const drain = spawn(program, ['drain', `${port}`], { stdio: 'ignore' });
    bench.atEnd(() => drain.kill());
    const { megabytes } = bench.scale;
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) =>
        contender(bench, tool, { program, port }),
      ),
      rows: [
        row('`run --rm --network NAME IMAGE true`, others being on it', 'start', 0.5),
        row('`run --rm --network NAME IMAGE true`, the first one on it', 'first', 0.5),
        row(`${megabytes / 4} MiB from a container on a network to this host, by TCP`, 'out', 1),
        row(`${megabytes} MiB from one container to another one`, 'across', 1),
        row(`${lookUps} names looked up, one after the other`, 'names', 1),
      ],
    };
  },
};

type Tools = { readonly program: string; readonly port: number };

function contender(bench: Bench, tool: Tool, { program, port }: Tools): Contender {
  const store = bench.baseStore(tool);
  store.run('network', 'create', network);
  bench.atEnd(() => store.run('network', 'rm', '-f', network));
  const on = ['--network', network];
  const start = store.command('run', '--rm', ...on, baseImage, 'true');
  const serve = (name: string, ...words: readonly string[]): void => {
    const mount = ['-v', `${program}:/packets:ro`];
    store.run('run', '-d', '--name', name, ...on, ...mount, baseImage, ...words);
  };
  const inside = (...words: readonly string[]): number =>
    Number(store.run('exec', 'client', '/packets', ...words).trim());
  const amount = `${bench.scale.megabytes}`;
  return {
    label: tool.name,
    round: (record) => {
      record('first', timeCommand(start));
      serve('client', 'sleep', '100000');
      serve('server', '/packets', 'drain', '9000');
      record('start', timeCommand(start));
      record('out', inside('pour', hostAddress(), `${port}`, `${bench.scale.megabytes / 4}`));
      record('across', inside('pour', addressOf(store, 'server'), '9000', amount));
      record(
        'names',
        inside('resolve', tool.name === 'podman' ? 'server.dns.podman' : 'server', `${lookUps}`),
      );
      store.run('rm', '-f', '-t', '0', 'client', 'server');
    },
  };
}

function addressOf(store: Store, name: string): string {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return store.run('inspect', '--format', format, name).trim();
}

function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '';
}
