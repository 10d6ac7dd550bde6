/** What `-v`, `--mount`, `--tmpfs` and their kin mount, and what they do to it. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../../lib/native/addon.js';
import { journeyNeeds } from '../helpers/busybox.js';
import { type Cli, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram, repositoryRoot } from '../helpers/host.js';
import { type TarEntry, writeBusyboxTar } from '../helpers/image.js';

const quiet = ['--rm', '--network', 'none'];

const files: readonly TarEntry[] = [
  { name: 'data', type: 'directory', mode: 0o2750, uid: 33, gid: 7 },
  { name: 'data/file', content: 'text\n', uid: 33, gid: 7, mode: 0o640 },
  { name: 'data/same', type: 'hardlink', link: 'data/file' },
  { name: 'data/link', type: 'symlink', link: '/etc/passwd' },
  { name: 'data/fifo', type: 'fifo', mode: 0o600 },
  { name: 'data/sub', type: 'directory', uid: 5, mode: 0o711 },
  { name: 'data/sub/big', content: 'x'.repeat(100_000) },
];

const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: journeyNeeds },
];

type Tool = {
  readonly cli: Cli;
  /** Runs a shell script in a container of the image, or of another one that is named first. */
  readonly sh: (words: readonly string[], script: string, image?: string) => Promise<string>;
};

async function openTool(cli: Cli, driver: string): Promise<Tool> {
  const tar = writeBusyboxTar(join(cli.directory, 'files.tar'), files);
  await cli.ok(['import', tar, 'files']);
  await cli.ok(['import', '-c', 'VOLUME /data', tar, 'with-volume']);
  const run = ['--storage-driver', driver, 'run', ...quiet];
  return {
    cli,
    sh: (words, script, image = 'files') => cli.ok([...run, ...words, image, 'sh', '-c', script]),
  };
}

for (const { driver, missing } of drivers) {
  testWith(missing, `${driver}: a volume is filled at its first use, as the image has it`, async (t) => {
    const { cli, sh } = await openTool(openCli(t), driver);
    const list =
      'cd /data; stat -c "%n %u:%g %a %h" . * sub/big; readlink link; cat same | wc -c; wc -c <sub/big';
    const expected = [
      ['. 33:7 2750 3', 'fifo 0:0 600 1', 'file 33:7 640 2', 'link 0:0 777 1', 'same 33:7 640 2'],
      ['sub 5:0 711 2', 'sub/big 0:0 644 1', '/etc/passwd', '5', '100000', ''],
    ].flat();
    t.is(await sh(['-v', 'filled:/data'], list), expected.join('\n'));
    t.is(await sh([], list, 'with-volume'), expected.join('\n'));
    await sh(['-v', 'filled:/data'], 'rm -r /data/sub; echo changed >/data/file');
    t.is(await sh(['-v', 'filled:/data'], 'ls /data; cat /data/same'), 'fifo\nfile\nlink\nsame\nchanged\n');
    t.is(await sh(['-v', 'bare:/data:nocopy'], 'ls -A /data'), '');
    t.is(await sh(['--mount', 'src=other,dst=/data,volume-nocopy'], 'ls -A /data'), '');
    const own = ['-u', '33:7', '-v', 'own:/nothing/there'];
    t.is(await sh(own, 'stat -c "%u:%g %a" /nothing/there; touch /nothing/there/x'), '33:7 755\n');
    await cli.ok(['volume', 'create', '-o', 'o=uid=9,mode=700', 'kept']);
    t.is(await sh(['-v', 'kept:/data'], 'stat -c "%u:%g %a" /data; ls /data | wc -l'), '9:0 700\n5\n');
  });

  testWith(missing, `${driver}: an image is mounted, for reading unless it is asked for`, async (t) => {
    const { cli, sh } = await openTool(openCli(t), driver);
    const look = 'cat /i/data/file; touch /i/x 2>/dev/null || echo no';
    t.is(await sh(['--mount', 'type=image,src=files,dst=/i'], look), 'text\nno\n');
    const writable = ['--mount', 'type=image,src=files,dst=/i,rw=true'];
    t.is(
      await sh(writable, 'rm -r /i/data; echo >/i/x; ls /i | tr "\n" " "; ls -d /data'),
      'bin dev etc home proc root sys tmp usr var x /data\n',
    );
    t.is(await sh(['--mount', 'type=image,src=files,dst=/i,subpath=data/sub'], 'ls /i'), 'big\n');
    const create = ['create', '--name', 'holder', ...writable];
    await cli.ok(['--storage-driver', driver, ...create, 'with-volume', 'sh', '-c', 'ls /i; touch /i/again']);
    t.not((await cli.run(['rmi', 'files'])).code, 0);
    await cli.ok(['image', 'prune', '-af']);
    t.regex(await cli.ok(['start', '-a', 'holder']), /^bin\n(?!.*again)/s);
    t.regex(await cli.ok(['start', '-a', 'holder']), /^again\nbin\n/);
    t.not(
      (await cli.run(['run', ...quiet, '--mount', 'type=image,src=none:1,dst=/i', '--pull=never', 'files']))
        .code,
      0,
    );
  });
}

testWith(journeyNeeds, 'a source is given to the user of the process', async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  const source = join(cli.directory, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'sub', 'file'), '');
  symlinkSync('/etc/passwd', join(source, 'link'));
  const owners = 'stat -c %u:%g /s /s/sub/file /s/link /etc/passwd';
  t.is(await sh(['-u', 'www', '-v', `${source}:/s:U`], owners), '33:33\n33:33\n33:33\n0:0\n');
  const readonly = await sh(['-v', `${source}:/s:U,ro`], `${owners}; touch /s/x 2>&1 | grep -c Read-only`);
  t.is(readonly, '0:0\n0:0\n0:0\n0:0\n1\n');
  t.is(await sh(['-u', '5:6', '-v', 'vol:/data:U'], 'stat -c %u:%g /data /data/sub/big'), '5:6\n5:6\n');
  t.is(await sh(['-u', '5:6', '--tmpfs', '/data:U'], 'stat -c %u:%g /data /data/file'), '5:6\n5:6\n');
});

testWith(journeyNeeds, 'a source below a directory for writes stays as it is', async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  const [source, upper, work] = ['source', 'upper', 'work'].map((name) => join(cli.directory, name));
  for (const path of [source, upper, work]) mkdirSync(path ?? '');
  writeFileSync(join(source ?? '', 'file'), 'kept');
  const change = 'echo changed >/s/file; touch /s/new; ls /s | wc -l; cat /s/file';
  t.is(await sh(['-v', `${source}:/s:O`], change), '2\nchanged\n');
  t.is(readFileSync(join(source ?? '', 'file'), 'utf8'), 'kept');
  t.is(await sh(['-v', `${source}:/s:O`], 'ls /s; cat /s/file'), 'file\nkept');
  await sh(['-v', `${source}:/s:O,upperdir=${upper},workdir=${work}`], change);
  t.deepEqual(readdirSync(upper ?? '').sort(), ['file', 'new']);
  await cli.ok(['volume', 'create', 'vol']);
  t.is(await sh(['-v', 'vol:/v:O'], 'touch /v/x; ls /v'), 'x\n');
  t.is(await sh(['-v', 'vol:/v'], 'ls /v'), '');
  const copied = ['--storage-driver', 'copy', 'run', ...quiet, '-v', `${source}:/s:O`, 'files', 'true'];
  const refused = await cli.run(copied);
  t.is(refused.code, 125);
  t.regex(refused.stderr, /needs an overlay\nhint: /);
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith(journeyNeeds, 'options of binds are what the kernel then says', async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  const source = join(cli.directory, 'source');
  mkdirSync(source);
  const flags = async (...words: string[]): Promise<string> =>
    /^\S+ on \/s type \S+ \(([^)]*)\)/m.exec(await sh(words, 'mount'))?.[1] ?? '';
  t.regex(await flags('-v', `${source}:/s`), /^rw,nosuid,nodev,(?!.*noexec)/);
  t.regex(await flags('-v', `${source}:/s:ro,noexec,suid,dev`), /^ro,(?!.*(nosuid|nodev)).*noexec/);
  t.regex(await flags('-v', 'vol:/s:noexec,ro'), /^ro,nosuid,nodev,noexec/);
  t.regex(await flags('--mount', `type=bind,src=${source},dst=/s,bind-nonrecursive`), /^rw,nosuid/);
  t.regex(await flags('--mount', 'type=ramfs,dst=/s,mode=700'), /^rw,nosuid,nodev,relatime,mode=700/);
  t.regex(
    await flags('--tmpfs', '/s:size=1m,nr_inodes=50,noatime'),
    /nosuid,nodev,noexec,noatime,size=1024k,nr_inodes=50/,
  );
  t.regex(await flags('--mount', 'type=devpts,dst=/s,mode=620,max=3'), /nosuid,noexec,.*mode=620,.*max=3/);
  t.is(await sh(['--tmpfs', '/t:uid=5,gid=6,mode=750'], 'stat -c "%u:%g %a" /t'), '5:6 750\n');
  for (const name of ['1.conf', '2.conf', '3.txt']) writeFileSync(join(source, name), '');
  t.is(await sh(['--mount', `type=glob,src=${source}/*.conf,dst=/g`], 'ls /g'), '1.conf\n2.conf\n');
  t.is(await sh(['-v', `${source}:/s:z`, '-v', `${source}:/z:Z`], 'ls /s | wc -l'), '3\n');
  const locked = await cli.run(['run', ...quiet, '-v', '/:/s:bind', 'files', 'true']);
  t.is(locked.code, 125);
  t.regex(locked.stderr, /other mounts below it/);
  const missing = await cli.run(['run', ...quiet, '-v', 'none:/s:nocreate', 'files', 'true']);
  t.is(missing.code, 125);
  t.regex(missing.stderr, /mount volume none: no such volume/);
  t.is((await cli.run(['volume', 'exists', 'none'])).code, 1);
});

testWith(journeyNeeds, "a container gets another's volumes, and those last as long as either", async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  const source = join(cli.directory, 'source');
  mkdirSync(source);
  const keep = ['run', '-d', '--rm', '--network', 'none'];
  const first = ['--name', 'first', '-v', `${source}:/b:ro`, '-v', 'named:/n', 'with-volume', 'sleep', '100'];
  await cli.ok([...keep, ...first]);
  const look = 'touch /data/new /n/new; touch /b/x 2>&1 | grep -c Read-only; ls /data | wc -l';
  t.is(await sh(['--volumes-from', 'first'], look), '1\n6\n');
  t.is(await cli.ok(['exec', 'first', 'ls', '/n', '/data/new']), '/data/new\n\n/n:\nnew\n');
  const readonly = ['--volumes-from', 'first:ro', '-v', 'other:/n'];
  t.is(await sh(readonly, 'touch /n/x; ls /n; touch /data/y 2>&1 | grep -c Read-only'), 'x\n1\n');
  await cli.ok([...keep, '--name', 'second', '--volumes-from', 'first', 'files', 'sleep', '100']);
  await cli.ok(['stop', '-t', '0', 'first']);
  t.is(await cli.ok(['exec', 'second', 'ls', '/data/new']), '/data/new\n');
  t.is((await cli.ok(['volume', 'ls', '-q', '-f', 'anonymous=true'])).length, 65);
  await cli.ok(['rm', '-f', '-v', '-t', '0', 'second']);
  await cli.ok(['ps', '-a']);
  t.is(await cli.ok(['volume', 'ls', '-q']), 'named\nother\n');
  t.not((await cli.run(['run', ...quiet, '--volumes-from', 'first', 'files', 'true'])).code, 0);
});

testWith(
  journeyNeeds,
  "the image's volumes are what is asked for, and a sealed root has no place to write",
  async (t) => {
    const { cli, sh } = await openTool(openCli(t), 'overlay');
    const kind = (name: string): Promise<string> =>
      sh(
        ['--image-volume', name],
        'stat -f -c %T /data; ls /data | wc -l; mount | grep -c " /data "',
        'with-volume',
      );
    t.regex(await kind('bind'), /^(?!tmpfs).*\n5\n1\n$/);
    t.is(await kind('tmpfs'), 'tmpfs\n5\n1\n');
    t.regex(
      await sh(
        ['--image-volume', 'ignore'],
        'mount | grep -c " /data "; ls /data | wc -l',
        'with-volume',
      ).catch(String),
      /\n5\n|0\n5/,
    );
    const places = '/tmp /run /var/tmp /dev/shm /dev';
    const write = `for d in ${places}; do touch $d/x 2>/dev/null && echo $d; done; echo >/dev/null; true`;
    t.is(await sh(['--read-only'], write), '/tmp\n/run\n/var/tmp\n/dev/shm\n/dev\n');
    t.is(await sh(['--read-only', '--read-only-tmpfs=false'], write), '');
    t.is(await sh(['--read-only', '--read-only-tmpfs=false', '--tmpfs', '/tmp'], write), '/tmp\n');
    const terminal = ['run', '-t', ...quiet, '--read-only', '--read-only-tmpfs=false', 'files', 'tty'];
    t.regex(await cli.ok(terminal), /\/dev\/pts\/0/);
  },
);

testWith(
  journeyNeeds,
  'S17: a part of a volume is found inside of it, wherever its links lead',
  async (t) => {
    const { cli, sh } = await openTool(openCli(t), 'overlay');
    const make =
      'mkdir -p /v/a/b; echo in >/v/a/b/file; ln -s a/b /v/good; ln -s / /v/root; ln -s ../../../../../../etc /v/up; ln -s /proc/self/root /v/proc; echo f >/v/file';
    await sh(['-v', 'vol:/v'], make);
    const part = (path: string): readonly string[] => ['--mount', `src=vol,dst=/x,volume-subpath=${path}`];
    t.is(await sh(part('a/b'), 'cat /x/file'), 'in\n');
    t.is(await sh(part('good'), 'cat /x/file'), 'in\n');
    t.is(await sh(part('file'), 'cat /x'), 'f\n');
    t.is(await sh(part('root'), 'ls /x'), 'a\nfile\ngood\nproc\nroot\nup\n');
    for (const path of ['up', 'proc', 'up/passwd', 'missing']) {
      const { code, stderr } = await cli.run(['run', ...quiet, ...part(path), 'files', 'ls', '/x']);
      t.is(code, 125, path);
      t.regex(stderr, /coracle: mount .*: (no such file|not a directory|symbolic link loop)/, path);
    }
  },
);

testWith(journeyNeeds, 'S20: hostile content at a destination leads nobody out', async (t) => {
  const { cli } = await openTool(openCli(t), 'overlay');
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'of the host');
  const tar = writeBusyboxTar(join(cli.directory, 'hostile.tar'), [
    { name: 'out', type: 'symlink', link: outside },
    { name: 'loop', type: 'symlink', link: 'loop' },
    { name: 'back', type: 'symlink', link: '/proc/self/cwd' },
    { name: 'tree', type: 'directory' },
    { name: 'tree/out', type: 'symlink', link: outside },
    { name: 'tree/passwd', type: 'symlink', link: '../../../../../../etc/passwd' },
  ]);
  await cli.ok(['import', tar, 'hostile']);
  await cli.ok(['import', '-c', 'VOLUME /out', tar, 'hostile-volume']);
  // The link names a place of the container, which is made there.
  const filled = [
    'run',
    ...quiet,
    '-v',
    'one:/out',
    'hostile',
    'sh',
    '-c',
    'ls -A /out/; echo in >/out/made',
  ];
  t.is(await cli.ok(filled), '');
  t.is(await cli.ok(['run', ...quiet, 'hostile-volume', 'ls', '-A', '/out/']), '');
  t.is(await cli.ok(['run', ...quiet, '--tmpfs', '/out', 'hostile', 'ls', '-A', '/out/']), '');
  t.deepEqual(readdirSync(outside), ['secret']);
  for (const destination of ['/loop', '/back/x/../..']) {
    const { code } = await cli.run(['run', ...quiet, '-v', `two:${destination}`, 'hostile', 'true']);
    t.is(code, 125, destination);
  }
  // Links are copied as links, not as what they name.
  const copied = [
    'run',
    ...quiet,
    '-v',
    'three:/tree',
    'hostile',
    'sh',
    '-c',
    'readlink /tree/out; readlink /tree/passwd',
  ];
  t.is(await cli.ok(copied), `${outside}\n../../../../../../etc/passwd\n`);
  const exported = await cli.ok(['volume', 'export', 'three']);
  t.false(exported.includes('of the host') || exported.includes('root:x:0'));
});

testWith(journeyNeeds, 'eight containers fill one volume once', async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  const all = Array.from({ length: 8 }, () =>
    sh(['-v', 'one:/data'], 'ls /data | wc -l; stat -c %h /data/file'),
  );
  t.deepEqual(
    await Promise.all(all),
    Array.from({ length: 8 }, () => '5\n2\n'),
  );
  t.is(await cli.ok(['volume', 'ls', '-q']), 'one\n');
});

testWith(
  [...journeyNeeds, missingProgram('unshare')],
  'what the host mounts later is seen where it is asked for',
  async (t) => {
    const { cli } = await openTool(openCli(t), 'overlay');
    const shared = join(cli.directory, 'shared');
    mkdirSync(shared);
    const program = join(repositoryRoot(), 'dist', 'coracle');
    // A mount namespace of our own is the host here; in it we are root of one id.
    const script = `
    coracle() { ${program} --root ${cli.root} "$@"; }
    mount -t tmpfs t ${shared} && mount --make-shared ${shared} && mkdir ${shared}/a || exit 9
    for p in rprivate rslave rshared; do
      coracle run -d --name $p --network none -v ${shared}:/p:$p files sleep 100 >/dev/null || exit 8
    done
    mount -t tmpfs t ${shared}/a && touch ${shared}/a/late || exit 7
    for p in rprivate rslave rshared; do echo "$p:$(coracle exec $p ls /p/a)"; done
    coracle rm -f -t 0 rprivate rslave rshared >/dev/null`;
    const host = await runProgram('unshare', ['-Urm', 'sh', '-c', script], { env: cli.env });
    t.deepEqual([host.stdout, host.code], ['rprivate:\nrslave:late\nrshared:late\n', 0], host.stderr);
    const plain = ['unshare', '-Urm', '--propagation', 'private', program, '--root', cli.root];
    const refused = await runProgram(
      plain[0] ?? '',
      [...plain.slice(1), 'create', '-v', `${shared}:/p:rslave`, 'files'],
      { env: cli.env },
    );
    t.is(refused.code, 125);
    t.regex(refused.stderr, /is not shared\nhint: .*mount --make-rshared/);
  },
);

testWith(
  journeyNeeds,
  'S17: parts of a volume that another container keeps exchanging stay inside',
  async (t) => {
    const { cli, sh } = await openTool(openCli(t), 'overlay');
    const swap = `mkdir -p /v/part/etc; echo inside >/v/part/etc/where; ln -s /etc /v/link; ln -s ../../../../../.. /v/up
    while :; do mv /v/part /v/kept; mv /v/up /v/part; mv /v/part /v/up; mv /v/kept /v/part; done`;
    await cli.ok([
      'run',
      '-d',
      '--name',
      'swap',
      '--network',
      'none',
      '-v',
      'vol:/v',
      'files',
      'sh',
      '-c',
      swap,
    ]);
    const outcomes = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const words = ['run', ...quiet, '--mount', 'src=vol,dst=/x,volume-subpath=part/etc', 'files'];
      const { code, stdout, stderr } = await cli.run([...words, 'ls', '/x']);
      outcomes.add(code === 0 ? stdout : stderr.replace(/of the source.*/s, ''));
    }
    await cli.ok(['rm', '-f', '-t', '0', 'swap']);
    t.true(outcomes.has('where\n'));
    t.true(
      [...outcomes].every((text) => text === 'where\n' || text.startsWith('coracle: mount part/etc ')),
      [...outcomes].join('|'),
    );
    t.is(await sh(['-v', 'vol:/v'], 'cat /v/*/etc/where | sort -u'), 'inside\n');
  },
);

testWith(journeyNeeds, 'a volume whose filling was broken off is filled to its end', async (t) => {
  const { cli, sh } = await openTool(openCli(t), 'overlay');
  await cli.ok(['volume', 'create', 'half']);
  // What a kill leaves: the mark, a part of the files, one of them half written.
  const path = (await cli.ok(['volume', 'mount', 'half'])).trim();
  writeFileSync(join(path, 'file'), 'te');
  mkdirSync(join(path, 'sub'));
  addon().setxattr(path, 'user.coracle.filling', Buffer.from('1'));
  const look = 'cd /data; ls -A | tr "\n" " "; cat file; stat -c "%a %u" sub; wc -c <sub/big';
  const filled = 'fifo file link same sub text\n711 5\n100000\n';
  t.is(await sh(['-v', 'half:/data'], look), filled);
  await sh(['-v', 'half:/data'], 'rm -r /data/sub');
  t.is(await sh(['-v', 'half:/data'], 'ls /data | wc -l'), '4\n', 'it is done once');
});

testWith(journeyNeeds, 'memory is for one container at a time, and cp knows what is a mount', async (t) => {
  const { cli } = await openTool(openCli(t), 'overlay');
  await cli.ok(['volume', 'create', '-o', 'type=tmpfs', 'memory']);
  const run = ['run', '-d', '--network', 'none', '-v', 'memory:/m', '-v', 'plain:/p'];
  await cli.ok([...run, '--name', 'one', 'files', 'sleep', '100']);
  const second = await cli.run([...run, '--name', 'two', 'files', 'sleep', '100']);
  t.is(second.code, 125);
  t.regex(second.stderr, /mount volume memory: it is memory, which one has/);
  t.is(await cli.ok(['ps', '-aq', '--filter', 'name=two']), '');
  writeFileSync(join(cli.directory, 'file'), 'x');
  await cli.ok(['cp', join(cli.directory, 'file'), 'one:/m/file']);
  t.is(await cli.ok(['exec', 'one', 'cat', '/m/file']), 'x');
  await cli.ok(['restart', '-t', '0', 'one']);
  t.is(await cli.ok(['exec', 'one', 'ls', '/m']), '');
  await cli.ok(['stop', '-t', '0', 'one']);
  t.not((await cli.run(['cp', join(cli.directory, 'file'), 'one:/m/file'])).code, 0);
  await cli.ok(['cp', join(cli.directory, 'file'), 'one:/p/file']);
  t.is(await cli.ok(['run', ...quiet, '-v', 'plain:/p', 'files', 'cat', '/p/file']), 'x');
});
