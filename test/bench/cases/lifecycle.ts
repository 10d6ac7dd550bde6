/** What people do with containers that are there: start, list, enter, read their logs, stop. */
import { type Bench, baseImage, type Case, type Contender, present, row } from '../case.js';
import { type Command, piped, timeCommand } from '../command.js';
import type { Store, Tool } from '../tools.js';

/** Execs that run at the same time. */
const many = 100;
/** Containers that run while they are listed: podman gives each a keyring, of which the kernel grants a user less than 100. */
const running = 90;
const offline = ['--network', 'none'];
/** A shell that ends when it is told to. */
const obedient = 'trap exit TERM; sleep 100000 & wait';
/** podman reads back some 20 MiB of lines in a second. */
const logMegabytes = 128;
const removal = ['rm', '-f', '-t', '0'];

export const lifecycleCase: Case = {
  name: 'lifecycle',
  speed: 'slow',
  open: (bench) => {
    const megabytes = Math.min(bench.scale.megabytes, logMegabytes);
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) =>
        contender(bench, tool, megabytes),
      ),
      rows: [
        row('`start` of a created container', 'start', 0.4),
        row('`stop` of a container that ends at the signal', 'stop'),
        row(`\`ps\` with ${running} containers`, 'ps', 0.5),
        row(`${many} \`exec CONTAINER true\` at once`, 'execs', 0.25),
        row(`\`logs\` of ${megabytes} MiB of lines`, 'logs', 0.25),
      ],
    };
  },
};

function contender(bench: Bench, tool: Tool, megabytes: number): Contender {
  const store = bench.freshStore(tool);
  store.run('import', bench.inputs.baseTar, baseImage);
  const names = Array.from({ length: running }, (_, index) => `many-${index}`);
  bench.atEnd(() => void store.run(...removal, ...names));
  for (const name of names) store.run('run', '-d', ...offline, '--name', name, baseImage, 'sleep', '100000');
  writeLog(store, megabytes);
  bench.atEnd(() => void store.run('rm', 'wrote'));
  return {
    label: tool.name,
    round: (record) => {
      store.run('create', ...offline, '--name', 'one', baseImage, 'sh', '-c', obedient);
      record('start', timeCommand(store.command('start', 'one')));
      record('stop', timeCommand(store.command('stop', 'one')));
      store.run('rm', 'one');
      record('ps', timeCommand(store.command('ps')));
      record('execs', timeCommand(atOnce(store.command('exec', 'many-0', 'true'), many)));
      record('logs', timeCommand(piped(store.command('logs', 'wrote'), 'cat >/dev/null')));
    },
  };
}

function writeLog(store: Store, megabytes: number): void {
  const line = 'a line of a log, about as long as such lines are, with a word or two more than it needs';
  const script = `yes '${line}' | head -c ${megabytes * 1024 * 1024}`;
  timeCommand(store.command('run', ...offline, '--name', 'wrote', baseImage, 'sh', '-c', script));
}

/** The same command so many times at once; fails when one of them does. */
function atOnce({ program, args, env }: Command, times: number): Command {
  const script = `failed=0; pids=; i=0
    while [ $i -lt ${times} ]; do "$@" & pids="$pids $!"; i=$((i + 1)); done
    for pid in $pids; do wait $pid || failed=1; done; exit $failed`;
  return { program: '/bin/sh', args: ['-c', script, 'sh', program, ...args], env };
}
