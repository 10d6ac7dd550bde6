/** Stores on each kind of file system: all that a store is asked for works, and what it says it takes is what du counts. */
import { mkdirSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { image } from '../faults/fixture.js';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { directoryOn, type FileSystem, missingFileSystem } from '../helpers/file-systems.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { onHost, program } from './bad-host.js';

const network = ['--network', 'none'];
const needs = [...journeyNeeds, missingProgram('unshare')];

type Row = { readonly Type: string; readonly RawSize: number };

/** What df counts, and what du does, as the root who may read all of it. */
async function compareWithDu(
  t: ExecutionContext<unknown>,
  cli: Cli,
  at: readonly string[],
  root: string,
): Promise<void> {
  const rows = JSON.parse(await cli.ok([...at, 'system', 'df', '--format', 'json'])) as readonly Row[];
  const sum = rows.reduce((all, { RawSize }) => all + RawSize, 0);
  const outcome = await cli.ok([...at, 'unshare', 'du', '-s', '--block-size=1', '--exclude=reserve', root]);
  const counted = Number.parseInt(outcome, 10);
  t.true(Math.abs(sum - counted) < counted / 100, `df says ${sum}, du ${counted}: ${JSON.stringify(rows)}`);
}

/** Hard links, holes and foreign owners, in a layer, a volume and a container. */
const fill = [
  'mkdir -p "$0"; cd "$0"',
  'dd if=/dev/zero of=big bs=1M count=6 2>/dev/null; ln big again; ln big third',
  'dd if=/dev/zero of=hole bs=1M count=1 seek=30 2>/dev/null',
  'mkdir closed; dd if=/dev/zero of=closed/own bs=1M count=3 2>/dev/null; chown -R 1000:1000 closed; chmod 0700 closed',
].join('; ');

async function journey(t: ExecutionContext<unknown>, cli: Cli, root: string, driver: string): Promise<void> {
  const at = ['--root', root, '--storage-driver', driver];
  const archive = join(cli.directory, `busybox-${driver}.tar`);
  await cli.ok(['save', '-q', '-o', archive, 'busybox']);
  await cli.ok([...at, 'load', '-q', '-i', archive]);
  const context = join(cli.directory, `context-${driver}`);
  mkdirSync(context);
  writeFileSync(join(context, 'file'), 'copied\n');
  writeFileSync(join(context, 'fill'), fill);
  const lines = [
    'FROM busybox AS base',
    'COPY --chmod=755 fill /fill',
    'RUN ln -s /fill /linked && mkdir /gone && touch /gone/file',
    'RUN rm -r /gone && mkdir /gone && echo new > /gone/new && sh -c "$(cat /fill)" /layer',
    'COPY --chown=7:7 file /file',
  ];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  await cli.ok([...at, 'build', '-q', '-t', 'web', context]);
  const seen = 'ls /gone; stat -c %u:%g /file /layer/closed; stat -c %h /layer/big; cat /linked > /dev/null';
  const run = ['run', '--rm', ...network, 'web', 'sh', '-c', seen];
  t.is(await cli.ok([...at, ...run]), 'new\n7:7\n1000:1000\n3\n');
  await cli.ok([
    ...at,
    'run',
    '--name',
    'kept',
    '-v',
    'data:/data',
    ...network,
    'web',
    'sh',
    '-c',
    `${fill}; sh -c "$(cat /fill)" /data/more`,
    '/own',
  ]);
  await compareWithDu(t, cli, at, root);
  await cli.ok([...at, 'commit', '-q', 'kept', 'made']);
  t.is(await cli.ok([...at, 'run', '--rm', ...network, 'made', 'stat', '-c', '%h', '/own/third']), '3\n');
  const blocks = await cli.ok([...at, 'run', '--rm', ...network, 'made', 'stat', '-c', '%b %s', '/own/hole']);
  const [taken = 0, size = 0] = blocks.trim().split(' ').map(Number);
  t.is(size, 31 * 1024 * 1024);
  t.true(taken * 512 < 3 * 1024 * 1024, `the hole takes ${taken} blocks`);
  const checked = await cli.run([...at, 'system', 'check', '--deep']);
  t.regex(checked.stdout, /: 0 errors, 0 notices\n$/);
  await compareWithDu(t, cli, at, root);
  await cli.ok([...at, 'system', 'prune', '-af', '--volumes', '--build']);
  t.is(await cli.ok([...at, 'images', '-q']), '');
  const left = Number.parseInt(
    await cli.ok([...at, 'unshare', 'du', '-s', '--block-size=1024', '--exclude=reserve', root]),
    10,
  );
  t.true(left < 400, `${left} KiB are left`);
  await cli.ok([...at, 'system', 'reset', '-f']);
  t.is((await runProgram('ls', ['-A', root])).stdout, '');
}

for (const kind of ['ext4', 'xfs', 'btrfs'] as const satisfies readonly FileSystem[]) {
  testWith(
    [...needs, missingFileSystem(kind)],
    `a store on ${kind} does all that is asked of it`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      const directory = directoryOn(t, kind);
      const drivers = kind === 'xfs' ? ['overlay', 'copy'] : ['overlay'];
      for (const driver of drivers) await journey(t, cli, join(directory, driver), driver);
    },
  );
}

testWith(needs, 'a store on a tmpfs does all that is asked of it', async (t) => {
  const cli = await openCliWithBusybox(t);
  const [root, archive] = [join(cli.directory, 'small'), join(cli.directory, 'busybox.tar')];
  mkdirSync(root);
  const coracle = `${program} --root ${root}/s`;
  const script = [
    `mount -t tmpfs none ${root}`,
    `${coracle} import ${archive} ${image}`,
    `${coracle} run --name kept --network none -v data:/d ${image} sh -c 'echo one > /d/one; echo two > /two; cat /d/one'`,
    `${coracle} commit -q kept localhost/made`,
    `${coracle} run --rm --network none localhost/made cat /two`,
    `${coracle} system check --deep`,
    `${coracle} system prune -af --volumes`,
    `${coracle} system reset -f`,
    `ls -A ${root}`,
  ];
  const { code, stdout, stderr } = await onHost(cli, script.join('\n'), ['version']);
  t.is(code, 0, stderr);
  t.regex(stdout, /one\n[\s\S]*two\n[\s\S]*: 0 errors, 0 notices\n[\s\S]*Deleted Images\n/);
});

for (const kind of ['btrfs', 'xfs', 'ext4'] as const) {
  const shares = kind !== 'ext4';
  const title = `plain copies on ${kind} ${shares ? 'share their blocks' : 'take the room they have'}`;
  testWith([...needs, missingFileSystem(kind)], title, async (t) => {
    const cli = await openCliWithBusybox(t);
    const root = join(directoryOn(t, kind), 'store');
    const at = ['--root', root, '--storage-driver', 'copy'];
    const size = 48 * 1024 * 1024;
    const make = `dd if=/dev/urandom of=/big bs=1M count=48 2>/dev/null`;
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), `FROM busybox\nRUN ${make}\n`);
    const archive = join(cli.directory, 'busybox-archive.tar');
    await cli.ok(['save', '-q', '-o', archive, 'busybox']);
    await cli.ok([...at, 'load', '-q', '-i', archive]);
    await cli.ok([...at, 'build', '-q', '-t', 'web', context]);
    const free = async (): Promise<number> => {
      await runProgram('sync', ['-f', root]);
      const { bavail, bsize } = statfsSync(root);
      return bavail * bsize;
    };
    const before = await free();
    await cli.ok([...at, 'run', '--name', 'one', ...network, 'web', 'true']);
    const taken = before - (await free());
    t.is(taken < size / 2, shares, `${taken} bytes`);
  });
}

testWith(
  [...needs, missingProgram('bindfs'), missingProgram('fusermount3'), missingDevice('/dev/fuse')],
  'a file system that keeps no owners is refused, with what to do',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const [back, mounted] = [join(cli.directory, 'back'), join(cli.directory, 'mounted')];
    for (const path of [back, mounted]) mkdirSync(path);
    const made = await runProgram('bindfs', ['--no-allow-other', '--chown-deny', back, mounted]);
    t.is(made.code, 0, made.stderr);
    t.teardown(() => runProgram('fusermount3', ['-u', '-z', mounted]));
    const root = join(mounted, 'store');
    const refused = await cli.run(['--root', root, 'import', join(cli.directory, 'busybox.tar'), 'busybox']);
    t.is(refused.code, 125);
    t.regex(
      refused.stderr,
      /: operation not permitted\nhint: .*put the store on ext4, xfs, btrfs or a tmpfs with --root/,
    );
    const doctor = await cli.run(['--root', root, 'doctor']);
    t.is(doctor.code, 1);
    t.regex(doctor.stdout, /store .*\(FUSE, /);
    t.regex(
      doctor.stdout,
      /fail +owners of files .*EPERM\n.*cannot be unpacked there\n.*fix: put the store on ext4/,
    );
    t.is(JSON.parse(await cli.ok(['--root', root, 'system', 'check', '--format', 'json'])).errors, 0);
    // Such a file system keeps a file that is open under another name, also one that is a lock.
    await cli.ok(['--root', root, 'system', 'reset', '-f']);
    t.deepEqual(readdirSync(mounted), []);
  },
);

testWith(needs, 'a store on an overlay works by another driver, and doctor says where it is', async (t) => {
  const cli = await openCliWithBusybox(t);
  const archive = join(cli.directory, 'busybox.tar');
  const base = join(cli.directory, 'base');
  const coracle = `${program} --root ${base}/mounted/s`;
  const script = [
    `mkdir ${base}; mount -t tmpfs none ${base}; mkdir ${base}/lower ${base}/upper ${base}/work ${base}/mounted`,
    `mount -t overlay overlay -o userxattr,lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work ${base}/mounted`,
    `${coracle} import ${archive} ${image}`,
    `${coracle} run --rm --network none ${image} sh -c 'echo x > /x; echo works'`,
    `${coracle} system check --deep`,
    `${coracle} info -f '{{.store.driver}}: {{.store.driverReason}}'`,
    `${coracle} doctor | grep -E '^[a-z]+ +store ' || true`,
    `! ${coracle} --storage-driver overlay run --rm ${image} true`,
  ];
  const { code, stdout, stderr } = await onHost(cli, script.join('\n'), ['version']);
  t.is(code, 0, `${stdout}${stderr}`);
  t.regex(stdout, /works\n[\s\S]*0 errors, 0 notices\n(fuse-overlayfs|copy): overlay: .*\n/);
  t.regex(stdout, / store .*\(overlay, /);
  t.regex(stderr, /use storage driver overlay: .*\nhint: /);
});

testWith(needs, 'a store on a mount without execution works, but not by plain copies', async (t) => {
  const cli = await openCliWithBusybox(t);
  const [root, archive] = [join(cli.directory, 'mounted'), join(cli.directory, 'busybox.tar')];
  mkdirSync(root);
  const coracle = `${program} --root ${root}/s`;
  const run = `run --rm --network none ${image} echo works`;
  const script = [
    `mount -t tmpfs -o noexec,nosuid,nodev none ${root}`,
    `${coracle} import ${archive} ${image}`,
    `${coracle} ${run}`,
    `! ${coracle} --storage-driver copy ${run}`,
  ];
  const { code, stdout, stderr } = await onHost(cli, script.join('\n'), ['version']);
  t.is(code, 0, `${stdout}${stderr}`);
  t.regex(stdout, /\nworks\n/);
  t.regex(stderr, /storage driver copy: .*noexec\nhint: mount it without noexec, .*--root/);
});
