/** What is asked and done about images of the store, as an unprivileged user. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

/** Builds a Dockerfile below the tool's directory. */
async function build(cli: Cli, tag: string, dockerfile: string): Promise<string> {
  const directory = join(cli.directory, `context-${tag}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), dockerfile);
  return (await cli.ok(['build', '-q', '-t', tag, directory])).trim();
}

testWith(journeyNeeds, 'history tells the steps, the newest first, with what each layer takes', async (t) => {
  const cli = await openCliWithBusybox(t);
  const long = `RUN echo ${'long '.repeat(20)}> /f`;
  const id = await build(cli, 'made', `FROM busybox\n${long}\nENV A=b\n`);
  const lines = (await cli.ok(['history', 'made'])).trimEnd().split('\n');
  t.is(lines.length, 4);
  t.regex(lines[0] ?? '', /^ID +CREATED +CREATED BY +SIZE +COMMENT$/);
  t.regex(lines[1] ?? '', new RegExp(`^${id.slice(7, 19)} .*ENV A=b.* 0B`));
  t.regex(lines[2] ?? '', /^<missing> .*… /);
  t.regex(lines[3] ?? '', /for tests$/);
  const format = ['history', '--no-trunc', '--human=false', '--format', '{{.ID}} {{.Size}} {{.CreatedBy}}'];
  const whole = (await cli.ok([...format, 'made'])).trimEnd().split('\n');
  t.is(whole[0]?.startsWith(`${id} 0 `), true, whole[0]);
  t.regex(whole[1] ?? '', /^<missing> \d{4,} .*long long$|^<missing> \d{4,} .*long long > \/f/);
  t.deepEqual((await cli.ok(['history', '-q', 'made'])).trim().split('\n').slice(1), [
    '<missing>',
    '<missing>',
  ]);
  const json = JSON.parse(await cli.ok(['image', 'history', '--format', 'json', 'made']));
  t.deepEqual(
    [json[0].tags, json[0].emptyLayer, json[1].emptyLayer],
    [['localhost/made:latest'], true, false],
  );
  t.is((await cli.run(['history', 'nothing'])).code, 125);
});

testWith(journeyNeeds, 'untag takes names away and leaves the image', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['tag', 'busybox', 'one', 'two', 'registry.test/three:3']);
  const names = ['images', '--format', '{{.Repository}}:{{.Tag}}'];
  const foreign = await cli.run(['untag', 'busybox', 'four']);
  t.is(foreign.code, 125);
  t.regex(foreign.stderr, /untag four: it is no name of image .*\n.*localhost\/one:latest/);
  await cli.ok(['untag', 'busybox', 'one', 'registry.test/three:3']);
  t.deepEqual((await cli.ok(names)).trim().split('\n').sort(), [
    'localhost/busybox:latest',
    'localhost/two:latest',
  ]);
  await cli.ok(['image', 'untag', 'two']);
  t.is(await cli.ok(names), '<none>:<none>\n');
  const id = (await cli.ok(['images', '-q'])).trim();
  t.is(await cli.ok(['run', '--rm', '--network', 'none', id, 'echo', 'here']), 'here\n');
  const told = await cli.ok([
    'events',
    '--stream=false',
    '--filter',
    'type=image',
    '--format',
    '{{.Status}} {{.Name}}',
  ]);
  t.regex(told, /untag localhost\/two:latest\n/);
});

testWith(
  journeyNeeds,
  'image prune removes nameless images, with -a all that no container uses',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await build(cli, 'kept', 'FROM busybox\nRUN echo 1 > /f\nLABEL keep=yes\n');
    const old = await build(cli, 'made', 'FROM busybox\nRUN echo 2 > /f\n');
    await build(cli, 'made', 'FROM busybox\nRUN echo 3 > /f\n');
    const unasked = await cli.run(['image', 'prune']);
    t.is(unasked.code, 125);
    t.regex(unasked.stderr, /without a name and without containers/);
    t.is(
      (await cli.ok(['image', 'prune', '-f', '--filter', 'until=1h'])).split('\n')[0],
      'Total reclaimed space: 0B',
    );
    const pruned = await cli.ok(['image', 'prune', '-f']);
    t.regex(pruned, new RegExp(`^${old.slice(7)}\nTotal reclaimed space: .*B\n$`));
    await cli.ok(['create', '--name', 'user', '--network', 'none', 'made', 'true']);
    const all = await cli.ok([
      'image',
      'prune',
      '-f',
      '--filter',
      'dangling=false',
      '--filter',
      'label!=keep',
    ]);
    t.is(all.trim().split('\n').length, 2, all);
    const left = await cli.ok([
      'images',
      '--sort',
      'repository',
      '--format',
      '{{.Repository}} {{.Containers}}',
    ]);
    t.is(left, 'localhost/kept 0\nlocalhost/made 1\n');
    await cli.ok(['rm', 'user']);
    await cli.ok(['image', 'prune', '-af']);
    t.deepEqual(readdirSync(join(cli.root, 'blobs', 'sha256')), []);
  },
);

testWith(journeyNeeds, 'images speaks podman in JSON; rmi -a leaves what containers use', async (t) => {
  const cli = await openCliWithBusybox(t);
  const id = await build(cli, 'made', 'FROM busybox\nRUN echo 1 > /f\nLABEL a=b\n');
  await cli.ok(['tag', 'made', 'made:2']);
  await cli.ok(['create', '--name', 'user', '--network', 'none', 'made', 'true']);
  const [json] = JSON.parse(await cli.ok(['images', '--format', 'json', '--filter', 'containers=true']));
  t.like(json, {
    Id: id.slice(7),
    RepoTags: ['localhost/made:latest', 'localhost/made:2'],
    Labels: { a: 'b' },
    Containers: 1,
    Dangling: false,
  });
  t.is(json.Created, Math.floor(Date.parse(json.CreatedAt) / 1000));
  const [inspected] = JSON.parse(await cli.ok(['image', 'inspect', 'made']));
  t.is(inspected.Id, id);
  const removed = await cli.run(['rmi', '-a']);
  t.is(removed.code, 2);
  t.regex(removed.stderr, /used by container/);
  t.is((await cli.ok(['images', '-q'])).trim(), id.slice(7, 19));
  await cli.ok(['rmi', '-af']);
  t.is(await cli.ok(['images', '-q']), '');
  t.is((await cli.run(['rmi', 'nothing'])).code, 1);
  await cli.ok(['rmi', '--ignore', 'nothing']);
});

testWith(journeyNeeds, 'image tree shows whose the layers are, image diff what they change', async (t) => {
  const cli = await openCliWithBusybox(t);
  await build(cli, 'one', 'FROM busybox\nRUN echo 1 > /tmp/one && rm /etc/group && echo x >> /etc/passwd\n');
  await build(cli, 'two', 'FROM one\nRUN echo 2 > /tmp/two\n');
  const tree = (await cli.ok(['image', 'tree', 'two'])).trimEnd().split('\n');
  t.regex(tree[0] ?? '', /^Image ID: [0-9a-f]{12}$/);
  t.is(tree[1], 'Tags:     [localhost/two:latest]');
  t.regex(tree[4] ?? '', /^├── ID: [0-9a-f]{12} Size: [\d.]+MB Top Layer of: \[localhost\/busybox:latest\]$/);
  t.regex(tree[5] ?? '', /^├── ID: .* Top Layer of: \[localhost\/one:latest\]$/);
  t.regex(tree[6] ?? '', /^└── ID: .* Top Layer of: \[localhost\/two:latest\]$/);
  const above = (await cli.ok(['image', 'tree', '--whatrequires', 'busybox'])).trimEnd().split('\n');
  t.regex(above[4] ?? '', /^└── ID: .*busybox:latest\]$/);
  t.regex(above[5] ?? '', /^ {4}└── ID: .*one:latest\]$/);
  t.regex(above[6] ?? '', /^ {8}└── ID: .*two:latest\]$/);
  const changes = (await cli.ok(['image', 'diff', 'one'])).trimEnd().split('\n');
  t.deepEqual(changes.sort(), ['A /tmp/one', 'C /etc', 'C /etc/passwd', 'C /tmp', 'D /etc/group']);
  t.is(await cli.ok(['diff', 'one']), await cli.ok(['image', 'diff', 'one']));
  t.is(await cli.ok(['diff', 'two', 'one']), await cli.ok(['image', 'diff', 'two', 'one']));
  t.is(
    await cli.ok([
      'image',
      'inspect',
      '-f',
      '{{.Config.Entrypoint}} {{.Config.User}} {{.Config.OnBuild}}',
      'one',
    ]),
    '[]  []\n',
  );
  const id = await cli.ok(['image', 'inspect', '-f', '{{.Id}}', 'one']);
  t.is(await cli.ok(['image', 'inspect', '-f', '{{.ID}}', 'one']), id);
  t.false('ID' in JSON.parse(await cli.ok(['image', 'inspect', 'one']))[0]);
  const unmounted = await cli.run(['image', 'unmount', 'one']);
  t.regex(unmounted.stderr, /unmount image one: it is not mounted/);
  const against = JSON.parse(await cli.ok(['image', 'diff', '--format', 'json', 'two', 'busybox']));
  t.deepEqual(against.added.sort(), ['/tmp/one', '/tmp/two']);
  t.deepEqual(against.deleted, ['/etc/group']);
  t.true(against.changed.includes('/etc/passwd'));
  t.deepEqual((await cli.ok(['image', 'diff', 'busybox', 'two'])).match(/^[AD] .*$/gm), [
    'A /etc/group',
    'D /tmp/one',
    'D /tmp/two',
  ]);
});

testWith(journeyNeeds, 'images are mounted read-only in a namespace of their own', async (t) => {
  const cli = await openCliWithBusybox(t);
  await build(cli, 'made', 'FROM busybox\nRUN echo deep > /f\n');
  const outside = await cli.run(['image', 'mount', 'made']);
  t.is(outside.code, 125);
  t.regex(outside.stderr, /coracle unshare/);
  const program = `${process.execPath} ${join(process.cwd(), 'dist', 'main.cjs')} --root ${cli.root}`;
  const script = [
    `at=$(${program} image mount made)`,
    'cat $at/f',
    'if echo x 2>/dev/null > $at/f; then echo written; fi',
    `${program} image mount`,
    `${program} rmi made || echo kept`,
    `${program} image unmount made`,
    `${program} image unmount -a`,
    `${program} rmi made`,
  ].join('\n');
  const inside = await cli.run(['unshare', 'sh', '-c', script]);
  const lines = inside.stdout.trimEnd().split('\n');
  t.is(lines.shift(), 'deep', inside.stderr);
  t.regex(lines.shift() ?? '', /^[0-9a-f]{12} +localhost\/made:latest +\/.*merged$/);
  t.deepEqual(lines.slice(0, 3), ['kept', 'made', 'Untagged: localhost/made:latest']);
  t.regex(inside.stderr, /remove image .*: it is mounted/);
});

testWith(journeyNeeds, 'history tells of the image for a platform', async (t) => {
  const cli = openCli(t);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\nCOPY Dockerfile /\n',
  );
  await cli.ok(['build', '-q', '--platform', 'linux/amd64,linux/arm64', '-t', 'both', context]);
  const steps = async (platform: string): Promise<string> =>
    cli.ok(['history', '--no-trunc', '--platform', platform, '--format', '{{.ID}} {{.CreatedBy}}', 'both']);
  const [amd64, arm64] = [await steps('linux/amd64'), await steps('linux/arm64')];
  for (const text of [amd64, arm64]) t.regex(text, /^sha256:[0-9a-f]{64} COPY Dockerfile/);
  const image = async (platform: string): Promise<string> =>
    cli.ok(['build', '-q', '--platform', platform, context]);
  t.true(arm64.startsWith((await image('linux/arm64')).trim()));
  t.true(amd64.startsWith((await image('linux/amd64')).trim()));
  t.is((await cli.run(['history', '--platform', 'linux/s390x', 'both'])).code, 125);
});
