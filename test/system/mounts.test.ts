/** Containers mounted for programs of this host, in `coracle unshare`. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli, Outcome } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram, repositoryRoot } from '../helpers/host.js';

const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
];
const program = join(repositoryRoot(), 'dist', 'coracle');

/** A shell script in a session of its own, where `coracle` is the tool under test. */
function inSession(
  cli: Cli,
  driver: string,
  script: string,
  ...options: readonly string[]
): Promise<Outcome> {
  const words = `set -e; coracle() { ${program} --root ${cli.root} --storage-driver ${driver} "$@"; }; ${script}`;
  return cli.run(['--storage-driver', driver, 'unshare', ...options, 'sh', '-c', words]);
}

for (const { driver, missing } of drivers) {
  testWith(missing, `${driver}: a working container is mounted, changed, used and unmounted`, async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['working', 'from', '--name', 'work', '--network', 'none', 'busybox']);
    writeFileSync(join(cli.directory, 'copied'), 'copied\n');
    const { stdout, stderr, code } = await inSession(
      cli,
      driver,
      `m=$(coracle working mount work); test "$m" = "$(coracle working mount work)"
      echo made > $m/made; chown 5:6 $m/made; rm $m/etc/group
      coracle working copy -q work ${cli.directory}/copied /in/
      coracle working run work sh -c 'cat /in/copied; stat -c %u:%g /made; echo > /run1'
      ls $m/run1 | wc -l; cat $m/in/copied
      coracle working mount | wc -l
      coracle working umount work; ls $m | wc -l
      coracle working umount work || echo "failed $?"`,
    );
    t.deepEqual([stdout, code], ['copied\n5:6\n1\ncopied\n1\nwork\n0\nfailed 125\n', 0], stderr);
    await cli.ok(['--storage-driver', driver, 'working', 'commit', '-q', 'work', 'made']);
    const script = 'cat /made; stat -c %u:%g /made; ls /in /run1; ls /etc/group 2>/dev/null || echo gone';
    const seen = await cli.ok(['run', '--rm', '--network', 'none', 'made', 'sh', '-c', script]);
    t.is(seen, 'made\n5:6\n/run1\n\n/in:\ncopied\ngone\n');
  });

  testWith(missing, `${driver}: what a session leaves mounted goes with it`, async (t) => {
    const cli = await openCliWithBusybox(t);
    const work = (...args: readonly string[]) => cli.run(['--storage-driver', driver, 'working', ...args]);
    await work('from', '--name', 'work', '--network', 'none', 'busybox');
    const busy = await inSession(
      cli,
      driver,
      `m=$(coracle working mount work); echo kept > $m/kept; echo mounted; read word; echo $m`,
    );
    // Standard input was empty, so `read` failed and the session ended with what it had mounted.
    t.is(busy.stdout, 'mounted\n');
    t.is((await work('run', 'work', 'cat', '/kept')).stdout, 'kept\n');
    const child = cli.start([
      ...['--storage-driver', driver, 'unshare', '--mount', 'R=work', 'sh', '-c', 'echo $R; read word'],
    ]);
    const path = await new Promise<string>((resolve) =>
      child.stdout?.once('data', (data) => resolve(String(data).trim())),
    );
    t.true(path.startsWith(cli.root), path);
    t.false(existsSync(join(path, 'kept')), 'nothing is mounted outside');
    const other = await work('run', 'work', 'true');
    t.is(other.code, 125);
    t.regex(other.stderr, /it is mounted in another session of coracle unshare/);
    child.stdin?.end();
    await new Promise((resolve) => child.once('close', resolve));
    t.is((await work('run', 'work', 'cat', '/kept')).stdout, 'kept\n');
    t.is((await work('rm', 'work')).code, 0);
    t.deepEqual(readdirSync(join(cli.root, 'working')), []);
  });

  testWith(
    missing,
    `${driver}: a container that does not run is mounted, and does not start meanwhile`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      const store = ['--storage-driver', driver];
      await cli.ok([
        ...store,
        'create',
        '--name',
        'box',
        '--network',
        'none',
        'busybox',
        'sh',
        '-c',
        'cat /host',
      ]);
      const { stdout, stderr } = await inSession(
        cli,
        driver,
        `echo from the host > $BOX/host; coracle mount --format json
      coracle start box || echo "failed $?"; coracle umount box`,
        '--mount',
        'BOX=box',
      );
      t.regex(stdout, /"mountpoint": ".*merged"/);
      t.regex(stdout, /failed \d+\nbox\n$/, stderr);
      t.regex(stderr, /start container box: it is mounted at .*\nhint: unmount it first: coracle umount box/);
      t.is(await cli.ok(['start', '-a', 'box']), 'from the host\n');
      t.true((await cli.ok(['diff', 'box'])).includes('A /host\n'));
      await cli.ok([...store, 'run', '-d', '--name', 'runs', '--network', 'none', 'busybox', 'sleep', '100']);
      const refused = await inSession(cli, driver, 'coracle mount runs');
      t.regex(refused.stderr, /mount container runs: it runs\nhint: stop it first/);
    },
  );
}

testWith(
  journeyNeeds,
  'unshare is a namespace with the ids of containers; outside of it nothing is mounted',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const [outer = ''] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/);
    t.is(outer, '0');
    const map = await cli.ok(['unshare', 'sh', '-c', 'id -u; cat /proc/self/uid_map | wc -l']);
    t.regex(map, /^0\n[12]\n$/);
    t.is((await cli.run(['unshare', 'sh', '-c', 'exit 7'])).code, 7);
    t.is((await cli.run(['unshare', 'no-such-program'])).code, 127);
    t.is((await cli.run(['unshare', '/etc/passwd'])).code, 126);
    await cli.ok(['working', 'from', '--name', 'work', 'busybox']);
    const outside = await cli.run(['working', 'mount', 'work']);
    t.is(outside.code, 125);
    t.regex(outside.stderr, /a user may mount only in a namespace of his own\nhint: .*coracle unshare\n$/);
    // A mark that lies changes nothing.
    const [id = ''] = readdirSync(join(cli.root, 'working'));
    writeFileSync(join(cli.root, 'working', id, 'mount.json'), '{"namespace":"mnt:[1]"}');
    t.is((await cli.run(['working', 'run', '--network', 'none', 'work', 'true'])).code, 0);
  },
);
