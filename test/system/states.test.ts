/** Each verb on a container whose state does not allow it: one error that says why; and what starts at a boot. */
import { chmodSync, existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];
const sleeping = [...network, 'busybox', 'sleep', '1000'];

const notRunning = (state: string): readonly (readonly [verb: string, error: RegExp])[] =>
  (
    [
      ['kill', 'kill container'],
      ['pause', 'pause container'],
      ['unpause', 'unpause container'],
      ['exec', 'exec in container'],
      ['attach', 'attach to container'],
      ['top', 'list processes of container'],
      ['healthcheck run', 'check health of container'],
    ] as const
  ).map(([verb, words]) => [
    verb,
    new RegExp(`^coracle: ${words} ${state}: it is not running \\(${state}\\)\n`),
  ]);

const goesOn = /its removal did not finish\nhint: coracle rm dead goes on with it\n$/;

/** State, which is the container's name too → verbs that it does not allow. */
const table: Readonly<Record<string, readonly (readonly [verb: string, error: RegExp])[]>> = {
  created: notRunning('created'),
  exited: notRunning('exited'),
  dead: [
    ...notRunning('dead'),
    ['start', goesOn],
    ['restart', goesOn],
    ['rename', goesOn],
    ['update', goesOn],
  ],
  running: [
    ['unpause', /^coracle: unpause container running: it is not paused\n/],
    ['rm', /^coracle: remove container running: it is running\nhint: coracle stop running first/],
    ['healthcheck run', /^coracle: check health of container running: it has no health check\n/],
  ],
  paused: [
    ['pause', /^coracle: pause container paused: it is paused already\n/],
    ['exec', /^coracle: exec in container paused: it is not running \(paused\)\n/],
    ['rm', /^coracle: remove container paused: it is running\n/],
  ],
  missing: [
    ...[
      'start',
      'stop',
      'restart',
      'kill',
      'pause',
      'unpause',
      'exec',
      'attach',
      'top',
      'rm',
      'wait',
      'logs',
    ],
    ...['healthcheck run', 'rename', 'update', 'port', 'diff', 'commit'],
  ].map((verb) => [verb, /^coracle: open container missing: no such container\nhint: coracle ps -a lists/]),
};

const extra: Readonly<Record<string, readonly string[]>> = {
  exec: ['true'],
  rename: ['other'],
  update: ['--restart', 'no'],
  commit: ['image'],
};

testWith(
  journeyNeeds,
  'a verb that a state does not allow is refused with the reason, and changes nothing',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['create', '--name', 'created', ...sleeping]);
    await cli.ok(['create', '--name', 'dead', ...sleeping]);
    await cli.ok(['run', '--name', 'exited', ...network, 'busybox', 'true']);
    await cli.ok(['run', '-d', '--name', 'running', ...sleeping]);
    await cli.ok(['run', '-d', '--name', 'paused', ...sleeping]);
    await cli.ok(['pause', 'paused']);
    const dead = (await cli.ok(['inspect', '-f', '{{.Id}}', 'dead'])).trim();
    writeFileSync(join(cli.root, 'containers', dead, 'removing'), '');
    for (const [name, rows] of Object.entries(table)) {
      const outcomes = await Promise.all(
        rows.map(([verb]) => {
          const [first = '', ...more] = verb.split(' ');
          const words =
            first === 'update'
              ? [first, '--restart', 'no', name]
              : [first, ...more, name, ...(extra[verb] ?? [])];
          return cli.run(words);
        }),
      );
      for (const [index, [verb, error]] of rows.entries()) {
        t.regex(outcomes[index]?.stderr ?? '', error, `${verb} ${name}`);
        t.true([1, 2, 125].includes(outcomes[index]?.code ?? 0), `${verb} ${name}: ${outcomes[index]?.code}`);
      }
      if (name !== 'missing') t.is(await cli.ok(['inspect', '-f', '{{.State.Status}}', name]), `${name}\n`);
    }
    t.is(await cli.ok(['rm', 'dead']), 'dead\n');
  },
);

testWith(journeyNeeds, 'a container whose removal fails is dead, and can be removed again', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '--name', 'box', ...network, 'busybox', 'true']);
  const trash = join(cli.root, 'trash');
  chmodSync(trash, 0o500);
  const failed = await cli.run(['rm', 'box']);
  t.not(failed.code, 0);
  t.regex(failed.stderr, /to the trash: permission denied/);
  t.is(await cli.ok(['ps', '-a', '--format', '{{.Names}} {{.State}} {{.Status}}']), 'box dead Dead\n');
  chmodSync(trash, 0o700);
  t.is(await cli.ok(['rm', 'box']), 'box\n');
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith(journeyNeeds, 'a boot starts what is to run always, and what no command stopped', async (t) => {
  const cli = await openCliWithBusybox(t);
  const started: readonly (readonly [name: string, policy: string])[] = [
    ['always', 'always'],
    ['stopped', 'unless-stopped'],
    ['ended', 'unless-stopped'],
    ['plain', 'no'],
  ];
  for (const [name, policy] of started)
    await cli.ok(['run', '-d', '--name', name, '--restart', policy, ...sleeping]);
  await cli.ok(['create', '--name', 'never', '--restart', 'always', ...sleeping]);
  await cli.ok(['stop', '-t', '0', 'always', 'stopped']);
  // A machine that goes down ends supervisors as systemd does.
  for (const name of ['ended', 'plain']) {
    const id = (await cli.ok(['inspect', '-f', '{{.Id}}', name])).trim();
    const live = JSON.parse(readFileSync(join(cli.root, 'containers', id, 'live'), 'utf8')) as {
      readonly sv: number;
    };
    process.kill(live.sv, name === 'ended' ? 'SIGKILL' : 'SIGTERM');
  }
  await cli.ok(['kill', 'plain']);
  await eventually(async () => (await cli.ok(['ps', '-q'])) === '' || undefined);
  t.deepEqual((await cli.ok(['system', 'start'])).trim().split('\n').sort(), ['always', 'ended']);
  t.is(await cli.ok(['system', 'start']), '');
  t.is(await cli.ok(['ps', '-a', '--filter', 'restart-policy=no', '--format', '{{.Names}}']), 'plain\n');

  const unit = await cli.ok(['system', 'unit']);
  t.regex(unit, new RegExp(`\nExecStart=/\\S+/dist/coracle --root ${cli.root} system start\n`));
  const path = (await cli.ok(['system', 'unit', '--install'])).trim();
  t.is(path, join(cli.directory, 'home/.config/systemd/user/coracle.service'));
  t.is(readFileSync(path, 'utf8'), unit);
  t.is(readlinkSync(join(path, '../default.target.wants/coracle.service')), path);
  t.is((await cli.run(['system', 'unit', '--install'])).code, 0);
  t.true(existsSync(path));
});
