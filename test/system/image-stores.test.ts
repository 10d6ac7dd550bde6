/** Images of other stores: additional ones that are only read, of this user and of others, and a store for images apart. */
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const network = ['--network', 'none'];

function context(cli: Cli, name: string, ...lines: readonly string[]): string {
  const directory = join(cli.directory, name);
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), `${lines.join('\n')}\n`);
  return directory;
}

/** All names below a directory with their times and sizes, to tell whether anything was written. */
async function stateOf(directory: string): Promise<string> {
  const found = await runProgram('find', [directory, '-printf', '%p %s %T@ %m\n']);
  return found.stdout
    .split('\n')
    .filter((line) => !line.includes('/.'))
    .sort()
    .join('\n');
}

const refuses = async (
  t: ExecutionContext<unknown>,
  cli: Cli,
  args: readonly string[],
  says: RegExp,
): Promise<void> => {
  const { code, stderr } = await cli.run(args);
  t.true(code === 125 || code === 1, stderr);
  t.regex(stderr, says);
};

testWith(
  journeyNeeds,
  'images of an additional store of the same user are used in place and never written',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok([
      'build',
      '-q',
      '-t',
      'web',
      context(cli, 'one', 'FROM busybox', 'RUN echo shared > /shared'),
    ]);
    const before = await stateOf(cli.root);
    const own = join(cli.directory, 'own');
    const at = ['--root', own, '--storage-opt', `additionalimagestore=${cli.root}`];
    const list = ['images', '--format', '{{.Repository}} {{.ReadOnly}}'];
    t.regex(await cli.ok([...at, 'info']), /^images of +\/.*root \(only read\)$/m);
    t.regex(await cli.ok([...at, 'images']), /R\/O\nlocalhost\/web .*true\nlocalhost\/busybox .*true\n$/);
    t.is(
      await cli.ok([
        ...at,
        'run',
        '--name',
        'box',
        ...network,
        'web',
        'sh',
        '-c',
        'cat /shared; echo x > /shared',
      ]),
      'shared\n',
    );
    t.deepEqual(
      readdirSync(join(own, 'snapshots')).sort(),
      ['chains', 'images', 'init'],
      'nothing was unpacked again',
    );
    await cli.ok([
      ...at,
      'build',
      '-q',
      '-t',
      'mine',
      context(cli, 'two', 'FROM web', 'RUN echo own >> /shared'),
    ]);
    t.is(await cli.ok([...at, 'run', '--rm', ...network, 'mine', 'cat', '/shared']), 'shared\nown\n');
    t.is(await cli.ok([...at, 'commit', '-q', 'box', 'kept']).then((id) => id.length > 10), true);
    t.is(
      await cli.ok([...at, ...list, '--filter', 'readonly=false']),
      'localhost/kept false\nlocalhost/mine false\n',
    );
    t.is((await cli.ok([...at, ...list, '--filter', 'readonly=true'])).split('\n').length, 3);
    const archive = join(cli.directory, 'mine.tar');
    await cli.ok([...at, 'save', '-q', '-o', archive, 'mine']);
    const only = /it is in an additional store, which is only read\nhint: the stores: \//;
    await refuses(t, cli, [...at, 'rmi', 'web'], only);
    await refuses(t, cli, [...at, 'untag', 'localhost/busybox:latest'], only);
    await cli.ok([...at, 'tag', 'web', 'other']);
    await cli.ok([...at, 'rmi', 'other']);
    t.regex(await cli.ok([...at, 'system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
    await cli.ok([...at, 'rm', 'box']);
    await cli.ok([...at, 'system', 'prune', '-af', '--build']);
    t.is(await cli.ok([...at, ...list]), 'localhost/web true\nlocalhost/busybox true\n');
    t.is(await stateOf(cli.root), before);
    await refuses(
      t,
      cli,
      ['--root', own, 'run', ...network, 'localhost/web:latest', 'true'],
      /localhost\/web:latest/,
    );
    await refuses(
      t,
      cli,
      ['--storage-opt', 'size=1G', 'images'],
      /use --storage-opt size=1G: no such option/,
    );
    await refuses(
      t,
      cli,
      ['--root', own, '--storage-opt', `additionalimagestore=${cli.directory}/none`, 'images'],
      /open additional image store .*none: it has no index.json\nhint: /,
    );
    t.is(
      await cli.ok(['--root', own, ...list], { env: { CORACLE_ADDITIONAL_IMAGE_STORES: cli.root } }),
      'localhost/web true\nlocalhost/busybox true\n',
    );
  },
);

testWith(
  journeyNeeds,
  'an additional store may lose its images at any time: whoever uses them is told, and keeps nothing of them',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const at = [
      ...['--root', join(cli.directory, 'own')],
      ...['--storage-opt', `additionalimagestore=${cli.root}`],
    ];
    const directory = context(cli, 'moving', 'FROM busybox', 'RUN date > /made');
    let open = true;
    const own = async (): Promise<void> => {
      for (let round = 0; round < 8; round++) {
        await cli.ok(['build', '-q', '-t', 'moving', directory]);
        await cli.ok(['run', '--rm', ...network, 'moving', 'true']);
        await cli.ok(['rmi', '-f', 'moving']);
        await cli.ok(['system', 'prune', '-f', '--build']);
      }
      open = false;
    };
    const codes = new Set<number | null>();
    const use = async (): Promise<void> => {
      while (open) {
        const made = await cli.run([
          ...at,
          ...['run', '--rm', ...network, 'localhost/moving', 'cat', '/made'],
        ]);
        codes.add(made.code);
        if (made.code === 0) t.regex(made.stdout, /^\w+ \w+/);
        else
          t.regex(
            made.stderr,
            /localhost\/moving|is gone|not found|No such file|cat: can't open/,
            `${made.code}`,
          );
        await cli.ok([...at, 'images']);
      }
    };
    await Promise.all([own(), use(), use()]);
    t.true(codes.has(125));
    t.is(await cli.ok([...at, 'ps', '-aq']), '');
    t.regex(await cli.ok([...at, 'system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
    t.regex(await cli.ok(['system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
  },
);

testWith(
  [...journeyNeeds, missingRegistry(), missingProgram('skopeo')],
  'of a store of another user the blobs are shared, and layers are unpacked for whoever uses them',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const name = `${host}/busybox:1`;
    await cli.ok(['push', '-q', 'busybox', name]);
    const shared = join(cli.directory, 'shared');
    await cli.ok(['--root', shared, 'pull', '-q', name]);
    const built = context(cli, 'built', `FROM ${name}`, 'RUN echo built > /built');
    await cli.ok(['--root', shared, 'build', '-q', '-t', 'built', built]);
    // Somebody else's from now on.
    const give = async (path: string): Promise<void> => {
      await cli.ok(['unshare', 'chown', '-Rh', '1000:1000', path]);
    };
    chmodSync(shared, 0o755);
    await give(shared);
    chmodSync(cli.directory, 0o755);
    const at = ['--root', join(cli.directory, 'own'), '--storage-opt', `additionalimagestore=${shared}`];
    t.regex(await cli.ok([...at, 'images']), /busybox .*true\n/);
    const before = await cli.ok(['unshare', 'find', shared, '-printf', '%p %s %T@ %u %m\n']);
    t.is(
      await cli.ok([...at, 'run', '--rm', ...network, name, 'stat', '-c', '%u:%g', '/bin/busybox']),
      '0:0\n',
    );
    t.deepEqual(readdirSync(join(cli.directory, 'own', 'blobs', 'sha256')), [], 'no blob was copied');
    await cli.ok([
      ...at,
      'build',
      '-q',
      '-t',
      'mine',
      context(cli, 'two', `FROM ${name}`, 'RUN echo own > /own'),
    ]);
    t.is(await cli.ok([...at, 'run', '--rm', ...network, 'mine', 'cat', '/own']), 'own\n');
    const refusal = /no blob of it is in .*shared\nhint: .*coracle copy IMAGE oci:DIRECTORY:NAME/;
    await refuses(t, cli, [...at, 'run', '--rm', ...network, 'built', 'true'], refusal);
    t.is(await cli.ok(['unshare', 'find', shared, '-printf', '%p %s %T@ %u %m\n']), before);
    t.regex(await cli.ok([...at, 'system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);

    // Any layout will do.
    const layout = join(cli.directory, 'layout');
    await cli.ok(['copy', 'store:busybox', `oci:${layout}:tool`]);
    await cli.ok(['unshare', 'chmod', '-R', 'a+rX', layout]);
    await give(layout);
    const other = ['--root', join(cli.directory, 'second'), '--storage-opt', `overlay.imagestore=${layout}`];
    t.is(await cli.ok([...other, 'run', '--rm', ...network, 'tool', 'echo', 'works']), 'works\n');
    await cli.ok(['unshare', 'chmod', '-R', 'go-rwx', layout]);
    await refuses(
      t,
      cli,
      [...other, 'images'],
      /open additional image store .*layout: .*\nhint: its owner lets others read it: chmod/,
    );
  },
);

testWith(journeyNeeds, 'others may enter a store for its blobs, and for nothing else', async (t) => {
  const cli = await openCliWithBusybox(t);
  chmodSync(cli.root, 0o755);
  await cli.ok(['images']);
  chmodSync(join(cli.root, 'snapshots'), 0o755);
  await refuses(
    t,
    cli,
    ['images'],
    /others may enter .*snapshots \(mode 755\)\nhint: chmod 700 .*snapshots\n/,
  );
  chmodSync(join(cli.root, 'snapshots'), 0o700);
  chmodSync(cli.root, 0o775);
  await refuses(t, cli, ['images'], /others may enter it \(mode 775\)\nhint: chmod 700/);
});

testWith(
  journeyNeeds,
  'with an image store of its own a root has the containers, and a sweep there knows of them',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const store = join(cli.directory, 'images');
    const at = ['--root', join(cli.directory, 'own'), '--imagestore', store];
    await cli.ok([...at, 'import', '-c', 'CMD ["sh"]', join(cli.directory, 'busybox.tar'), 'tool']);
    await cli.ok([
      ...at,
      'build',
      '-q',
      '-t',
      'web',
      context(cli, 'one', 'FROM tool', 'RUN --mount=type=cache,target=/c echo made > /made'),
    ]);
    t.is(
      await cli.ok([
        ...at,
        'run',
        '--name',
        'box',
        '-v',
        'data:/d',
        ...network,
        'web',
        'sh',
        '-c',
        'cat /made; echo x > /x',
      ]),
      'made\n',
    );
    t.deepEqual(readdirSync(join(cli.directory, 'own', 'blobs', 'sha256')), []);
    t.is(readdirSync(join(cli.directory, 'own', 'containers')).length, 2);
    t.deepEqual(readdirSync(join(store, 'containers')), ['.names']);
    t.true(existsSync(join(cli.directory, 'own', 'volumes', 'data')));
    // Another root with the same images, and its sweep.
    const second = ['--root', join(cli.directory, 'second'), '--imagestore', store];
    t.is(await cli.ok([...second, 'run', '--rm', ...network, 'web', 'cat', '/made']), 'made\n');
    await cli.ok(['--root', store, 'system', 'prune', '-af', '--build']);
    t.is(
      await cli.ok(['--root', store, 'images', '--format', '{{.Repository}}']),
      'localhost/web\n',
      'box uses it',
    );
    await cli.ok(['--root', store, 'rmi', '-f', 'web']);
    await cli.ok(['--root', store, 'image', 'prune', '-af']);
    t.is(await cli.ok([...at, 'start', '-a', 'box']), 'made\n');
    t.regex(await cli.ok([...at, 'system', 'check', '--deep']), /: 0 errors, 0 notices\n$/);
    await cli.ok([...at, 'rm', 'box']);
    await cli.ok([...at, 'import', join(cli.directory, 'busybox.tar'), 'kept']);
    const work = (await cli.ok([...at, 'working', 'from', 'kept'])).trim();
    t.is(await cli.ok([...at, 'working', 'run', work, '--', 'echo', 'x']), 'x\n');
    await cli.ok([...at, 'working', 'commit', '-q', '--rm', work, 'third']);
    await cli.ok([...at, 'system', 'prune', '-af', '--volumes', '--build']);
    t.is(await cli.ok([...at, 'images', '-q']), '');
    for (const root of [cli.root, join(cli.directory, 'own'), join(cli.directory, 'second'), store]) {
      for (const room of ['staging', 'trash'])
        t.deepEqual(readdirSync(join(root, room)), [], `${root}/${room}`);
    }
    await cli.ok([...at, 'system', 'reset', '-f']);
    t.false(existsSync(join(cli.directory, 'own')));
    t.true(existsSync(store));
    t.is(await cli.ok([...at, 'images', '-q'], { env: { CORACLE_IMAGESTORE: store } }), '');
  },
);

testWith(
  journeyNeeds,
  'transient containers have their records in the runtime directory, and go with it',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const at = ['--transient-store'];
    await cli.ok(['create', '--name', 'usual', ...network, 'busybox', 'true']);
    const all = ['ps', '-a', '--format', '{{.Names}} {{.Status}}'];
    t.is(await cli.ok([...at, ...all]), '');
    const write = 'dd if=/dev/zero of=/big bs=1M count=8 2>/dev/null; echo said';
    const id = (
      await cli.ok([
        ...at,
        'create',
        '--name',
        'box',
        '-v',
        'data:/d',
        ...network,
        'busybox',
        'sh',
        '-c',
        write,
      ])
    ).trim();
    t.is(await cli.ok([...at, 'start', '-a', 'box']), 'said\n');
    t.is(await cli.ok([...at, 'logs', 'box']), 'said\n');
    t.false(existsSync(join(cli.root, 'containers', id)));
    const [name = ''] = readdirSync(join(cli.runtime, 'coracle', 't'));
    t.deepEqual(readdirSync(join(cli.runtime, 'coracle', 't', name, 'containers')).sort(), ['.names', id]);
    t.deepEqual(readdirSync(join(cli.root, 'transient', name)), [id], 'what it wrote is on the disk');
    t.regex(await cli.ok([...at, ...all]), /^box Exited \(0\)/);
    t.regex(await cli.ok(all), /^usual Created/);
    t.regex(await cli.ok([...at, 'ps', '-as', '--format', '{{.Size}}']), /^8\.39MB/);
    const rows = JSON.parse(await cli.ok([...at, 'system', 'df', '--format', 'json'])) as {
      Type: string;
      RawSize: number;
    }[];
    t.true((rows.find(({ Type }) => Type === 'Containers')?.RawSize ?? 0) > 8_000_000);
    t.is(await cli.ok([...at, 'diff', 'box']), 'A /big\nA /d\n');
    t.is(await cli.ok([...at, 'run', '--rm', ...network, 'busybox', 'echo', 'gone']), 'gone\n');
    await cli.ok([...at, 'run', '-d', '--name', 'live', ...network, 'busybox', 'sleep', '1000']);
    t.is(await cli.ok([...at, 'exec', 'live', 'echo', 'in it']), 'in it\n');
    await cli.ok([...at, 'rm', '-f', '-t', '0', 'live']);
    t.deepEqual(readdirSync(join(cli.root, 'transient', name)), [id]);
    await cli.ok(['rm', 'usual']);
    await cli.ok(['system', 'prune', '-af']);
    t.is(
      (await cli.run(['image', 'exists', 'busybox'])).code,
      0,
      'one who does not see the container keeps its image',
    );
    // The machine starts again.
    rmSync(join(cli.runtime, 'coracle'), { recursive: true });
    t.is(await cli.ok([...at, ...all]), '');
    await cli.ok([...at, 'system', 'prune', '-af', '--volumes']);
    t.deepEqual(readdirSync(join(cli.root, 'transient', name)), []);
    t.deepEqual(readdirSync(join(cli.root, 'trash')), []);
    t.is(await cli.ok(['images', '-q']), '');
    await cli.ok([...at, 'system', 'reset', '-f']);
    t.false(existsSync(cli.root));
  },
);

testWith(
  journeyNeeds,
  'a volume stays for a container that only sessions with a transient store see, and the other way round',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const at = ['--transient-store'];
    const sleep = ['busybox', 'sleep', '1000'];
    await cli.ok([...at, 'run', '-d', '--name', 'box', '-v', 'data:/d', '-v', '/a', ...network, ...sleep]);
    await cli.ok(['create', '--name', 'usual', '-v', 'other:/d', ...network, ...sleep]);
    for (const name of ['junk', 'other']) await cli.ok(['volume', 'create', name]);
    const names = async (): Promise<readonly string[]> =>
      (await cli.ok(['volume', 'ls', '-q'])).trim().split('\n');
    t.is((await names()).length, 4);
    t.regex(await cli.ok(['volume', 'prune', '-af']), /^junk\nTotal/);
    await cli.ok([...at, 'volume', 'prune', '-af']);
    await cli.ok([...at, 'system', 'prune', '-f', '--volumes']);
    t.is((await names()).length, 3);
    for (const [args, name, hint] of [
      [[], 'data', /used by box\nhint: .*--transient-store rm/],
      [at, 'other', /used by usual\nhint: .*without --transient-store/],
    ] as const) {
      const { code, stderr } = await cli.run([...args, 'volume', 'rm', '-f', name]);
      t.true(code === 1 || code === 2 || code === 125, `${code}`);
      t.regex(stderr, hint);
    }
    const rows = JSON.parse(await cli.ok(['system', 'df', '--format', 'json'])) as {
      Type: string;
      Active: number;
    }[];
    t.is(rows.find(({ Type }) => Type === 'Local Volumes')?.Active, 3);
    t.is(rows.find(({ Type }) => Type === 'Containers')?.Active, 1);
    await cli.ok([...at, 'rm', '-f', '-t', '0', '-v', 'box']);
    await cli.ok(['rm', 'usual']);
    t.regex(await cli.ok(['volume', 'prune', '-af']), /data\nother\nTotal|other\ndata\nTotal/);
  },
);
