/** User namespaces that are not the store's: allotted ids, ids by number, and those that have not the caller in them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const run = ['run', '--rm', '--network', 'none'];
const fuse = [missingProgram('fuse-overlayfs'), missingProgram('newuidmap'), missingDevice('/dev/fuse')];
const pasta = [missingProgram('pasta'), missingDevice('/dev/net/tun')];
const needs = [...journeyNeeds, ...fuse];
const map = ['cat', '/proc/self/uid_map'];

testWith(needs, 'auto gives ids that no other container has, also when many begin at once', async (t) => {
  const cli = await openCliWithBusybox(t);
  const names = Array.from({ length: 8 }, (_, index) => `c${index}`);
  const made = ['create', '--network', 'none', '--userns', 'auto:size=2000'];
  await Promise.all(names.map((name) => cli.ok([...made, '--name', name, 'busybox', ...map])));
  const starts = await Promise.all(
    names.map(async (name) => {
      const [inside, outside, size] = (await cli.ok(['start', '-a', name])).trim().split(/\s+/).map(Number);
      t.deepEqual([inside, size], [0, 2000]);
      return outside ?? 0;
    }),
  );
  const sorted = starts.sort((a, b) => a - b);
  t.deepEqual(
    sorted,
    names.map((_, index) => 1 + index * 2000),
  );
  await cli.ok(['rm', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6']);
  const again = await cli.ok([...run, '--userns', 'auto', 'busybox', ...map]);
  t.regex(again, /^\s*0\s+\d+\s+1024\n$/);
  const { code, stderr } = await cli.run([...run, '--userns', 'auto:size=99999999', 'busybox', 'true']);
  t.is(code, 125);
  t.regex(stderr, /no 99999999 ids are free/);
});

testWith(needs, 'files keep the owners of the image, and what is written can be committed', async (t) => {
  const cli = await openCliWithBusybox(t);
  const look = 'stat -c "%u %g" /bin /etc/passwd; touch /a /b; chown 7:8 /b; stat -c "%u %g" /a /b; id -u';
  const told = await cli.ok([
    'run',
    '--name',
    'first',
    '--network',
    'none',
    '--userns',
    'auto',
    'busybox',
    'sh',
    '-c',
    look,
  ]);
  t.is(told, '0 0\n0 0\n0 0\n7 8\n0\n');
  await cli.ok(['commit', 'first', 'made']);
  const owners = ['made', 'stat', '-c', '%u %g', '/a', '/b'];
  for (const userns of ['host', 'nomap', 'keep-id', 'auto:size=100']) {
    t.is(await cli.ok([...run, '--userns', userns, ...owners]), '0 0\n7 8\n', userns);
  }
  t.is(await cli.ok([...run, '--uidmap', '0:500:100', ...owners]), '0 0\n7 8\n');
});

testWith(needs, "a volume is the container's, whoever its root is outside", async (t) => {
  const cli = await openCliWithBusybox(t);
  const inside = ['--userns', 'auto', 'busybox', 'sh', '-c'];
  t.is(
    await cli.ok([...run, '-v', 'data:/etc', ...inside, 'stat -c %u /etc /etc/passwd; touch /etc/new']),
    '0\n0\n',
  );
  const user = [...run, '--user', '33', '-v', 'fresh:/fresh'];
  t.is(await cli.ok([...user, ...inside, 'touch /fresh/x; stat -c %u /fresh /fresh/x']), '33\n33\n');
  const mine = join(cli.directory, 'mine');
  mkdirSync(mine);
  writeFileSync(join(mine, 'file'), '');
  t.is(await cli.ok([...run, '-v', `${mine}:/mine`, ...inside, 'stat -c %u /mine']), '65534\n');
  t.is(await cli.ok([...run, '-v', `${mine}:/mine:U`, ...inside, 'stat -c %u /mine /mine/file']), '0\n0\n');
  t.not(statSync(mine).uid, process.getuid?.());
  await cli.ok(['unshare', 'chown', '-R', '0:0', mine]);
});

testWith(
  [...needs, ...pasta],
  'its network, its processes and its sessions are of that namespace',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const serve = 'echo there >index.html; exec httpd -f -p 80';
    await cli.ok([
      'run',
      '-d',
      '--name',
      'web',
      '--network',
      'pasta',
      '--userns',
      'auto',
      'busybox',
      'sh',
      '-c',
      serve,
    ]);
    const theirs = await cli.ok([
      'exec',
      'web',
      'sh',
      '-c',
      'readlink /proc/self/ns/user; cat /proc/self/uid_map',
    ]);
    const same = ['busybox', 'sh', '-c', 'readlink /proc/self/ns/user; cat /proc/self/uid_map'];
    t.is(await cli.ok([...run, '--userns', 'container:web', ...same]), theirs);
    t.is(await cli.ok(['run', '--rm', '--network', 'container:web', ...same]), theirs);
    const ask = 'until wget -q -O - http://127.0.0.1/; do sleep 0.1; done';
    t.is(await cli.ok(['run', '--rm', '--network', 'container:web', 'busybox', 'sh', '-c', ask]), 'there\n');
    t.regex(
      await cli.ok(['run', '--rm', '--pid', 'container:web', '--network', 'none', 'busybox', 'ps']),
      /httpd -f/,
    );
    const file = join(cli.directory, 'file');
    writeFileSync(file, 'x');
    await cli.ok(['cp', file, 'web:/file']);
    t.is(await cli.ok(['exec', 'web', 'stat', '-c', '%u', '/file']), '0\n');
    await cli.ok(['restart', '-t', '0', 'web']);
    t.is(
      await cli.ok(['exec', 'web', 'sh', '-c', 'cat /proc/self/uid_map']),
      theirs.split('\n').slice(1).join('\n'),
    );
    t.regex(await cli.ok(['top', 'web', 'user', 'args']), /root\s+httpd/);
    await cli.ok(['rm', '-f', '-t', '0', 'web']);
  },
);

testWith(needs, 'nomap and ids by number have what they say', async (t) => {
  const cli = await openCliWithBusybox(t);
  const told = async (...flags: string[]): Promise<string[]> =>
    (await cli.ok([...run, ...flags, 'busybox', ...map]))
      .trim()
      .split('\n')
      .map((line) => line.trim().replaceAll(/\s+/g, ':'));
  t.regex((await told('--userns', 'nomap')).join(), /^0:1:\d+$/);
  t.deepEqual(await told('--uidmap', '0:0:1', '--uidmap', '1:100:50'), ['0:0:1', '1:100:50']);
  t.deepEqual(await told('--uidmap', `0:@${process.getuid?.()}`), ['0:0:1']);
  t.regex((await told('--subuidname', process.env.USER ?? '')).join(), /^0:1:\d+$/);
  t.deepEqual((await told('--uidmap', '+33:0', '--uidmap', '+0:33')).slice(0, 1), ['0:33:1']);
  t.regex((await told('--uidmap', '+70000:5', '--user', '0')).join(), /^0:0:1,1:1:4,6:6:\d+,70000:5:1$/);
  t.deepEqual(await told('--userns', 'auto:size=10,uidmapping=5:0:1'), ['0:1:5', '5:0:1', '6:6:4']);
  for (const [flags, reason] of [
    [['--uidmap', '0:0', '--userns', 'nomap'], /only one of them at a time/],
    [['--uidmap', '5:0'], /uid 0 of the container is not mapped/],
    [['--uidmap', '0:@0'], /are not all yours/],
    [['--subuidname', 'nosuchuser'], /\/etc\/subuid has no range for it/],
    [['--userns', 'auto:big'], /"big" is not size=N/],
    [['--userns', 'ns:/proc/self/ns/user'], /not \/proc\/PID\/ns\/user/],
  ] as const) {
    const { code, stderr } = await cli.run([...run, ...flags, 'busybox', 'true']);
    t.is(code, 125);
    t.regex(stderr, reason);
  }
});

testWith(
  [...needs, missingProgram('unshare')],
  'a user namespace of another process can be used while it lives',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const holder = spawn(
      'unshare',
      ['--user', '--map-auto', '--map-root-user', 'sh', '-c', 'echo; exec sleep 100'],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    t.teardown(() => holder.kill());
    await once(holder.stdout, 'data');
    const path = `/proc/${holder.pid}/ns/user`;
    const made = ['create', '--name', 'guest', '--network', 'none', '--userns', `ns:${path}`, 'busybox'];
    await cli.ok([...made, 'sh', '-c', 'readlink /proc/self/ns/user; stat -c %u /bin']);
    const [space, owner] = (await cli.ok(['start', '-a', 'guest'])).split('\n');
    t.regex(space ?? '', /^user:/);
    t.is(owner, '0');
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const { stderr } = await cli.run(['start', '-a', 'guest']);
    t.regex(stderr, /the user namespace \/proc\/\d+\/ns\/user it was made for is gone/);
  },
);

testWith(
  needs,
  "mounted images have their owners too, and writes above a directory are the caller's",
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const below = join(cli.directory, 'below');
    mkdirSync(below);
    writeFileSync(join(below, 'file'), 'old');
    const image = ['--mount', 'type=image,src=busybox,dst=/i', '--mount', 'type=image,src=busybox,dst=/w,rw'];
    const look =
      'stat -c "%u %g" /i/bin /w/etc/passwd; touch /w/new; stat -c %u /w/new; touch /i/new 2>/dev/null || echo ro';
    for (const userns of ['host', 'keep-id', 'auto', 'nomap']) {
      const flags = [...run, '--userns', userns, '--user', '0', ...image];
      t.is(await cli.ok([...flags, 'busybox', 'sh', '-c', look]), '0 0\n0 0\n0\nro\n', userns);
    }
    const above = [
      '-v',
      `${below}:/o:O`,
      'busybox',
      'sh',
      '-c',
      'echo new >/o/file && touch /o/more; cat /o/file; ls /o',
    ];
    for (const driver of [[], ['--storage-driver', 'fuse-overlayfs']]) {
      t.is(await cli.ok([...driver, ...run, ...above]), 'new\nfile\nmore\n');
    }
    t.is(await cli.ok([...run, '--userns', 'keep-id', ...above]), 'new\nfile\nmore\n');
    t.is(readFileSync(join(below, 'file'), 'utf8'), 'old');
  },
);
