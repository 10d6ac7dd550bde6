/** What commands and supervisors write into the journal, and what `events` shows of it. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];
const past = ['events', '--stream=false'];

testWith(journeyNeeds, 'the life of containers is told in order', async (t) => {
  const cli = await openCliWithBusybox(t);
  const told = async (...filters: string[]): Promise<string> =>
    cli.ok([...past, '--format', '{{.Status}}', ...filters.flatMap((filter) => ['--filter', filter])]);
  await cli.ok(['run', '--rm', '--name', 'short', '-l', 'a=b', ...network, 'busybox', 'true']);
  t.is(await told('container=short'), 'create\nattach\ninit\nstart\ndied\nremove\n');
  const check = ['--health-cmd', 'true', '--health-interval', '50ms'];
  await cli.ok(['run', '-d', '--name', 'box', ...check, ...network, 'busybox', 'sleep', '100']);
  await cli.ok(['wait', '--condition', 'healthy', 'box']);
  t.is((await cli.run(['exec', 'box', 'sh', '-c', 'exit 3'])).code, 3);
  for (const words of [['pause'], ['unpause'], ['rename'], ['kill', '-s', 'USR1'], ['stop', '-t', '0']]) {
    const [verb = '', ...rest] = words;
    await cli.ok([
      verb,
      ...rest,
      ...(verb === 'rename' ? ['box', 'crate'] : ['kill', 'stop'].includes(verb) ? ['crate'] : ['box']),
    ]);
  }
  await cli.ok(['start', 'crate']);
  // It runs: nothing happens, and nothing is told.
  await cli.ok(['start', 'crate']);
  await cli.ok(['rm', '-f', 'crate']);
  const before = 'create\ninit\nstart\nhealth_status\nexec\nexec_died\npause\nunpause\n';
  t.is(await told('container=box'), before);
  const after = 'rename\nkill\ndied\nstop\ncleanup\ninit\nstart\ndied\nstop\ncleanup\nremove\n';
  t.is((await told('container=crate')).replace('health_status\n', ''), after);
  t.is(await told('event=died', 'label=a=b'), 'died\n');
  const json = await cli.ok([...past, '--format', 'json', '--filter', 'event=exec_died']);
  const { ContainerExitCode, Type, Name, Image } = JSON.parse(json) as Record<string, unknown>;
  t.deepEqual([ContainerExitCode, Type, Name, Image], [3, 'container', 'box', 'localhost/busybox:latest']);
  t.regex(
    await cli.ok([...past, '--filter', 'event=health_status', '--filter', 'container=box']),
    /^2\d{3}-\d\d-\d\d [\d:.]+ \+0000 UTC container health_status [0-9a-f]{64} \(image=\S+, name=box, health_status=healthy\)\n$/,
  );
});

testWith(
  journeyNeeds,
  'a follower hears of images, volumes and secrets, and passes over what is torn',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const words: string[] = [];
    const follower = cli.start(['events', '--format', '{{.Type}} {{.Status}} {{.Name}}']);
    follower.stdout?.setEncoding('utf8').on('data', (text: string) => words.push(text));
    // It is there once it hears of something.
    await eventually(async () => {
      await cli.ok(['tag', 'busybox', 'seen']);
      return words.length > 0 || undefined;
    });
    appendFileSync(join(cli.root, 'events'), '\n{"time":"2026-01-');
    await cli.ok(['create', '--name', 'box', '-v', 'data:/d', ...network, 'busybox']);
    await cli.ok(['start', '-a', 'box']);
    await cli.ok(['commit', 'box', 'made']);
    await cli.ok(['rm', 'box']);
    await cli.ok(['rmi', 'made']);
    await cli.ok(['secret', 'create', 'word', '-'], { input: 'x' });
    await cli.ok(['secret', 'rm', 'word']);
    await eventually(async () => words.join('').includes('secret remove word') || undefined);
    const lines = words
      .join('')
      .split('\n')
      .filter((line) => line !== '' && !line.endsWith('seen:latest'));
    t.deepEqual(lines, [
      'container create box',
      'volume create data',
      'container attach box',
      'container init box',
      'container start box',
      'container died box',
      'container cleanup box',
      'container commit box',
      'container remove box',
      'image untag localhost/made:latest',
      'image remove ',
      'secret create word',
      'secret remove word',
    ]);
    follower.kill('SIGINT');
    const code = await new Promise((resolve) => follower.on('exit', resolve));
    t.is(code, 130);
    t.is(await cli.ok(['events', '--until', '200ms', '--filter', 'type=image']), '');
    t.is(
      (await cli.ok([...past, '--since', '1h', '--filter', 'event=import', '--format', '{{.Name}}'])).trim(),
      'localhost/busybox:latest',
    );
    t.is((await cli.run(['events', '--filter', 'colour=red'])).code, 125);
  },
);
