/** What runs in containers, seen and held from outside: top, stats, pause. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

const detached = ['run', '-d', '--network', 'none', '--name'];
const counting = 'i=0; while :; do i=$((i+1)); [ $((i%20000)) = 0 ] && echo $i; done';

async function lastLine(cli: Cli): Promise<string> {
  return cli.ok(['logs', '--tail', '1', 'box']);
}

testWith(journeyNeeds, 'a paused container stands still until it may go on', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([...detached, 'box', 'busybox', 'sh', '-c', `(${counting}) & (${counting}) & wait`]);
  await eventually(async () => (await lastLine(cli)) !== '' || undefined);
  t.is(await cli.ok(['pause', 'box']), 'box\n');
  const before = await lastLine(cli);
  t.is(await cli.ok(['ps', '--format', '{{.State}}', '--filter', 'status=paused']), 'paused\n');
  t.regex(await cli.ok(['ps', '--format', '{{.Status}}']), /^Up .* \(Paused\)\n$/);
  t.is(await cli.ok(['inspect', '-f', '{{.State.Status}} {{.State.Paused}}', 'box']), 'paused true\n');
  t.regex(await cli.ok(['top', 'box', 'state']), /^STATE\n(T\n)+$/);
  await sleep(300);
  t.is(await lastLine(cli), before);
  const refused = [
    ['pause', 'box'],
    ['exec', 'box', 'true'],
    ['unpause', 'gone'],
  ];
  for (const words of refused) t.not((await cli.run(words)).code, 0, words.join(' '));
  t.is((await cli.ok(['unpause', '--all'])).length, 65);
  await eventually(async () => (await lastLine(cli)) !== before || undefined);
  t.not((await cli.run(['unpause', 'box'])).code, 0);
});

testWith(journeyNeeds, 'processes that fork without end are all caught by a pause', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([...detached, 'box', 'busybox', 'sh', '-c', 'while :; do (sleep 0.01 &) ; (:) ; done']);
  for (let round = 0; round < 5; round++) {
    await cli.ok(['pause', 'box']);
    t.regex(await cli.ok(['top', 'box', 'state']), /^STATE\n([TZ]\n)+$/);
    await cli.ok(['unpause', 'box']);
  }
});

testWith(journeyNeeds, 'a paused container can be stopped, killed and removed', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([
    ...detached,
    'box',
    'busybox',
    'sh',
    '-c',
    'trap "exit 7" TERM; while :; do sleep 0.1; done',
  ]);
  await cli.ok(['pause', 'box']);
  await cli.ok(['stop', '-t', '5', 'box']);
  t.is(await cli.ok(['wait', 'box']), '7\n');
  await cli.ok(['start', 'box']);
  t.is(await cli.ok(['ps', '--format', '{{.State}}']), 'running\n');
  await cli.ok(['pause', 'box']);
  t.is(await cli.ok(['rm', '-f', 'box']), 'box\n');
});

testWith(
  journeyNeeds,
  'top tells users, pids and commands, with those of this host where asked',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok([...detached, 'box', '--init', 'busybox', 'sleep', '1000']);
    await cli.ok(['exec', '-d', '-u', 'www', 'box', 'sleep', '2000']);
    const table = await cli.ok(['top', 'box', 'user,pid', 'args']);
    t.regex(table, /^USER +PID +COMMAND\n/);
    t.regex(table, /\nroot +\d+ +sleep 1000\n/);
    t.regex(table, /\nwww +\d+ +sleep 2000\n/);
    t.regex(await cli.ok(['top', '-l']), /^USER +PID +PPID +%CPU +ELAPSED +TTY +TIME +COMMAND\n/);
    t.regex(await cli.ok(['top', 'box', 'hpid', 'comm']), /\n\d+ +sleep\n/);
    const unknown = await cli.run(['top', 'box', 'nothing']);
    t.is(unknown.code, 125);
    t.regex(unknown.stderr, /no such column[\s\S]*columns: args/);
    await cli.ok(['stop', '-t', '0', 'box']);
    t.not((await cli.run(['top', 'box'])).code, 0);
  },
);

testWith(journeyNeeds, 'stats measures processors, memory and processes', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([...detached, 'box', 'busybox', 'sh', '-c', counting]);
  await cli.ok([...detached, 'idle', 'busybox', 'sleep', '1000']);
  const rows = JSON.parse(await cli.ok(['stats', '--no-stream', '--format', 'json'])) as Record<
    string,
    string
  >[];
  const of = (name: string): Record<string, string> => rows.find(({ Name }) => Name === name) ?? {};
  t.true(Number.parseFloat(of('box').CPUPerc ?? '') > 5, JSON.stringify(rows));
  t.true(Number.parseFloat(of('idle').CPUPerc ?? '') < 5, JSON.stringify(rows));
  t.regex(of('idle').MemUsage ?? '', /^\d.*B \/ \d.*B$/);
  t.is(of('idle').PIDs, '1');
  const named = await cli.ok(['stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', 'idle']);
  t.is(named, 'idle 1\n');
  t.not((await cli.run(['stats', '--no-stream', 'gone'])).code, 0);
});
