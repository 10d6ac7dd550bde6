/** `update` changes what looks after a container while it runs; limits are kept and said not to be applied. */
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];

testWith(journeyNeeds, 'a running container gets another restart policy and health check', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = 'trap "exit 0" TERM; until test -e /end; do sleep 0.1; done; rm /end; exit 1';
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sh', '-c', script]);
  const missing = await cli.run(['update', '--health-interval', '1s', 'box']);
  t.is(missing.code, 125);
  t.regex(missing.stderr, /no health check to change/);
  const check = ['--health-cmd', 'test -e /well', '--health-interval', '100ms', '--health-retries', '1'];
  t.regex(await cli.ok(['update', ...check, 'box']), /^[0-9a-f]{64}\n$/);
  await cli.ok(['wait', '--condition', 'unhealthy', 'box']);
  await cli.ok(['exec', 'box', 'touch', '/well']);
  await cli.ok(['wait', '--condition', 'healthy', 'box']);
  await cli.ok(['update', '--no-healthcheck', 'box']);
  t.is((await cli.run(['healthcheck', 'run', 'box'])).code, 125);
  t.notRegex(await cli.ok(['ps', '--format', '{{.Status}}']), /healthy/);

  await cli.ok(['update', '--restart', 'on-failure:1', 'box']);
  await cli.ok(['exec', 'box', 'touch', '/end']);
  await eventually(
    async () => (await cli.ok(['inspect', '-f', '{{.RestartCount}}', 'box'])) === '1\n' || undefined,
  );
  await cli.ok(['update', '--restart', 'no', 'box']);
  await cli.ok(['wait', '--condition', 'running', 'box']);
  await cli.ok(['exec', 'box', 'touch', '/end']);
  t.is(await cli.ok(['wait', 'box']), '1\n');
  t.is(await cli.ok(['inspect', '-f', '{{.HostConfig.RestartPolicy.Name}}', 'box']), 'no\n');
});

testWith(journeyNeeds, 'limits are kept, and said by name not to be applied', async (t) => {
  const cli = await openCliWithBusybox(t);
  const made = await cli.run([
    'create',
    '--name',
    'box',
    ...network,
    '-m',
    '64m',
    '--cpus',
    '1.5',
    'busybox',
  ]);
  t.is(made.code, 0);
  t.regex(made.stderr, /warning: limits not applied: --memory, --cpus: /);
  t.is(made.stderr.match(/not applied/g)?.length, 1);
  t.is((await cli.run(['update', '--pids-limit', '-1', 'box'])).code, 0);
  t.is(
    await cli.ok([
      ...['inspect', 'box', '-f'],
      '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}',
    ]),
    '67108864 1500000000 -1\n',
  );
  const required = await cli.run([
    'run',
    '--require-limits',
    '--memory',
    '1g',
    ...network,
    'busybox',
    'true',
  ]);
  t.is(required.code, 125);
  t.regex(required.stderr, /limit not applied: --memory/);
  for (const wrong of [
    ['--cpus', '0'],
    ['--memory', '5x'],
    ['--memory-swap', '5m'],
    ['--cpuset-cpus', 'a'],
  ]) {
    t.is((await cli.run(['create', ...wrong, ...network, 'busybox'])).code, 125, wrong.join(' '));
  }
  t.is((await cli.run(['update', 'box'])).code, 125);
  t.is(await cli.ok(['ps', '-aq', '--no-trunc']), await cli.ok(['inspect', '-f', '{{.Id}}', 'box']));
});
