/** Many detached containers at once: to start, list and remove them, and what each holds in memory. */
import { type Bench, baseImage, type Case, type Contender, present, type Recorder, row } from '../case.js';
import { timeCommand } from '../command.js';
import { ownProcesses, type ProcessEntry, privateMemory, residentMemory } from '../processes.js';
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

function fleet(bench: Bench, store: Store, count: number): Contender {
  return {
    label: store.tool,
    round: (record, round) => {
      if (round === 0) describeNetworked(bench, store);
      const before = new Set(ownProcesses().map(({ pid }) => pid));
      const run = store.command('run', '-d', '--network', 'none', baseImage, 'sleep', '100000');
      let started = 0;
      for (let index = 0; index < count; index++) started += timeCommand(run);
      record('start', started);
      record('ps', timeCommand(store.command('ps')));
      const ids = store.run('ps', '-aq').trim().split('\n');
      recordMemory(bench, store, { record, round, before, count });
      record('rm', timeCommand(store.command('rm', '-f', '-t', '0', ...ids)));
    },
  };
}

type Turn = {
  readonly record: Recorder;
  readonly round: number;
  readonly before: ReadonlySet<number>;
  readonly count: number;
};

function recordMemory(bench: Bench, store: Store, { record, round, before, count }: Turn): void {
  const stayed = ownProcesses().filter(({ pid }) => !before.has(pid));
  const own = stayed.filter((entry) => supervisors[store.tool]?.test(programOf(entry)));
  record('memory', memoryOf(own).kib / count);
  if (round === 0) {
    const hidden = memoryOf(own).hidden;
    const how =
      hidden === 0
        ? ''
        : `; of ${hidden} all that is resident is counted, shared or not, as they let nobody look into them`;
    bench.remark(
      `${store.tool}: ${own.length} native processes for ${count} containers without a network${how}.`,
    );
  }
}

/** Says what one container with the default network holds, its helper apart. */
function describeNetworked(bench: Bench, store: Store): void {
  const before = new Set(ownProcesses().map(({ pid }) => pid));
  const id = store.run('run', '-d', baseImage, 'sleep', '100000').trim();
  const stayed = ownProcesses().filter(({ pid, words }) => !before.has(pid) && words.length > 0);
  const parts = stayed
    .filter((entry) => supervisors[store.tool]?.test(programOf(entry)) || helpers.test(programOf(entry)))
    .map((entry) => `${entry.name} ${memoryOf([entry]).kib} KiB`);
  bench.remark(`${store.tool}, one container with the default network: ${parts.join(', ')}.`);
  store.run('rm', '-f', '-t', '0', id);
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
