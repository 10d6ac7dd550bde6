/** What hostile images and containers try on the host; the numbers are those of the security requirements. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, repositoryRoot } from '../helpers/host.js';
import { loadImage, missingCompiler, probeFile, witnessLibrary } from '../helpers/hostile-image.js';
import { makeTar } from '../helpers/image.js';
import { openOuterShell } from '../terminal/outer-shell.js';

const compiled = [...journeyNeeds, missingCompiler()];
const quiet = ['--rm', '--network', 'none'];

testWith(compiled, 'S4: what a container types stays in its own terminal', async (t) => {
  const cli = openCli(t);
  await loadImage(cli, 'typist', [probeFile(cli)]);
  const shell = await openOuterShell(t, cli);
  const marks = ['t', 'it', 'i', 'none'].map((name) => join(cli.directory, `typed-${name}`));
  for (const [index, flags] of ['-t', '-it', '-i', ''].entries()) {
    shell.type(
      `coracle run --rm --network none ${flags} typist probe type 'touch ${marks[index]}' </dev/tty; echo "ended:$?:"`,
    );
    const text = await shell.waitFor(/ended:\d+:/);
    t.regex(text, /ended:0:/);
  }
  await shell.settings();
  t.deepEqual(marks.filter(existsSync), []);
  const seen = [...shell.text().matchAll(/terminals (\d+) typed/g)].map(([, count]) => count !== '0');
  t.deepEqual(seen, [true, true, false, false]);
});

testWith(
  [...compiled, missingProgram('xz')],
  'S5: nothing of an image runs outside of a container',
  async (t) => {
    const cli = openCli(t);
    const script = '#!/bin/sh\n: > /witness\nexit 0\n';
    const library = witnessLibrary(cli);
    const programs = [
      'xz',
      'unxz',
      'unpigz',
      'pigz',
      'gzip',
      'bzip2',
      'zstd',
      'tar',
      'newuidmap',
      'pasta',
      'node',
    ];
    const libraries = ['libnss_files.so.2', 'libnss_compat.so.2', 'libc.so.6', 'ld-linux-x86-64.so.2'];
    await loadImage(
      cli,
      'trap',
      [
        ...['lib', 'lib64', 'usr/lib', 'data'].map((name) => ({
          name,
          type: 'directory' as const,
          mode: 0o777,
        })),
        { name: 'etc/nsswitch.conf', content: 'passwd: files compat\ngroup: files compat\n' },
        { name: 'etc/ld.so.preload', content: '/lib/libnss_files.so.2\n' },
        ...['lib', 'lib64', 'usr/lib'].flatMap((place) =>
          libraries.map((name) => ({ name: `${place}/${name}`, content: library, mode: 0o755 })),
        ),
        ...programs.map((name) => ({ name: `usr/bin/${name}`, content: script, mode: 0o755 })),
        { name: 'data/kept', content: 'of the image' },
      ],
      { Env: ['PATH=/usr/bin:/bin'], Volumes: { '/data': {} } },
    );
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    const tar = makeTar([{ name: 'unpacked', content: 'x' }]);
    writeFileSync(join(context, 'plain'), tar);
    writeFileSync(join(context, 'a.tar.gz'), gzipSync(tar));
    await runProgram('xz', ['-k', '-S', '.tar.xz', 'plain'], { cwd: context });
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM localhost/trap\nADD a.tar.gz /gz/\nADD plain.tar.xz /xz/\nCOPY --chown=www:www plain /plain\nUSER www\nWORKDIR /made/here\nRUN test -f /gz/unpacked && test -f /xz/unpacked && id -un > /tmp/name\n',
    );
    await cli.ok(['build', '-q', '-t', 'trapped', context]);
    await cli.ok(['save', '-o', join(cli.directory, 'saved.tar'), 'trapped']);
    const check = 'cat /tmp/name /data/kept; test ! -e /witness && echo clean';
    await cli.ok(['run', '-d', '--name', 'box', '--network', 'none', '-u', 'www', 'trapped', 'sleep', '100']);
    t.is(await cli.ok(['exec', '-u', 'www:www', 'box', 'sh', '-c', check]), 'www\nof the imageclean\n');
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
    const native = join(repositoryRoot(), 'dist', 'native');
    const inside = readdirSync(native).filter(
      (name) => name.startsWith('coracle-') && !name.endsWith('.node'),
    );
    t.true(inside.length > 0);
    for (const name of inside)
      t.false(readFileSync(join(native, name)).includes('/ld-'), `${name} is static`);
  },
);

/** The errno of a call; EPERM (1) where nothing is said. 38 is ENOSYS. */
const expectedCalls: Readonly<Record<string, number>> = {
  'socket-1': 0,
  'socket-2': 0,
  'socket-10': 0,
  'socket-16': 0,
  getpid: 0,
  clone3: 38,
  'x32-mount': 38,
  'x32-getpid': 38,
};

testWith(compiled, 'S7: the calls that have broken kernels are refused in run, exec and RUN', async (t) => {
  const cli = openCli(t);
  await loadImage(cli, 'prober', [probeFile(cli)], { Cmd: ['probe', 'calls'] });
  await cli.ok(['run', '-d', '--name', 'box', '--network', 'none', 'prober', 'sleep', '100']);
  writeFileSync(
    join(cli.directory, 'Dockerfile'),
    'FROM localhost/prober\nRUN container=coracle probe calls > /calls\n',
  );
  await cli.ok(['build', '-q', '-t', 'probed', cli.directory]);
  const answers = {
    run: await cli.ok(['run', ...quiet, 'prober']),
    exec: await cli.ok(['exec', 'box', 'probe', 'calls']),
    build: await cli.ok(['run', ...quiet, 'probed', 'cat', '/calls']),
  };
  for (const [how, text] of Object.entries(answers)) {
    const lines = text.trim().split('\n');
    t.true(lines.length >= 35, how);
    const wrong = lines.filter((line) => {
      // A kernel without 32-bit calls ends whoever tries one: refused as well.
      if (/^i386-\S+ signal 11$/.test(line)) return false;
      const [name = '', code] = line.split(' ');
      return code !== `${expectedCalls[name] ?? 1}`;
    });
    t.deepEqual(wrong, [], how);
  }
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});

testWith(
  journeyNeeds,
  'S12: no id of the host that is not ours is mapped, and none is made up',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const map = await cli.ok(['run', ...quiet, 'busybox', 'cat', '/proc/self/uid_map']);
    const ranges = map
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    const own = process.getuid?.();
    t.deepEqual(ranges[0], [0, own, 1]);
    t.true(ranges.slice(1).every(([, host = 0]) => host > 0 && host !== own));
    const { code, stderr } = await cli.run(['run', ...quiet, 'busybox', 'chown', '4000000', '/tmp']);
    t.is(code, 1);
    t.regex(stderr, /Invalid argument/);
    const tar = join(cli.directory, 'far.tar');
    writeFileSync(tar, makeTar([{ name: 'far', uid: 2_000_000 }]));
    const imported = await cli.run(['import', tar, 'far']);
    t.is(imported.code, 125);
    t.regex(imported.stderr, /2000000/);
    t.notRegex(await cli.ok(['images']), /far/);
  },
);

testWith(
  journeyNeeds,
  'S16: the cgroups inside are read-only, of version 2, and begin at the container',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const script = `cat /proc/self/cgroup; grep -c ' - cgroup ' /proc/self/mountinfo
grep ' - cgroup2 ' /proc/self/mountinfo | cut -d' ' -f6 | cut -d, -f1
for f in cgroup.procs cgroup.subtree_control release_agent notify_on_release; do
  (echo 1 > /sys/fs/cgroup/$f) 2>/dev/null && echo wrote $f; done
mkdir /sys/fs/cgroup/mine 2>/dev/null && echo made; true`;
    const inside = await cli.ok(['run', ...quiet, 'busybox', 'sh', '-c', script]);
    t.regex(inside, /^0::\/$/m);
    t.regex(inside, /^0\nro\n$/m);
    t.notRegex(inside, /wrote|made/);
  },
);

testWith(
  journeyNeeds,
  'S27: another user of the host comes nowhere near the files of an image',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok([
      'run',
      '--name',
      'box',
      '--network',
      'none',
      'busybox',
      'sh',
      '-c',
      'cp /bin/busybox /s; chmod 4755 /s',
    ]);
    for (const path of [cli.root, cli.runtime]) t.is(statSync(path).mode & 0o7777, 0o700, path);
    await runProgram('chmod', ['755', cli.directory]);
    // A subordinate id is another user in the eyes of the kernel; the bind leaves the directories above out of it.
    const script = 'mount --bind "$1" /mnt && exec setpriv --reuid 5 --regid 5 --clear-groups ls /mnt';
    const look = (path: string) =>
      runProgram('unshare', [
        ...['--user', '--map-root-user', '--map-auto', '--mount'],
        ...['sh', '-c', script, 'sh', path],
      ]);
    t.regex((await look(cli.directory)).stdout, /home/);
    for (const path of [cli.root, cli.runtime]) {
      t.regex((await look(path)).stderr, /cannot open directory .*: Permission denied/, path);
    }
    await cli.ok(['rm', 'box']);
  },
);
