/** A container in the foreground: how fast its output comes, and who stays behind it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bench, baseImage, type Case, present, row } from '../case.js';
import { piped, runCommand, settle, timeCommand, waitFor } from '../command.js';
import { attendants, descendants, ownProcesses, processesNaming } from '../processes.js';
import type { Store } from '../tools.js';

export const outputCase: Case = {
  name: 'stdout',
  speed: 'slow',
  open: (bench) => {
    const { megabytes } = bench.scale;
    const source = ['dd', 'if=/dev/zero', 'bs=1M', `count=${megabytes}`];
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => {
        const store = bench.baseStore(tool);
        const command = store.command('run', '--rm', '--network', 'none', baseImage, ...source);
        return {
          label: tool.name,
          round: (record, round) => {
            if (round === 0) expectBytes(runCommand(piped(command, 'wc -c')), megabytes);
            settle();
            record('output', timeCommand(piped(command, 'cat >/dev/null')));
          },
        };
      }),
      rows: [row(`${megabytes} MiB through standard output of \`run\``, 'output', 0.3)],
    };
  },
};

function expectBytes(counted: string, megabytes: number): void {
  if (Number(counted) === megabytes * 1024 * 1024) return;
  throw new Error(`count output: ${counted.trim()} bytes instead of ${megabytes} MiB`);
}

export const nodeCase: Case = {
  name: 'no-node',
  speed: 'fast',
  open: (bench) => {
    lookForNode(bench, bench.baseStore(bench.tools.coracle));
    return { contenders: [], rows: [] };
  },
};

/** Who stands behind a container that a foreground `run` waits for: no Node.js may be among them. */
function lookForNode(bench: Bench, store: Store): void {
  const name = 'in-front';
  const run = ['run', '--rm', '--name', name, '--network', 'none', baseImage];
  const { program, args, env } = store.command(...run, 'sh', '-c', 'echo up; exec sleep 100000');
  const output = join(bench.workspace, 'foreground.out');
  const descriptor = openSync(output, 'w');
  const child = spawn(program, args, { env, stdio: ['ignore', descriptor, descriptor] });
  closeSync(descriptor);
  try {
    waitFor(`the container's first line in ${output}`, () =>
      readFileSync(output, 'utf8').includes('up') ? true : undefined,
    );
    const container = Number(store.run('inspect', '--format', '{{.State.Pid}}', name));
    const all = ownProcesses();
    const before = [...all.filter(({ pid }) => pid === child.pid), ...descendants(child.pid ?? 0, all)];
    const behind = [...before, ...attendants([container]), ...processesNaming(store.directory)];
    const nodes = behind.filter(({ words, name }) => name === 'node' || /(^|\/)node$/.test(words[0] ?? ''));
    bench.check(
      'no Node.js stays behind a foreground `run`',
      nodes.length === 0,
      `there are ${behind.map(({ name }) => name).join(', ')}`,
    );
  } finally {
    child.kill('SIGTERM');
    store.run('rm', '-f', '-t', '0', name);
  }
}
