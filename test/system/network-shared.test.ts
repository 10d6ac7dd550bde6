/** Containers on the network of another one, and what stands in their hosts and resolver files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { fetchText } from '../helpers/web.js';

const pasta = [missingProgram('pasta'), missingDevice('/dev/net/tun')];

testWith(journeyNeeds, 'containers of one network reach each other by the loopback', async (t) => {
  const cli = await openCliWithBusybox(t);
  const serve = 'echo shared >index.html; httpd -p 127.0.0.1:80; echo ready; sleep 100';
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'none', 'busybox', 'sh', '-c', serve]);
  const ask = 'until wget -q -O - http://127.0.0.1/; do sleep 0.1; done';
  const guest = ['--network', 'container:web', 'busybox', 'sh', '-c'];
  t.is(await cli.ok(['run', '--rm', ...guest, ask]), 'shared\n');
  const spaces = 'readlink /proc/self/ns/net; readlink /proc/self/ns/pid';
  const theirs = await cli.ok(['run', '--rm', ...guest, spaces]);
  const own = await cli.ok(['exec', 'web', 'sh', '-c', spaces]);
  t.is(theirs.split('\n')[0], own.split('\n')[0]);
  t.not(theirs.split('\n')[1], own.split('\n')[1]);
});

testWith([...journeyNeeds, ...pasta], 'the files of names are those of the network', async (t) => {
  const cli = await openCliWithBusybox(t);
  const names = ['--add-host', 'db;cache:10.9.9.9', '--dns', '10.1.2.3'];
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'pasta', ...names, 'busybox', 'sleep', '100']);
  const shown = 'cat /etc/hosts /etc/resolv.conf';
  const guest = ['run', '--rm', '--network', 'container:web', 'busybox', 'sh', '-c', shown];
  const text = await cli.ok(guest);
  t.is(text, await cli.ok(['exec', 'web', 'sh', '-c', shown]));
  t.regex(text, /^10\.9\.9\.9\tdb$/m);
  t.regex(text, /^10\.9\.9\.9\tcache$/m);
  t.regex(text, /\thost\.containers\.internal host\.docker\.internal$/m);
  t.regex(text, /^nameserver 10\.1\.2\.3$/m);
});

testWith([...journeyNeeds, ...pasta], 'pasta is started with the options that are given', async (t) => {
  const cli = await openCliWithBusybox(t);
  const options = 'pasta:-4,-a,10.77.0.5,-n,24,-g,10.77.0.1,--ns-ifname,net7,-m,1400';
  const serve = 'echo here >index.html; httpd -f -p 80';
  const run = ['run', '-d', '--name', 'web', '--network', options, '-p', '127.0.0.1::80', 'busybox'];
  await cli.ok([...run, 'sh', '-c', serve]);
  for (let again = 0; again < 2; again++) {
    t.regex(await cli.ok(['exec', 'web', 'ip', 'addr']), /net7: .*mtu 1400[\s\S]*inet 10\.77\.0\.5\/24/);
    t.regex(await cli.ok(['exec', 'web', 'cat', '/etc/hosts']), /^10\.77\.0\.5\t/m);
    const port = (await cli.ok(['port', 'web', '80'])).trim();
    const page = await eventually(() => fetchText(`http://${port}/`));
    t.is(page, 'here\n');
    await cli.ok(['restart', '-t', '0', 'web']);
  }
});

testWith(journeyNeeds, 'a shared network needs its owner, and the owner waits for its guests', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'none', 'busybox', 'sleep', '100']);
  await cli.ok(['create', '--name', 'guest', '--network', 'container:web', 'busybox', 'echo', 'hello']);
  t.is((await cli.run(['start', '-a', 'guest'])).stdout, 'hello\n');
  await cli.ok(['stop', '-t', '0', 'web']);
  const refused = await cli.run(['start', 'guest']);
  t.not(refused.code, 0);
  t.regex(refused.stderr, /start container guest: web, whose network it uses, does not run/);
  const kept = await cli.run(['rm', 'web']);
  t.regex(kept.stderr, /remove container web: its network is used by guest/);
  await cli.ok(['rm', 'guest']);
  await cli.ok(['rm', 'web']);
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'none', 'busybox', 'sleep', '100']);
  for (const name of ['one', 'two'])
    await cli.ok(['run', '-d', '--name', name, '--network', 'container:web', 'busybox', 'sleep', '100']);
  t.is((await cli.run(['rm', '--depend', 'web'])).code, 2);
  t.deepEqual((await cli.ok(['rm', '-f', '--depend', 'web'])).trim().split('\n').sort(), [
    'one',
    'two',
    'web',
  ]);
  t.is(await cli.ok(['ps', '-aq']), '');
  await cli.ok(['run', '-d', '--name', 'web', '--network', 'none', 'busybox', 'true']);
  for (const [flags, reason] of [
    [['-p', '80:80'], /use --publish: not possible with --network container:web/],
    [['--dns', '1.1.1.1'], /use --dns: not possible/],
    [['--add-host', 'a:1.1.1.1'], /use --add-host: not possible/],
  ] as const) {
    const { code, stderr } = await cli.run(['run', '--network', 'container:web', ...flags, 'busybox']);
    t.is(code, 125);
    t.regex(stderr, reason);
  }
});

const hostsOfImage = `FROM busybox
COPY hosts-of-image /etc/hosts
`;

testWith(journeyNeeds, "a file of hosts comes first, and the image's own files can stay", async (t) => {
  const cli = await openCliWithBusybox(t);
  const file = join(cli.directory, 'hosts');
  writeFileSync(file, '10.7.7.7\tfrom-file');
  const run = ['run', '--rm', '--network', 'none'];
  const text = await cli.ok([...run, '--hosts-file', file, 'busybox', 'cat', '/etc/hosts']);
  t.regex(text, /^10\.7\.7\.7\tfrom-file\n127\.0\.0\.1\tlocalhost/);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), hostsOfImage);
  writeFileSync(join(context, 'hosts-of-image'), '10.8.8.8\tfrom-image\n');
  await cli.ok(['build', '-q', '-t', 'known', context]);
  const own = await cli.ok([...run, '--hosts-file', 'image', 'known', 'cat', '/etc/hosts']);
  t.regex(own, /^10\.8\.8\.8\tfrom-image\n127\.0\.0\.1\tlocalhost/);
  t.regex(await cli.ok([...run, '--hosts-file', 'image', 'busybox', 'cat', '/etc/hosts']), /^127\.0\.0\.1\t/);
  const pod = await cli.run(['pod', 'create', '--hosts-file', 'image']);
  t.is(pod.code, 125);
  t.regex(pod.stderr, /use --hosts-file image: a pod has no image\nhint: /);
  const left = ['--no-hosts', '--no-hostname', '--dns', 'none'];
  const found =
    'grep -c " /etc/" /proc/self/mountinfo; ls /etc/hosts /etc/hostname /etc/resolv.conf 2>&1 | wc -l';
  t.is((await cli.ok([...run, ...left, 'busybox', 'sh', '-c', found])).split('\n')[0], '0');
  const host = await cli.ok(['run', '--rm', '--network', 'host', 'busybox', 'cat', '/etc/hosts']);
  t.is(
    host,
    `${readFileSync('/etc/hosts', 'utf8').replace(/\n?$/, '\n')}127.0.0.1\thost.containers.internal\n127.0.0.1\thost.docker.internal\n`,
  );
  const both = await cli.run([...run, '--no-hosts', '--add-host', 'a:1.1.1.1', 'busybox']);
  t.regex(both.stderr, /use --no-hosts with --add-host: only one of them/);
});
