/** What is there, what it takes, and what goes: exists, wait, prune, df, ps --size, logs of several. */
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];

testWith(journeyNeeds, 'exists answers by its exit code alone', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['create', '--name', 'box', ...network, 'busybox']);
  const answers = [
    ['container', 'exists', 'box'],
    ['container', 'exists', 'none'],
    ['image', 'exists', 'busybox'],
    ['image', 'exists', 'none:1'],
  ].map((words) => cli.run(words));
  const outcomes = await Promise.all(answers);
  t.deepEqual(
    outcomes.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
    [0, 1, 0, 1].map((code) => [code, '', '']),
  );
});

testWith(journeyNeeds, 'wait ends with its condition, or with the first container', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['create', '--name', 'later', ...network, 'busybox', 'sh', '-c', 'exit 3']);
  t.is(await cli.ok(['wait', '--condition', 'created', 'later']), '-1\n');
  const paused = cli.ok(['wait', '--condition', 'paused,exited', 'box', '--ignore']);
  t.is(await paused, '-1\n');
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sleep', '100']);
  const [, state] = await Promise.all([
    cli.ok(['pause', 'box']),
    cli.ok(['wait', '--condition', 'paused', '--condition', 'unhealthy', 'box']),
  ]);
  t.is(state, '-1\n');
  const running = cli.ok(['wait', '--condition', 'running', '--interval', '10s', 'box']);
  await cli.ok(['unpause', 'box']);
  t.is(await running, '-1\n');
  await cli.ok([
    'run',
    '-d',
    '--rm',
    '--name',
    'short',
    ...network,
    'busybox',
    'sh',
    '-c',
    'sleep 1; exit 7',
  ]);
  t.is(await cli.ok(['wait', '--return-on-first', 'box', 'short']), '7\n');
  const gone = cli.run(['wait', '--condition', 'healthy', 'box']);
  await eventually(async () => (await cli.ok(['rm', '-f', 'box'])) !== '' || undefined);
  const { code, stderr } = await gone;
  t.is(code, 125);
  t.regex(stderr, /it was removed|no such container/);
  const wrong = await cli.run(['wait', '--condition', 'happy', 'later']);
  t.is(wrong.code, 125);
  t.regex(wrong.stderr, /no such condition/);
});

testWith(journeyNeeds, 'df adds up to what du counts, prune frees it', async (t) => {
  const cli = await openCliWithBusybox(t);
  const fill = 'dd if=/dev/zero of=/big bs=1M count=24 2>/dev/null';
  await cli.ok(['run', '--name', 'ended', '-v', 'data:/d', ...network, 'busybox', 'sh', '-c', fill]);
  await cli.ok(['create', '--name', 'kept', '--label', 'keep', ...network, 'busybox']);
  const rows = JSON.parse(await cli.ok(['system', 'df', '--format', 'json'])) as {
    readonly Type: string;
    readonly Total: number;
    readonly Active: number;
    readonly RawSize: number;
  }[];
  t.deepEqual(
    rows.map(({ Type, Total, Active }) => [Type, Total, Active]),
    [
      ['Images', 1, 1],
      ['Containers', 2, 0],
      ['Local Volumes', 1, 1],
      ['Build Cache', 0, 0],
    ],
  );
  const du = await runProgram('du', ['-s', '--block-size=1', '--exclude=reserve', cli.root]);
  const [counted = NaN, sum] = [
    Number.parseInt(du.stdout, 10),
    rows.reduce((all, row) => all + row.RawSize, 0),
  ];
  t.true(Math.abs(sum - counted) < counted / 100, `df says ${sum}, du ${counted}`);
  t.regex(
    await cli.ok(['system', 'df', '-v']),
    /Images space usage:[\s\S]*kept[\s\S]*data[\s\S]*The store's own/,
  );
  t.regex(
    await cli.ok(['ps', '-a', '--sort', 'size', '--format', '{{.Names}} {{.Size}}']),
    /^kept 0B \(virtual [\d.]+MB\)\nended 25.2MB \(virtual [\d.]+MB\)\n$/,
  );
  t.is(await cli.ok(['inspect', '--size', '-f', '{{.SizeRw}}', 'ended']), `${24 * 1024 * 1024}\n`);
  t.is((await cli.run(['container', 'prune'])).code, 125);
  t.is(await cli.ok(['container', 'prune', '-f', '--filter', 'until=24h']), '');
  const pruned = await cli.run(['container', 'prune', '-f', '--filter', 'label!=keep']);
  t.regex(pruned.stdout, /^[0-9a-f]{64}\n$/);
  t.regex(pruned.stderr, /^Total reclaimed space: 25.[23]MB\n$/);
  const all = await cli.ok(['system', 'prune', '-af', '--volumes']);
  t.regex(
    all,
    /Deleted Containers\n[\s\S]*Deleted Volumes\ndata\n[\s\S]*Deleted Images\n[\s\S]*Total reclaimed space/,
  );
  t.is(await cli.ok(['images', '-q']), '');
  const told = ['events', '--stream=false', '--filter', 'event=prune', '--format'];
  const prunings = await cli.ok([...told, '{{.Type}} {{.Attributes.reclaimed}}']);
  t.regex(prunings, /^container 0\ncontainer 25\d{6}\ncontainer \d+\nsystem [1-9]\d+\n$/);
});

testWith(journeyNeeds, 'logs of several containers come in the order of time', async (t) => {
  const cli = await openCliWithBusybox(t);
  for (const name of ['one', 'two', 'one', 'two']) {
    const known = (await cli.run(['container', 'exists', name])).code === 0;
    if (known) await cli.ok(['start', '-a', name]);
    else await cli.ok(['run', '--name', name, ...network, 'busybox', 'sh', '-c', `printf ${name}; echo .`]);
  }
  t.is(await cli.ok(['logs', '--names', 'one', 'two']), 'one one.\ntwo two.\none one.\ntwo two.\n');
  t.is(await cli.ok(['logs', '--names', '--tail', '1', 'two', 'one']), 'one one.\ntwo two.\n');
  t.regex(await cli.ok(['logs', 'one', 'two']), /^[0-9a-f]{12} one\.\n/);
  const coloured = await cli.ok(['logs', '--color', '--names', 'one', 'two']);
  t.true(coloured.startsWith('\u001b[31mone\u001b[0m one'));
  t.is(await cli.ok(['logs', '-f', '--names', 'one', 'two']), 'one one.\ntwo two.\none one.\ntwo two.\n');
  t.is(await cli.ok(['logs', '--latest']), 'two.\ntwo.\n');
});
