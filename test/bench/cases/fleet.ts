/** Many detached containers at once: to start, list and remove them, and what each holds in memory. */
import { join } from 'node:path';
import { type Bench, baseImage, type Case, type Contender, present, type Recorder, row } from '../case.js';
import { timeCommand } from '../command.js';
import {
  attendants,
  type ProcessEntry,
  privateMemory,
  processesNaming,
  residentMemory,
} from '../processes.js';
import type { Store } from '../tools.js';

/** The programs that stay for a container, by tool. The rest of its processes are its own or network helpers. */
const supervisors: Readonly<Record<string, RegExp>> = {
  coracle: /(^|\/)coracle-sv$|^coracle/,
  podman: /(^|\/)conmon$/,
};
const helpers = /(^|\/)(pasta(\.avx2)?|slirp4netns|rootlessport(-child)?|exe)$/;

export const fleetCase: Case = {
  name: 'detached',
  speed: 'slow',
  open: (bench) => {
    const count = bench.scale.containers;
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) =>
        fleet(bench, bench.baseStore(tool), count),
      ),
      rows: [
        row(`\`run -d --network none\`, ${count} times`, 'start'),
        row(`\`ps\` with ${count} containers`, 'ps'),
        row(`\`rm -f -t 0\` of ${count} containers`, 'rm'),
        {
          ...row('private memory of the native processes of one container (podman: conmon)', 'memory'),
          unit: 'KiB',
          target: { of: 'value', atMost: 2048 },
        },
      ],
    };
  },
};

const run = ['run', '-d', '--network', 'none'];

function fleet(bench: Bench, store: Store, count: number): Contender {
  return {
    label: store.tool,
    round: (record, round) => {
      if (round === 0) describeNetworked(bench, store);
      const names = Array.from({ length: count }, (_, index) => `fleet-${index}`);
      const starts = names.map((name) =>
        timeCommand(store.command(...run, '--name', name, baseImage, 'sleep', '100000')),
      );
      record(
        'start',
        starts.reduce((sum, milliseconds) => sum + milliseconds, 0),
      );
      record('ps', timeCommand(store.command('ps')));
      recordMemory(bench, store, { record, round, names });
      record('rm', timeCommand(store.command('rm', '-f', '-t', '0', ...names)));
    },
  };
}

type Turn = { readonly record: Recorder; readonly round: number; readonly names: readonly string[] };

function recordMemory(bench: Bench, store: Store, { record, round, names }: Turn): void {
  const own = attending(store, names).filter((entry) => supervisors[store.tool]?.test(programOf(entry)));
  const { kib, hidden } = memoryOf(own);
  record('memory', kib / names.length);
  if (round > 0) return;
  const how =
    hidden === 0
      ? ''
      : `; of ${hidden} all that is resident is counted, shared or not, as they let nobody look into them`;
  bench.remark(
    `${store.tool}: ${own.length} native processes for ${names.length} containers without a network${how}.`,
  );
}

/** Says what one container with the default network holds, its helper apart. */
function describeNetworked(bench: Bench, store: Store): void {
  const id = store.run('run', '-d', baseImage, 'sleep', '100000').trim();
  const runtime = join(bench.workspace, 'r', store.tool); // where podman's helpers find the network
  const own = attending(store, [id]);
  const others = processesNaming(runtime).filter(({ pid }) => own.every((entry) => entry.pid !== pid));
  const helping = [...own, ...others].filter((entry) => helpers.test(programOf(entry)));
  const supervising = own.filter((entry) => supervisors[store.tool]?.test(programOf(entry)));
  const parts = [...supervising, ...helping].map((entry) => `${entry.name} ${memoryOf([entry]).kib} KiB`);
  bench.remark(`${store.tool}, one container with the default network: ${parts.join(', ')}.`);
  store.run('rm', '-f', '-t', '0', id);
}

function attending(store: Store, names: readonly string[]): readonly ProcessEntry[] {
  const pids = store
    .run('inspect', '--format', '{{.State.Pid}}', ...names)
    .trim()
    .split('\n');
  return attendants(pids.map(Number));
}

function programOf({ words, name }: ProcessEntry): string {
  return (words[0] ?? name).split(' ')[0] ?? name;
}

function memoryOf(entries: readonly ProcessEntry[]): { readonly kib: number; readonly hidden: number } {
  let [kib, hidden] = [0, 0];
  for (const { pid } of entries) {
    const known = privateMemory(pid);
    if (known === undefined) hidden++;
    kib += known ?? residentMemory(pid) ?? 0;
  }
  return { kib, hidden };
}
