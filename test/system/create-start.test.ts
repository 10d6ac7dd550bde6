/** Containers made, started, restarted, renamed and attached to one step at a time. */
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];

testWith(journeyNeeds, 'a created container stays until it is started, also with --rm', async (t) => {
  const cli = await openCliWithBusybox(t);
  const id = (
    await cli.ok(['create', '--rm', '--name', 'job', ...network, 'busybox', 'sh', '-c', 'echo ran; exit 4'])
  ).trim();
  t.regex(id, /^[0-9a-f]{64}$/);
  t.is(await cli.ok(['ps', '-a', '--format', '{{.Names}} {{.Status}}']), 'job Created\n');
  const started = await cli.run(['start', '-a', 'job']);
  t.is(started.code, 4);
  t.is(started.stdout, 'ran\n');
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith(journeyNeeds, 'start -i feeds standard input, start -a leaves it alone', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['create', '-i', '--name', 'cat', ...network, 'busybox', 'cat']);
  const fed = await cli.run(['start', '-i', 'cat'], { input: 'words\n' });
  t.deepEqual([fed.code, fed.stdout], [0, 'words\n']);
  const client = cli.start(['start', '-a', 'cat']);
  client.stdin?.end('not for it\n');
  await eventually(async () => (await cli.ok(['ps', '-q'])) !== '' || undefined);
  t.is(await cli.ok(['stop', '-t', '0', 'cat']), 'cat\n');
  t.is(await cli.ok(['logs', 'cat']), 'words\n');
});

testWith(
  journeyNeeds,
  'several containers start in the background; one that runs is left alone',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    for (const name of ['one', 'two']) {
      await cli.ok(['create', '--name', name, '--label', 'boot', ...network, 'busybox', 'sleep', '100']);
    }
    t.is(await cli.ok(['start', 'one']), 'one\n');
    const id = await cli.ok(['inspect', '-f', '{{.Id}}', 'two']);
    t.is(await cli.ok(['start', '--filter', 'label=boot']), id);
    t.is(await cli.ok(['start', 'one', 'two']), 'one\ntwo\n');
    const refused = await cli.run(['start', '-a', 'one', 'two']);
    t.is(refused.code, 125);
    t.regex(refused.stderr, /only one container at a time/);
    t.is(await cli.ok(['kill', '--latest']), id);
    t.is((await cli.ok(['stop', '-t', '0', '--all'])).length, 65);
  },
);

testWith(journeyNeeds, 'restart gives a new process the same files', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = 'echo start >> /count; cat /count; exec sleep 100';
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sh', '-c', script]);
  await eventually(async () => (await cli.ok(['logs', 'box'])) === 'start\n' || undefined);
  t.is(await cli.ok(['restart', '-t', '0', 'box']), 'box\n');
  await eventually(async () => (await cli.ok(['logs', 'box'])) === 'start\nstart\nstart\n' || undefined);
  await cli.ok(['stop', '-t', '0', 'box']);
  t.is(await cli.ok(['restart', 'box']), 'box\n');
  t.is(await cli.ok(['ps', '--format', '{{.Names}} {{.State}}']), 'box running\n');
});

testWith(journeyNeeds, 'a container keeps everything under a new name', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'old', ...network, 'busybox', 'sleep', '100']);
  await cli.ok(['create', '--name', 'other', ...network, 'busybox', 'true']);
  t.is(await cli.ok(['rename', 'old', 'new']), '');
  t.is((await cli.run(['inspect', 'old'])).code, 125);
  t.is(await cli.ok(['exec', 'new', 'echo', 'alive']), 'alive\n');
  const taken = await cli.run(['rename', 'new', 'other']);
  t.is(taken.code, 125);
  t.regex(taken.stderr, /the name is used by/);
  t.is((await cli.run(['rename', 'new', 'bad/name'])).code, 125);
  await cli.ok(['run', '-d', '--name', 'old', ...network, 'busybox', 'true']);
  t.is(await cli.ok(['rm', '-f', 'new']), 'new\n');
});

testWith(journeyNeeds, '--replace removes the container that has the name', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sleep', '100']);
  const before = await cli.ok(['ps', '-q', '--no-trunc']);
  await cli.ok(['run', '-d', '--name', 'box', '--replace', ...network, 'busybox', 'sleep', '100']);
  t.not(await cli.ok(['ps', '-q', '--no-trunc']), before);
  const nameless = await cli.run(['create', '--replace', 'busybox']);
  t.deepEqual([nameless.code, nameless.stdout], [125, '']);
});

testWith(journeyNeeds, 'attach shows the output of a running container and ends with its code', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([
    'run',
    '-di',
    '--name',
    'box',
    ...network,
    'busybox',
    'sh',
    '-c',
    'read line; echo got $line; exit 3',
  ]);
  const attached = await cli.run(['attach', 'box'], { input: 'this\n' });
  t.deepEqual([attached.code, attached.stdout], [3, 'got this\n']);
  t.is((await cli.run(['attach', 'box'])).code, 125);
});

testWith(journeyNeeds, 'port tells where the host answers', async (t) => {
  const cli = await openCliWithBusybox(t);
  const publish = ['-p', '127.0.0.1:47080-47081:80-81', '-p', '127.0.0.1:47053:53/udp'];
  await cli.ok(['create', '--name', 'web', ...publish, 'busybox', 'true']);
  t.is(
    await cli.ok(['port', 'web']),
    '53/udp -> 127.0.0.1:47053\n80/tcp -> 127.0.0.1:47080\n81/tcp -> 127.0.0.1:47081\n',
  );
  t.is(await cli.ok(['port', 'web', '81']), '127.0.0.1:47081\n');
  t.is(await cli.ok(['port', 'web', '53/udp']), '127.0.0.1:47053\n');
  const missing = await cli.run(['port', 'web', '53']);
  t.is(missing.code, 125);
  t.regex(missing.stderr, /53\/tcp is not published/);
  t.is(await cli.ok(['port', '-l', '80/tcp']), '127.0.0.1:47080\n');
});
