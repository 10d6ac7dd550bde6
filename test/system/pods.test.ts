/** Pods: what their containers share, and how they come and go together. */
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const pasta = [missingProgram('pasta'), missingDevice('/dev/net/tun')];
const serve = 'echo shared >index.html; httpd -f -p 80';

testWith(journeyNeeds, 'containers of a pod share its network, its memory and its name', async (t) => {
  const cli = await openCliWithBusybox(t);
  const id = (await cli.ok(['pod', 'create', '--network', 'none', '--label', 'a=b', 'shop'])).trim();
  t.regex(id, /^[0-9a-f]{64}$/);
  t.is(await cli.ok(['__complete', 'pod', 'stop', 's']), 'shop\n');
  t.is(
    await cli.ok(['pod', 'ps', '--format', '{{.Name}} {{.Status}} {{.NumberOfContainers}}']),
    'shop Created 1\n',
  );
  await cli.ok([
    'run',
    '-d',
    '--pod',
    'shop',
    '--name',
    'web',
    'busybox',
    'sh',
    '-c',
    `echo m >/dev/shm/m; ${serve}`,
  ]);
  const ask = 'until wget -q -O - http://127.0.0.1/; do sleep 0.1; done; cat /dev/shm/m; hostname';
  t.is(await cli.ok(['run', '--rm', '--pod', 'shop', 'busybox', 'sh', '-c', ask]), 'shared\nm\nshop\n');
  t.is(await cli.ok(['ps', '--format', '{{.Names}}']), 'web\n');
  const document = JSON.parse(await cli.ok(['pod', 'inspect', 'shop'])) as readonly Record<string, unknown>[];
  t.like(document[0], {
    Name: 'shop',
    State: 'Running',
    NumContainers: 2,
    SharedNamespaces: ['ipc', 'net', 'uts'],
  });
  for (const [flags, reason] of [
    [['-p', '80:80'], /use --publish in pod shop: it is the pod's/],
    [['--network', 'none'], /use --network in pod shop/],
    [['--hostname', 'x'], /use --hostname in pod shop/],
  ] as const) {
    const { code, stderr } = await cli.run(['run', '--rm', '--pod', 'shop', ...flags, 'busybox', 'true']);
    t.is(code, 125);
    t.regex(stderr, reason);
  }
  t.regex(
    (await cli.run(['run', '--rm', '--pod', 'nosuch', 'busybox', 'true'])).stderr,
    /find pod nosuch: no such pod/,
  );
});

testWith(journeyNeeds, "events of a pod are the pod's, and none of a container", async (t) => {
  const cli = await openCliWithBusybox(t);
  const events = async (filter: string): Promise<readonly string[]> => {
    const format = ['--format', '{{.Type}} {{.Status}} {{.Name}}'];
    const text = await cli.ok(['events', '--since', '1h', '--stream=false', '-f', filter, ...format]);
    return text.trim().split('\n');
  };
  await cli.ok(['pod', 'create', '--network', 'none', '--name', 'shop']);
  await cli.ok(['create', '--pod', 'shop', '--name', 'web', 'busybox', 'sleep', '1000']);
  await cli.ok(['pod', 'start', 'shop']);
  await cli.ok(['pod', 'stop', '-t', '0', 'shop']);
  await cli.ok(['pod', 'rm', 'shop']);
  const verbs = ['create', 'start', 'stop', 'remove'];
  t.deepEqual(
    await events('pod=shop'),
    verbs.map((verb) => `pod ${verb} shop`),
  );
  t.deepEqual(await events('container=shop'), ['']);
  const text = await cli.ok(['events', '--since', '1h', '--stream=false', '-f', 'pod=shop']);
  t.regex(text, / pod create [0-9a-f]{64} \(image=, name=shop\)\n/);
  t.true((await events('container=web')).includes('container start web'));
});

testWith(journeyNeeds, 'a pod starts, stops, pauses and goes as one', async (t) => {
  const cli = await openCliWithBusybox(t);
  const status = async (): Promise<string> => (await cli.ok(['pod', 'ps', '--format', '{{.Status}}'])).trim();
  await cli.ok(['pod', 'create', '--network', 'none', '--name', 'shop']);
  for (const name of ['a', 'b']) {
    await cli.ok([
      'create',
      '--pod',
      'shop',
      '--name',
      name,
      'busybox',
      'sh',
      '-c',
      `echo of ${name}; exec sleep 100`,
    ]);
  }
  await cli.ok(['pod', 'start', 'shop']);
  t.is(await status(), 'Running');
  t.is((await cli.ok(['pod', 'top', 'shop', 'args'])).trim(), 'COMMAND\nsleep 100\nsleep 100');
  await cli.ok(['pod', 'pause', 'shop']);
  t.is(await status(), 'Paused');
  await cli.ok(['pod', 'unpause', 'shop']);
  t.regex(await cli.ok(['pod', 'stats', '--no-stream', '--format', '{{.Name}}', 'shop']), /^(a\nb|b\na)\n$/);
  const kept = await cli.run(['pod', 'rm', 'shop']);
  t.is(kept.code, 2);
  t.regex(kept.stderr, /remove pod shop: a, b runs/);
  await cli.ok(['stop', '-t', '0', 'a']);
  t.is(await status(), 'Degraded');
  await cli.ok(['pod', 'restart', '-t', '0', 'shop']);
  t.is(await status(), 'Running');
  await cli.ok(['pod', 'stop', '-t', '0', 'shop']);
  t.is(await status(), 'Exited');
  await cli.ok(['container', 'prune', '--force', '--filter', 'label=none']);
  t.regex(await cli.ok(['pod', 'logs', '--names', 'shop']), /^[ab] of [ab]$/m);
  await cli.ok(['start', 'a']);
  t.is(await status(), 'Degraded', 'the start of a member starts what holds its namespaces');
  t.is(
    await cli.ok([
      'ps',
      '-a',
      '--filter',
      'pod=shop',
      '--format',
      '{{.Names}} {{.PodName}}',
      '--sort',
      'names',
    ]),
    'a shop\nb shop\n',
  );
  t.is(await cli.ok(['ps', '-aq', '--filter', 'pod=other']), '');
  t.regex(await cli.ok(['ps', '--pod']), /POD ID\s+PODNAME/);
  await cli.ok(['pod', 'start', 'shop']);
  await cli.ok(['pod', 'kill', 'shop']);
  await eventually(async () => ((await status()) === 'Exited' ? true : undefined));
  t.is((await cli.run(['pod', 'exists', 'shop'])).code, 0);
  await cli.ok(['pod', 'prune', '--force']);
  t.is((await cli.run(['pod', 'exists', 'shop'])).code, 1);
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith(journeyNeeds, 'a pod can share its processes, which its holder reaps', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['pod', 'create', '--network', 'none', '--share', 'pid,ipc', 'seen']);
  await cli.ok([
    'run',
    '-d',
    '--pod',
    'seen',
    '--name',
    'one',
    '--network',
    'none',
    'busybox',
    'sleep',
    '4321',
  ]);
  const zombies = 'cat /proc/[0-9]*/status | grep -c "State:.Z"';
  const look = `sh -c "sleep 0.1 & true"; sleep 0.5; ps | grep -c "[s]leep 4321"; ${zombies}; ls /proc/1/root/`;
  const { stdout } = await cli.run([
    'run',
    '--rm',
    '--pod',
    'seen',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    look,
  ]);
  t.is(stdout, '1\n0\n', 'one sees the other, nothing is left, and nothing is seen of the holder');
  await cli.ok(['pod', 'rm', '-f', '-t', '0', 'seen']);
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith([...journeyNeeds, ...pasta], 'ports are of the pod, also where a run makes it', async (t) => {
  const cli = await openCliWithBusybox(t);
  const made = ['run', '-d', '--pod', 'new:fresh', '--network', 'pasta', '-p', '127.0.0.1::80'];
  await cli.ok([...made, '--name', 'web', 'busybox', 'sh', '-c', serve]);
  const [document] = JSON.parse(await cli.ok(['pod', 'inspect', 'fresh'])) as readonly {
    readonly InfraConfig: { readonly PortBindings: Record<string, readonly { readonly HostPort: string }[]> };
  }[];
  const port = Number(document?.InfraConfig.PortBindings['80/tcp']?.[0]?.HostPort);
  const answer = await eventually(() => fetchRoot(port));
  t.regex(answer, /shared/);
  await cli.ok(['pod', 'rm', '-f', '-t', '0', 'fresh']);
});

testWith(journeyNeeds, 'a pod ends with its last member where it is to, however that one ends', async (t) => {
  const cli = await openCliWithBusybox(t);
  const status = async (): Promise<string> => (await cli.ok(['pod', 'ps', '--format', '{{.Status}}'])).trim();
  const ends = (): Promise<unknown> =>
    eventually(async () => ((await status()) === 'Exited' ? true : undefined));
  await cli.ok(['pod', 'create', '--network', 'none', '--exit-policy', 'stop', 'shop']);
  const member = ['run', '-d', '--pod', 'shop', '--name'];
  await cli.ok([...member, 'a', 'busybox', 'sleep', '1000']);
  await cli.ok([...member, 'b', 'busybox', 'sleep', '1000']);
  await cli.ok(['stop', '-t', '0', 'a']);
  t.is(await status(), 'Degraded');
  await cli.ok(['stop', '-t', '0', 'b']);
  await ends();
  await cli.ok(['start', 'a']);
  await cli.ok(['restart', '-t', '0', 'a']);
  t.is(await status(), 'Degraded');
  const [live] = JSON.parse(await cli.ok(['inspect', 'a'])) as readonly {
    readonly State: { readonly Pid: number };
  }[];
  const parent = parentOf(parentOf(live?.State.Pid ?? 0));
  process.kill(parent, 'SIGKILL');
  await ends();
  const [document] = JSON.parse(await cli.ok(['pod', 'inspect', 'shop'])) as readonly Record<
    string,
    unknown
  >[];
  t.is(document?.ExitPolicy, 'stop');
  await cli.ok(['pod', 'restart', '-t', '0', 'shop']);
  t.is(await status(), 'Running');
  await cli.ok(['pod', 'rm', '-f', '-t', '0', 'shop']);
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function fetchRoot(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = createConnection(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(text === '' ? undefined : text));
  });
}
