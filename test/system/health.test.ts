/** Health checks, run by the supervisor: statuses, what follows from them, and what is recorded. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

const often = ['--health-interval', '150ms', '--health-retries', '2'];

function run(cli: Cli, name: string, ...words: string[]): Promise<string> {
  return cli.ok(['run', '-d', '--network', 'none', '--name', name, ...words]);
}

function status(cli: Cli, wanted: string): Promise<true> {
  return eventually(async () => {
    const text = await cli.ok(['inspect', '-f', '{{.State.Health.Status}}', 'box']);
    return text === `${wanted}\n` || undefined;
  });
}

testWith(journeyNeeds, 'a container is starting, unhealthy, then healthy, as its check says', async (t) => {
  const cli = await openCliWithBusybox(t);
  const check = 'if test -e /ok; then echo fine; else echo missing >&2; exit 3; fi';
  await run(cli, 'box', '--health-cmd', check, ...often, 'busybox', 'sleep', '1000');
  await status(cli, 'unhealthy');
  t.regex(await cli.ok(['ps', '--format', '{{.Status}}']), /^Up .* \(unhealthy\)\n$/);
  const failed = await cli.run(['healthcheck', 'run', 'box']);
  t.deepEqual([failed.code, failed.stdout], [1, 'unhealthy\n']);
  const log = await cli.ok(['inspect', '-f', '{{json .State.Health.Log}}', 'box']);
  const results = JSON.parse(log) as { ExitCode: number; Output: string }[];
  t.true(
    results.length > 0 && results.every(({ ExitCode, Output }) => ExitCode === 3 && Output === 'missing\n'),
    log,
  );
  await cli.ok(['exec', 'box', 'touch', '/ok']);
  t.is((await cli.run(['healthcheck', 'run', 'box'])).code, 0);
  await status(cli, 'healthy');
  t.is(await cli.ok(['ps', '-q', '--filter', 'health=unhealthy']), '');
  t.not(await cli.ok(['ps', '-q', '--filter', 'health=healthy']), '');
});

testWith(journeyNeeds, 'S28: a check is confined as every other process of its container', async (t) => {
  const cli = await openCliWithBusybox(t);
  const look =
    'grep -E "^(Cap|NoNewPrivs|Seccomp|Uid|Gid)" /proc/self/status; cd /proc/self/ns; for name in *; do readlink $name; done';
  await run(cli, 'box', '--cap-drop', 'CHOWN', '--health-cmd', look, ...often, 'busybox', 'sleep', '1000');
  await status(cli, 'healthy');
  const seen = await cli.ok(['inspect', '-f', '{{(index .State.Health.Log 0).Output}}', 'box']);
  t.regex(seen, /^CapEff:\t0+[0-9a-f]*[1-9a-f]/m);
  t.regex(seen, /^Seccomp:\t2$/m);
  t.regex(seen, /user:\[\d+\]/);
  t.is(seen.trimEnd(), (await cli.ok(['exec', 'box', 'sh', '-c', look])).trimEnd());
});

testWith(journeyNeeds, 'failures of the start period do not count', async (t) => {
  const cli = await openCliWithBusybox(t);
  const period = ['--health-start-period', '1h', '--health-start-interval', '50ms'];
  await run(cli, 'box', '--health-cmd', 'test -e /ok', ...often, ...period, 'busybox', 'sleep', '1000');
  await eventually(async () => {
    const log = await cli.ok(['inspect', '-f', '{{len .State.Health.Log}}', 'box']);
    return Number(log) >= 3 || undefined;
  });
  t.is(
    await cli.ok(['inspect', '-f', '{{.State.Health.Status}} {{.State.Health.FailingStreak}}', 'box']),
    'starting 0\n',
  );
  await cli.ok(['exec', 'box', 'touch', '/ok']);
  await status(cli, 'healthy');
  await cli.ok(['exec', 'box', 'rm', '/ok']);
  await status(cli, 'unhealthy');
});

testWith(journeyNeeds, 'an unhealthy container is killed, stopped or started again, as asked', async (t) => {
  const cli = await openCliWithBusybox(t);
  const failing = ['--health-cmd', 'false', '--health-interval', '100ms', '--health-retries', '1'];
  const trap = 'trap "exit 9" TERM; while :; do sleep 0.05; done';
  await run(cli, 'killed', ...failing, '--health-on-failure', 'kill', 'busybox', 'sleep', '1000');
  await run(cli, 'stopped', ...failing, '--health-on-failure', 'stop', 'busybox', 'sh', '-c', trap);
  await run(cli, 'again', ...failing, '--health-on-failure', 'restart', 'busybox', 'sleep', '1000');
  t.is(await cli.ok(['wait', 'killed']), '137\n');
  t.is(await cli.ok(['wait', 'stopped']), '9\n');
  await eventually(async () => {
    const count = await cli.ok(['inspect', '-f', '{{.RestartCount}}', 'again']);
    return Number(count) >= 2 || undefined;
  });
  t.is(await cli.ok(['rm', '-f', 'again']), 'again\n');
});

testWith(journeyNeeds, 'a check that takes too long is ended, and the container still can be', async (t) => {
  const cli = await openCliWithBusybox(t);
  const slow = ['--health-cmd', 'sleep 1000', '--health-timeout', '200ms', ...often];
  await run(cli, 'box', ...slow, 'busybox', 'sleep', '1000');
  await status(cli, 'unhealthy');
  t.regex(await cli.ok(['inspect', '-f', '{{json .State.Health.Log}}', 'box']), /"ExitCode":-1/);
  t.is(await cli.ok(['rm', '-f', 'box'], { timeout: 20_000 }), 'box\n');
});

testWith(
  journeyNeeds,
  "the image's check runs as the image says, and can be left out or changed",
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM localhost/busybox\nUSER www\nENV WORD=given\nHEALTHCHECK --interval=100ms --retries=1 CMD id -un; echo $WORD\nCMD sleep 1000\n',
    );
    await cli.ok(['build', '-q', '-t', 'checked', context]);
    await run(cli, 'box', 'checked');
    await status(cli, 'healthy');
    const log = await cli.ok(['inspect', '-f', '{{(index .State.Health.Log 0).Output}}', 'box']);
    t.is(log, 'www\ngiven\n\n');
    await run(cli, 'bare', '--no-healthcheck', 'checked');
    t.not((await cli.run(['healthcheck', 'run', 'bare'])).code, 0);
    t.is(
      await cli.ok(['inspect', '-f', '{{json .State}}', 'bare']).then((text) => text.includes('Health')),
      false,
    );
    const both = await cli.run(['run', '--no-healthcheck', '--health-cmd', 'true', 'checked']);
    t.is(both.code, 125);
    t.is((await cli.run(['run', '--health-interval', 'soon', 'checked'])).code, 125);
  },
);
