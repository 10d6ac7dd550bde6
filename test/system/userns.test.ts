/** Ids, accounts, devices and settings of containers. */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const run = ['run', '--rm', '--network', 'none'];
const fuse = [missingProgram('fuse-overlayfs'), missingProgram('newuidmap'), missingDevice('/dev/fuse')];

testWith(
  [...journeyNeeds, ...fuse],
  'keep-id makes the caller itself, and the image stays as it is',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const shared = join(cli.directory, 'shared');
    mkdirSync(shared);
    const keep = [...run, '--userns', 'keep-id', '-v', `${shared}:/shared`];
    const { uid, gid, username } = userInfo();
    const look =
      'id -u; id -g; id -un; touch /shared/mine; stat -c "%u %g" /shared/mine /bin; touch /bin/x || echo no';
    const told = await cli.ok([...keep, 'busybox', 'sh', '-c', look]);
    t.is(told, `${uid}\n${gid}\n${username}\n${uid} ${gid}\n0 0\nno\n`);
    t.is(statSync(join(shared, 'mine')).uid, uid);
    const root = [
      '--name',
      'kept',
      '--network',
      'none',
      '--userns',
      'keep-id',
      '--user',
      '0',
      'busybox',
      'sh',
      '-c',
    ];
    await cli.ok(['run', ...root, 'touch /made /given; chown 7:8 /given; stat -c "%u %g" /made /given']);
    await cli.ok(['commit', 'kept', 'made']);
    t.is(await cli.ok([...run, 'made', 'stat', '-c', '%u %g', '/made', '/given']), '0 0\n7 8\n');
    t.is(
      await cli.ok([
        ...run,
        '--userns',
        'keep-id:uid=9,gid=0',
        '--user',
        '9',
        'made',
        'sh',
        '-c',
        'id -u; stat -c %u /given',
      ]),
      '9\n7\n',
    );
    t.is(await cli.ok([...run, '--userns', 'host', 'busybox', 'id', '-u']), '0\n');
  },
);

testWith([...journeyNeeds, ...fuse], 'a user namespace can be shared', async (t) => {
  const cli = await openCliWithBusybox(t);
  const space = 'readlink /proc/self/ns/user; cat /proc/self/uid_map; stat -c %u /bin';
  await cli.ok([
    'run',
    '-d',
    '--name',
    'web',
    '--network',
    'none',
    '--userns',
    'keep-id',
    'busybox',
    'sleep',
    '100',
  ]);
  const theirs = await cli.ok(['exec', 'web', 'sh', '-c', space]);
  t.is(await cli.ok([...run, '--userns', 'container:web', 'busybox', 'sh', '-c', space]), theirs);
  t.is(await cli.ok(['run', '--rm', '--network', 'container:web', 'busybox', 'sh', '-c', space]), theirs);
  const both = [...run, '--userns', 'keep-id', '--pid', 'container:web', 'busybox', 'true'];
  t.regex((await cli.run(both)).stderr, /use --userns with namespaces of another container/);
  const usual = [...run, '--userns', 'host', '--pid', 'container:web', 'busybox', 'true'];
  t.regex((await cli.run(usual)).stderr, /use --userns with namespaces of another container/);
  t.regex(
    (await cli.run([...run, '--userns', 'keep-id:uid=99999999', 'busybox'])).stderr,
    /id 99999999 is not among/,
  );
});

testWith(
  journeyNeeds,
  'the usual user namespace goes with namespaces of a container that has it',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['run', '-d', '--name', 'web', '--network', 'none', 'busybox', 'sleep', '100']);
    const space = ['busybox', 'readlink', '/proc/self/ns/user'];
    const theirs = await cli.ok(['exec', 'web', ...space.slice(1)]);
    for (const joined of [
      ['--network', 'container:web'],
      [...run.slice(2), '--ipc', 'container:web'],
    ]) {
      t.is(await cli.ok(['run', '--rm', '--userns', 'host', ...joined, ...space]), theirs, joined.join(' '));
    }
  },
);

testWith(journeyNeeds, 'a user that the image does not know has an account', async (t) => {
  const cli = await openCliWithBusybox(t);
  const who = ['busybox', 'sh', '-c', 'id -un; echo $HOME'];
  t.is(await cli.ok([...run, '--user', '4321', '-w', '/tmp', ...who]), '4321\n/tmp\n');
  const entry = ['--passwd-entry', 'joe:*:$UID:$GID:Joe:/home/joe:/bin/sh'];
  t.is(await cli.ok([...run, '--user', '4321', ...entry, ...who]), 'joe\n/home/joe\n');
  t.regex((await cli.run([...run, '--user', '4321', '--passwd=false', ...who])).stderr, /unknown/i);
  t.regex((await cli.run([...run, '--hostuser', 'nosuchuser', ...who])).stderr, /this host has no such user/);
  const known = await cli.ok([...run, '--hostuser', userInfo().username, 'busybox', 'cat', '/etc/passwd']);
  t.regex(known, new RegExp(`^${userInfo().username}:\\*:${userInfo().uid}:`, 'm'));
  const kept = await cli.ok([...run, '--group-add', 'keep-groups', '--user', '5', 'busybox', 'id', '-u']);
  t.is(kept, '5\n');
  t.regex(
    (await cli.run([...run, '--group-add', 'keep-groups', '--group-add', '5', 'busybox'])).stderr,
    /only alone/,
  );
});

testWith(journeyNeeds, 'devices are those of this host, and no more than the caller may have', async (t) => {
  const cli = await openCliWithBusybox(t);
  const seen = await cli.ok([
    ...run,
    '--device',
    '/dev/zero:/dev/mine',
    'busybox',
    'sh',
    '-c',
    'head -c 3 /dev/mine | wc -c',
  ]);
  t.is(seen, '3\n');
  writeFileSync(join(cli.directory, 'secret'), 'no device');
  for (const [flags, reason] of [
    [['--device', '/dev/nosuch'], /use device \/dev\/nosuch: no such device on this host/],
    [['--device', '/dev/zero:r'], /access cannot be limited to r/],
    [['--device', '/dev/zero:/etc/passwd'], /its place \/etc\/passwd is not below \/dev/],
    [['--device', join(cli.directory, 'secret')], /it is no device/],
    [['--device', 'vendor.com/card=0'], /nothing describes it/],
    [['--sysctl', 'kernel.hostname=x'], /set sysctl kernel.hostname: it is not of a namespace/],
    [['--tz', '../../etc/passwd'], /use time zone/],
    [['--security-opt', 'proc-opts=gid=1'], /procfs has no option gid=1/],
  ] as const) {
    const { code, stderr } = await cli.run([...run, ...flags, 'busybox', 'true']);
    t.is(code, 125);
    t.regex(stderr, reason);
  }
  const made = await cli.run([...run, 'busybox', 'mknod', '/dev/sda', 'b', '8', '0']);
  t.not(made.code, 0);
});

testWith(journeyNeeds, 'a description of devices adds them', async (t) => {
  const cli = await openCliWithBusybox(t);
  const containerEdits = {
    env: ['CARD=there'],
    deviceNodes: [{ path: '/dev/card0', hostPath: '/dev/zero' }],
    mounts: [{ hostPath: cli.directory, containerPath: '/vendor', options: ['ro'] }],
  };
  const description = {
    cdiVersion: '0.6.0',
    kind: 'vendor.com/card',
    devices: [{ name: 'a', containerEdits }],
  };
  const place = join(cli.directory, 'cdi');
  mkdirSync(place);
  writeFileSync(join(place, 'vendor.json'), JSON.stringify(description));
  const flags = ['--cdi-spec-dir', place, '--device', 'vendor.com/card=a'];
  const look =
    'echo $CARD; head -c 2 /dev/card0 | wc -c; ls /vendor/cdi; touch /vendor/x 2>/dev/null || echo ro';
  t.is(await cli.ok([...run, ...flags, 'busybox', 'sh', '-c', look]), 'there\n2\nvendor.json\nro\n');
});

testWith(journeyNeeds, 'procfs shows as little as asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  const options = ['--security-opt', 'proc-opts=hidepid=2,subset=pid', '--security-opt', 'label=disable'];
  const { stdout, stderr } = await cli.run([...run, ...options, 'busybox', 'ls', '/proc']);
  t.is(stdout, '1\nself\nthread-self\n');
  t.is(stderr, '');
});

testWith(journeyNeeds, 'what confines a process is what was asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  const told = (flags: readonly string[], script: string): Promise<string> =>
    cli.ok([...run, ...flags, 'busybox', 'sh', '-c', script]);
  const hidden = 'grep -c "^[^ ]* /proc/" /proc/mounts || true';
  t.not(await told([], hidden), '0\n');
  for (const option of ['unmask=ALL', 'unmask=/proc/*', 'systempaths=unconfined']) {
    t.is(await told(['--security-opt', option], hidden), '0\n', option);
  }
  const masked = ['--security-opt', 'mask=/tmp:/etc/hostname'];
  t.is(await told(masked, 'wc -c </etc/hostname; touch /tmp/x 2>/dev/null || echo closed'), '0\nclosed\n');
  const accounts = ['--security-opt', 'mask=/etc/passwd:/etc/group'];
  t.is(await told(accounts, 'wc -c </etc/passwd; wc -c </etc/group; id -u'), '0\n0\n0\n');
  t.is(await told([...accounts, '--user', 'root:root'], 'id -u; id -g'), '0\n0\n');
  await cli.ok([
    'run',
    '-d',
    '--name',
    'masked',
    '--network',
    'none',
    ...accounts,
    'busybox',
    'sleep',
    '100',
  ]);
  t.is(await cli.ok(['exec', 'masked', 'id', '-u']), '0\n');
  t.is(await cli.ok(['exec', '--user', '7', 'masked', 'id', '-u']), '7\n');
  t.regex((await cli.run(['exec', '--user', 'root', 'masked', 'id'])).stderr, /root: no such user/);
  t.is(await told(['--security-opt', 'label=type:spc_t'], 'echo taken'), 'taken\n');
  t.is(
    await told(['--security-opt', 'no-new-privileges'], 'grep NoNewPrivs /proc/self/status'),
    'NoNewPrivs:\t1\n',
  );
  t.is(
    await told(['--security-opt', 'seccomp=unconfined'], 'grep ^Seccomp: /proc/self/status'),
    'Seccomp:\t0\n',
  );
  const profile = join(cli.directory, 'profile.json');
  const refusal = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 };
  writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [refusal] }));
  t.is(
    await told(['--security-opt', `seccomp=${profile}`], 'mkdir /x 2>/dev/null || echo refused'),
    'refused\n',
  );
  t.is(await told(['--personality', 'LINUX32'], 'uname -m'), process.arch === 'x64' ? 'i686\n' : 'armv8l\n');
  t.is(await told(['--umask', '077'], 'touch /a; umask; stat -c %a /a'), '0077\n600\n');
  t.is(await told(['--group-entry', 'crew:x:$GID:', '--user', '7:8'], 'id -gn'), 'crew\n');
  t.regex((await cli.run([...run, '--security-opt', 'label=colour:red', 'busybox'])).stderr, /not supported/);
});
