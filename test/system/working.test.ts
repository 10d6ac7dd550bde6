/** Images made step by step with `coracle working`, over all three storage drivers. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: journeyNeeds },
];

const sandbox = ['--network', 'none'];

/** A working container on busybox, and a function that runs a line of shell in it. */
async function openWorking(t: ExecutionContext<unknown>): Promise<{
  readonly cli: Cli;
  readonly sh: (line: string) => Promise<string>;
}> {
  const cli = await openCliWithBusybox(t);
  t.is(await cli.ok(['working', 'from', '--name', 'work', ...sandbox, 'busybox']), 'work\n');
  return { cli, sh: (line) => cli.ok(['working', 'run', 'work', '--', 'sh', '-c', line]) };
}

/** What the image's own layer holds, as tar lists it. */
async function listLayer(cli: Cli, image: string): Promise<readonly string[]> {
  const tar = join(cli.directory, 'saved.tar');
  const saved = join(cli.directory, 'saved');
  await cli.ok(['save', '--format', 'docker-archive', '-o', tar, image]);
  mkdirSync(saved);
  execFileSync('tar', ['-xf', tar, '-C', saved]);
  const [{ Layers = [] } = {}] = JSON.parse(readFileSync(join(saved, 'manifest.json'), 'utf8')) as {
    Layers?: string[];
  }[];
  const listed = execFileSync('tar', ['-tvf', join(saved, Layers.at(-1) ?? ''), '--numeric-owner'], {
    encoding: 'utf8',
  });
  return listed
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' ').split(' '))
    .map(([mode, owner, , , , ...path]) => `${mode} ${owner} ${path.join(' ')}`);
}

for (const { driver, missing } of drivers) {
  testWith(missing, `${driver}: what is run, copied and set is what the image holds`, async (t) => {
    const { cli, sh } = await openWorking(t);
    const env = { CORACLE_STORAGE_DRIVER: driver };
    const work = async (...args: readonly string[]): Promise<string> =>
      cli.ok(['--storage-driver', driver, 'working', ...args], { env });
    const source = join(cli.directory, 'source');
    mkdirSync(join(source, 'd'), { recursive: true });
    writeFileSync(join(source, 'a'), 'a\n');
    writeFileSync(join(source, 'd', 'b'), 'b\n');
    symlinkSync('a', join(source, 'link'));
    await work(
      'run',
      'work',
      '--',
      'sh',
      '-c',
      'mkdir /made; echo one > /made/x; echo > /made/y; rm /etc/group',
    );
    await work('copy', '-q', 'work', source, '/srv');
    await work(
      'copy',
      '-q',
      '--chown',
      '5:6',
      '--chmod',
      '0600',
      'work',
      join(source, 'a'),
      join(source, 'd', 'b'),
      '/two',
    );
    // Files of an earlier step are changed, moved and removed by a later one.
    await work(
      'run',
      'work',
      '--',
      'sh',
      '-c',
      'rm -r /made/y /srv/d; echo two >> /made/x; mv /srv/a /srv/c',
    );
    t.is(await work('run', 'work', 'cat', '/made/x'), 'one\ntwo\n');
    await work('commit', '-q', 'work', 'made');
    const layer = (await listLayer(cli, 'made')).filter((line) => !line.includes('etc/'));
    t.deepEqual(layer, [
      'drwxr-xr-x 0/0 made/',
      '-rw-r--r-- 0/0 made/x',
      'drwxr-xr-x 0/0 srv/',
      '-rw-r--r-- 0/0 srv/c',
      'lrwxrwxrwx 0/0 srv/link -> a',
      'drwxr-xr-x 5/6 two/',
      '-rw------- 5/6 two/a',
      '-rw------- 5/6 two/b',
    ]);
    t.is(await cli.ok(['run', '--rm', ...sandbox, 'made', 'cat', '/made/x']), 'one\ntwo\n');
    t.is(await sh('ls /etc/group 2>&1 || true'), 'ls: /etc/group: No such file or directory\n');
  });

  testWith(missing, `${driver}: a command that was killed leaves a container that goes on`, async (t) => {
    const { cli } = await openWorking(t);
    const child = cli.start([
      ...['--storage-driver', driver, 'working', 'run', 'work', '--'],
      ...['sh', '-c', 'rm /etc/group; echo begun > /begun; echo ready; exec sleep 1000'],
    ]);
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await eventually(async () => (said.includes('ready') ? true : undefined));
    const busy = await cli.run(['working', 'copy', 'work', '/etc/hostname', '/h']);
    t.is(busy.code, 125);
    t.regex(busy.stderr, /^coracle: use working container work: another command works in it\n/);
    child.kill('SIGKILL');
    await eventually(async () => {
      const next = await cli.run(['--storage-driver', driver, 'working', 'run', 'work', '--', 'true']);
      return next.code === 0 || undefined;
    });
    if (driver !== 'copy')
      t.is(await cli.ok(['--storage-driver', driver, 'working', 'run', 'work', 'cat', '/begun']), 'begun\n');
    t.false(readdirSync(join(cli.root, 'working')).some((name) => name.length !== 64));
    await cli.ok(['working', 'rm', 'work']);
    t.deepEqual(readdirSync(join(cli.root, 'working')), []);
  });
}

testWith(journeyNeeds, 'streams, exit codes and mounts of commands', async (t) => {
  const { cli } = await openWorking(t);
  const run = async (...args: readonly string[]) => cli.run(['working', 'run', ...args], { input: 'words' });
  t.is((await run('work', '--', 'cat')).stdout, 'words');
  const both = await run('work', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3');
  t.deepEqual([both.stdout, both.stderr, both.code], ['out\n', 'err\n', 3]);
  t.is((await run('work', 'no-such-program')).code, 127);
  t.is((await run('work', '/etc/passwd')).code, 126);
  t.is(
    (
      await run(
        '-e',
        'A=b',
        '--user',
        '7:8',
        '--workingdir',
        '/var',
        'work',
        'sh',
        '-c',
        'echo $A $(id -u):$(id -g) $PWD',
      )
    ).stdout,
    'b 7:8 /var\n',
  );
  const cached = ['--mount', 'type=cache,target=/c', 'work', 'sh', '-c', 'ls /c; echo > /c/f'];
  t.is((await run(...cached)).stdout, '');
  t.is((await run(...cached)).stdout, 'f\n');
  t.is(
    (await run('--mount', 'type=bind,from=busybox,source=/etc,target=/m', 'work', 'ls', '/m/passwd')).stdout,
    '/m/passwd\n',
  );
  writeFileSync(join(cli.directory, 'seen'), 'seen\n');
  t.is((await run('-v', `${cli.directory}:/host:ro`, 'work', 'cat', '/host/seen')).stdout, 'seen\n');
  // Nothing of the mounts is left in the layer.
  t.is((await run('work', 'sh', '-c', 'ls -d /c /m /host 2>/dev/null; true')).stdout, '');
});

testWith(journeyNeeds, 'config sets and removes, and the image says so', async (t) => {
  const { cli } = await openWorking(t);
  const config = async (...args: readonly string[]): Promise<string> =>
    cli.ok(['working', 'config', ...args, 'work']);
  await config(
    '--cmd',
    `echo 'two words' "\\"q" back\\ slash`,
    '-e',
    'A=1',
    '-e',
    'B=2',
    '-l',
    'k=v',
    '--port',
    '80',
    '-p',
    '53/udp',
  );
  await config(
    '-e',
    'B-',
    '-l',
    'gone=1',
    '--user',
    '7',
    '--workingdir',
    '/var',
    '--volume',
    '/data',
    '--stop-signal',
    'HUP',
    '--author',
    'me',
  );
  await config(
    '-l',
    'gone-',
    '-p',
    '80-',
    '--annotation',
    'a.b=c',
    '--healthcheck',
    'CMD true',
    '--healthcheck-interval',
    '3s',
    '--add-history',
  );
  await cli.ok(['working', 'commit', '-q', '--message', 'said', 'work', 'set']);
  const [image] = JSON.parse(await cli.ok(['inspect', '--type', 'image', 'set'])) as {
    Config: Record<string, unknown>;
    Author: string;
  }[];
  const found = image?.Config ?? {};
  t.deepEqual(found.Cmd, ['echo', 'two words', '"q', 'back slash']);
  t.true((found.Env as string[]).includes('A=1'));
  t.false((found.Env as string[]).some((entry) => entry.startsWith('B=')));
  t.deepEqual(found.Labels, { k: 'v' });
  t.deepEqual(found.ExposedPorts, { '53/udp': {} });
  t.deepEqual([found.User, found.WorkingDir, found.StopSignal, image?.Author], ['7', '/var', 'HUP', 'me']);
  t.deepEqual(found.Healthcheck, { Test: ['CMD', 'true'], Interval: 3_000_000_000 });
  const history = JSON.parse(
    await cli.ok(['working', 'inspect', '--format', '{{json .OCIv1.history}}', 'work']),
  ) as { created_by?: string }[];
  t.regex(history.at(-1)?.created_by ?? '', /config --label gone- --annotation a\.b=c --port 80-/);
  t.is(await cli.ok(['working', 'inspect', '-f', '{{.ImageAnnotations}}', 'work']), 'map[a.b:c]\n');
  for (const [args, words] of [
    [['--port', 'x'], /expose port "x"/],
    [['--stop-signal', 'NOSUCH'], /NOSUCH/],
    [['--cmd', 'a "b'], /a quote is not closed/],
    [['-e', 'C'], /set variable "C"/],
  ] as const) {
    const { code, stderr } = await cli.run(['working', 'config', ...args, 'work'], { env: { C: undefined } });
    t.is(code, 125, stderr);
    t.regex(stderr, words);
  }
});

testWith(
  journeyNeeds,
  'from scratch, from another working container, by archive, with ids kept apart',
  async (t) => {
    const { cli, sh } = await openWorking(t);
    await sh('mkdir /out; echo tool > /out/tool');
    t.is(await cli.ok(['working', 'from', '-q', 'scratch']), 'working-container\n');
    t.is(await cli.ok(['working', 'from', '-q', 'scratch']), 'working-container-1\n');
    await cli.ok(['working', 'copy', '-q', '--from', 'work', 'working-container', '/out/tool', '/bin/tool']);
    execFileSync('tar', ['-czf', join(cli.directory, 'p.tgz'), '-C', '/etc', 'hostname']);
    await cli.ok(['working', 'add', '-q', 'working-container', join(cli.directory, 'p.tgz'), '/p/']);
    await cli.ok(['working', 'commit', '-q', '--timestamp', '1000000000', 'working-container', 'one']);
    await cli.ok(['working', 'commit', '-q', '--timestamp', '1000000000', 'working-container', 'two']);
    const ids = async (name: string): Promise<string> =>
      cli.ok(['inspect', '-f', '{{.Id}} {{.Created}}', name]);
    t.is(await ids('one'), await ids('two'));
    t.regex(await ids('one'), /2001-09-09T01:46:40/);
    const layer = (await listLayer(cli, 'one')).map((line) => line.split(' ').at(-1));
    t.deepEqual(layer, ['bin/', 'bin/tool', 'p/', 'p/hostname']);
    await cli.ok(['working', 'rename', 'working-container-1', 'other']);
    t.is(
      await cli.ok(['working', 'containers', '--format', '{{.ContainerName}} {{.ImageName}}']),
      'work localhost/busybox:latest\nworking-container scratch\nother scratch\n',
    );
    t.is((await cli.run(['working', 'rename', 'other', 'work'])).code, 125);
    t.is((await cli.run(['working', 'from', '--name', 'work', 'scratch'])).code, 125);
    const absent = await cli.run(['working', 'rm', 'other', 'nobody']);
    t.is(absent.code, 125);
    t.regex(absent.stderr, /open working container nobody: there is none/);
    const archive = join(cli.directory, 'squashed.tar');
    await cli.ok(['working', 'commit', '-q', '--squash', '--rm', 'work', `oci-archive:${archive}:name`]);
    await cli.ok(['load', '-i', archive]);
    const layers = await cli.ok(['inspect', '-f', '{{len .RootFS.Layers}}', 'name']);
    t.is(layers, '1\n');
    t.is(await cli.ok(['run', '--rm', ...sandbox, 'name', 'cat', '/out/tool']), 'tool\n');
  },
);

testWith(journeyNeeds, 'the image below stays as long as the working container does', async (t) => {
  const { cli, sh } = await openWorking(t);
  const refused = await cli.run(['rmi', 'busybox']);
  t.not(refused.code, 0);
  await cli.run(['rmi', '-f', 'busybox']);
  await cli.ok(['system', 'prune', '-f', '-a']);
  t.is(await sh('echo still here'), 'still here\n');
  await cli.ok(['working', 'commit', '-q', 'work', 'saved']);
  t.is(await cli.ok(['run', '--rm', ...sandbox, 'saved', 'echo', 'and runs']), 'and runs\n');
});

testWith(
  journeyNeeds,
  'sources do not lead out of their directory, and a damaged record is named',
  async (t) => {
    const { cli } = await openWorking(t);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    symlinkSync('/etc/passwd', join(context, 'out'));
    symlinkSync('../root', join(context, 'up'));
    writeFileSync(join(context, '.dockerignore'), 'left\n');
    writeFileSync(join(context, 'left'), '');
    for (const source of ['../root', 'out', 'up', 'left', 'nothing']) {
      const { code, stderr } = await cli.run([
        'working',
        'copy',
        '--contextdir',
        context,
        'work',
        source,
        '/x',
      ]);
      t.is(code, 125, `${source}: ${stderr}`);
    }
    t.is((await cli.run(['working', 'run', 'work', 'ls', '/x'])).code, 1);
    const [id = ''] = readdirSync(join(cli.root, 'working'));
    writeFileSync(join(cli.root, 'working', id, 'working.json'), '{"version":1}');
    const { code, stderr } = await cli.run(['working', 'run', 'work', 'true']);
    t.is(code, 125);
    t.true(stderr.includes(`working/${id}/working.json.id`), stderr);
  },
);

testWith(journeyNeeds, 'a command on a terminal is on one of its own', async (t) => {
  const { cli, sh } = await openWorking(t);
  const terminal = cli.terminal(['working', 'run', 'work', 'sh'], { rows: 33, columns: 101 });
  await terminal.waitFor('/ # ');
  terminal.write('tty; stty size; echo made > /made; echo sum $((40+2))\r');
  await terminal.waitFor('/dev/pts/0\r\n33 101\r\nsum 42');
  terminal.write('exit 4\r');
  t.deepEqual(await terminal.exit, { code: 4, signal: 0 });
  t.is(await sh('cat /made'), 'made\n');
});
