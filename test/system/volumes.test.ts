/** Volumes as things of their own: made, told of, filled from tars, removed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';

const quiet = ['--rm', '--network', 'none'];

testWith(journeyNeeds, 'a volume is made, told of and removed, unless a container has it', async (t) => {
  const cli = await openCliWithBusybox(t);
  t.is(
    await cli.ok(['volume', 'create', '-l', 'a=b', '-o', 'uid=5', '-o', 'o=gid=6,mode=700', 'data']),
    'data\n',
  );
  t.is((await cli.run(['volume', 'create', 'data'])).code, 125);
  t.is(await cli.ok(['volume', 'create', '--ignore', 'data']), 'data\n');
  const nameless = (await cli.ok(['volume', 'create'])).trim();
  t.regex(nameless, /^[0-9a-f]{64}$/);
  const stat = await cli.ok(['run', ...quiet, '-v', 'data:/d', 'busybox', 'stat', '-c', '%u %g %a', '/d']);
  t.is(stat, '5 6 700\n');
  const inspect = ['volume', 'inspect', '-f', '{{.Name}} {{.Driver}} {{.Scope}} {{.Labels.a}} {{.UID}}'];
  t.is(await cli.ok([...inspect, 'dat']), 'data local local b 5\n');
  t.is(await cli.ok(['volume', 'ls', '-q', '--filter', 'anonymous=true']), `${nameless}\n`);
  t.is(await cli.ok(['volume', 'ls', '--format', '{{.Name}} {{.Label "a"}}', '-f', 'label=a']), 'data b\n');
  t.is((await cli.run(['volume', 'exists', 'data'])).code, 0);
  t.is((await cli.run(['volume', 'exists', 'dat'])).code, 1);
  t.is(await cli.ok(['__complete', 'volume', 'rm', 'dat']), 'data\n');
  t.is(await cli.ok(['__complete', 'run', '-v', 'dat']), 'data\n');

  await cli.ok(['create', '--name', 'user', '-v', 'data:/d', 'busybox', 'true']);
  t.is(await cli.ok(['volume', 'ls', '-q', '--filter', 'dangling=false']), 'data\n');
  const held = await cli.run(['volume', 'rm', 'data']);
  t.is(held.code, 2);
  t.regex(held.stderr, /used by user/);
  t.is(await cli.ok(['volume', 'prune', '-af']), `${nameless}\nTotal reclaimed space: 12.3kB\n`);
  t.is(await cli.ok(['volume', 'rm', '-f', 'data', 'none']), 'data\n');
  t.is((await cli.run(['container', 'exists', 'user'])).code, 1);
  t.is((await cli.run(['volume', 'rm', 'data'])).code, 1);
  const events = [
    'events',
    '--since',
    '1h',
    '--stream=false',
    '--filter',
    'volume=data',
    '--format',
    '{{.Status}}',
  ];
  t.is(await cli.ok(events), 'create\nremove\n');
});

testWith(journeyNeeds, 'prune leaves volumes that were named, and those that filters spare', async (t) => {
  const cli = await openCliWithBusybox(t);
  for (const words of [['one'], ['-l', 'keep', 'two'], []]) await cli.ok(['volume', 'create', ...words]);
  t.is((await cli.run(['volume', 'prune'])).code, 125);
  t.regex(await cli.ok(['volume', 'prune', '-f']), /^[0-9a-f]{64}\nTotal/);
  t.regex(await cli.ok(['volume', 'prune', '-af', '--filter', 'until=1h']), /^Total/);
  t.regex(
    await cli.ok(['volume', 'prune', '-f', '--filter', 'all=1', '--filter', 'label!=keep']),
    /^one\nTotal/,
  );
  t.is(await cli.ok(['volume', 'ls', '--noheading', '--format', '{{.Name}}']), 'two\n');
  t.regex(await cli.ok(['system', 'prune', '-f', '--volumes']), /Deleted Volumes\ntwo\n/);
});

testWith(journeyNeeds, 'a volume goes into a tar and comes out of it with its owners', async (t) => {
  const cli = await openCliWithBusybox(t);
  const fill =
    'mkdir /d/sub; echo text >/d/sub/file; ln -s ../x /d/sub/link; chown 33:7 /d /d/sub/file; chmod 2711 /d';
  await cli.ok(['run', ...quiet, '-v', 'old:/d', 'busybox', 'sh', '-c', fill]);
  const tar = join(cli.directory, 'old.tar');
  await cli.ok(['volume', 'export', '-o', tar, 'old']);
  await cli.ok(['volume', 'create', 'new']);
  await cli.ok(['volume', 'import', 'new', '-'], { input: readFileSync(tar) });
  const list = 'cd /d; stat -c "%n %u:%g %a" . sub/file; readlink sub/link; cat sub/file';
  t.is(
    await cli.ok(['run', ...quiet, '-v', 'new:/d', 'busybox', 'sh', '-c', list]),
    '. 33:7 2711\nsub/file 33:7 644\n../x\ntext\n',
  );
  t.not((await cli.run(['volume', 'import', 'none', tar])).code, 0);
});

testWith(journeyNeeds, 'S24: a tar that is imported stays inside of its volume', async (t) => {
  const cli = await openCliWithBusybox(t);
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'sentinel'), 'untouched');
  const hostile = makeTar([
    { name: 'way', type: 'symlink', link: outside },
    { name: 'way/sentinel', content: 'changed' },
    { name: 'up', type: 'symlink', link: '../..' },
    { name: 'up/_data/../volume.json', content: 'changed' },
  ]);
  await cli.ok(['volume', 'create', 'data']);
  const { code } = await cli.run(['volume', 'import', 'data', '-'], { input: hostile });
  t.not(code, 0);
  t.is(readFileSync(join(outside, 'sentinel'), 'utf8'), 'untouched');
  t.is(await cli.ok(['volume', 'inspect', '-f', '{{.Name}}', 'data']), 'data\n');
});

testWith(journeyNeeds, 'a volume can be a directory of this host, or memory', async (t) => {
  const cli = await openCliWithBusybox(t);
  const device = join(cli.directory, 'device');
  mkdirSync(device);
  writeFileSync(join(device, 'file'), 'outside\n');
  await cli.ok(['volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${device}`, 'bound']);
  t.is(await cli.ok(['run', ...quiet, '-v', 'bound:/etc', 'busybox', 'cat', '/etc/file']), 'outside\n');
  t.is(await cli.ok(['volume', 'mount', 'bound']), `${device}\n`);
  await cli.ok(['volume', 'rm', 'bound']);
  t.is(readFileSync(join(device, 'file'), 'utf8'), 'outside\n');
  await cli.ok(['volume', 'create', '-o', 'type=tmpfs', '-o', 'o=size=1m,mode=700', 'memory']);
  const look =
    'stat -f -c %T /m; stat -c %a /m; dd if=/dev/zero of=/m/big bs=1M count=2 2>&1 | grep -c space';
  t.is(await cli.ok(['run', ...quiet, '-v', 'memory:/m', 'busybox', 'sh', '-c', look]), 'tmpfs\n700\n1\n');
  const refused = await cli.run(['volume', 'create', '-o', 'size=1m', 'small']);
  t.is(refused.code, 125);
  t.regex(refused.stderr, /(no project quotas|root alone sets quotas)\nhint: /);
  t.is((await cli.run(['volume', 'exists', 'small'])).code, 1);
  const unmapped = await cli.run(['volume', 'create', '-o', 'uid=4000000000', 'small']);
  t.regex(unmapped.stderr, /containers have no uid 4000000000 here\nhint: /);
  t.deepEqual(readdirSync(join(cli.root, 'volumes')).sort(), ['memory']);
});
