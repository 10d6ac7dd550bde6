/** `system reset`, and `system prune` with its filters, also where nothing is free. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { image } from '../faults/fixture.js';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { onHost, program } from './bad-host.js';

const network = ['--network', 'none'];
const needs = [...journeyNeeds, missingProgram('unshare')];

testWith(needs, 'reset ends what runs and leaves nothing, whoever owns it', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['network', 'create', 'shop']);
  const closed =
    'mkdir /d/closed; touch /d/closed/file; chown -R 1000:1000 /d/closed; chmod 700 /d/closed; exec sleep 1000';
  await cli.ok([
    'run',
    '-d',
    '--name',
    'one',
    '--network',
    'shop',
    '-v',
    'data:/d',
    'busybox',
    'sh',
    '-c',
    closed,
  ]);
  await cli.ok(['run', '-d', '--name', 'two', ...network, '--restart', 'always', 'busybox', 'sleep', '1000']);
  const broken = (await cli.ok(['inspect', '-f', '{{.Id}}', 'two'])).trim();
  const pids = (await cli.ok(['inspect', '-f', '{{.State.Pid}}', 'one', 'two'])).trim().split('\n');
  writeFileSync(join(cli.root, 'containers', broken, 'container.json'), '{"version":7}');
  t.is((await cli.run(['system', 'reset'], { input: 'n\n' })).code, 1);
  t.true(existsSync(join(cli.root, 'index.json')));
  t.is((await cli.run(['system', 'reset'])).code, 125, 'nobody answers');
  const done = await cli.run(['system', 'reset'], { input: 'y\n' });
  t.is(done.code, 0, done.stderr);
  t.regex(done.stderr, /removed .*root with 2 containers\n$/);
  t.false(existsSync(cli.root));
  for (const pid of pids) t.false(existsSync(`/proc/${pid}`));
  t.deepEqual(readdirSync(join(cli.runtime, 'coracle', 'c')), []);
  t.is(await cli.ok(['images', '-q']), '', 'the next command makes a new store');
});

testWith(needs, 'reset refuses what is no store, and keeps what is not its own', async (t) => {
  const cli = await openCliWithBusybox(t);
  const at = (root: string): Promise<{ readonly code: number | null; readonly stderr: string }> =>
    cli.run(['--root', root, 'system', 'reset', '-f']);
  const project = join(cli.directory, 'project');
  for (const name of ['', 'build', 'containers', 'blobs', 'snapshots', 'staging'])
    mkdirSync(join(project, name), { recursive: true });
  writeFileSync(join(project, 'version'), '1\n');
  writeFileSync(join(project, 'build', 'work'), 'mine');
  const refused = await at(project);
  t.is(refused.code, 125);
  t.regex(refused.stderr, /it is no store of coracle\nhint: nothing was removed/);
  t.true(existsSync(join(project, 'build', 'work')));
  t.regex((await at(cli.directory)).stderr, /it is no store/);
  t.regex((await at(join(cli.directory, 'none'))).stderr, /there is none/);
  t.false(existsSync(join(cli.directory, 'none')));
  t.regex((await at(join(project, 'version'))).stderr, /it is no store|not a directory/);

  writeFileSync(join(cli.root, 'version'), '99\n');
  t.regex((await at(cli.root)).stderr, /format 99 is newer/);
  writeFileSync(join(cli.root, 'version'), '1\n');
  writeFileSync(join(cli.root, 'letter.txt'), 'mine');
  mkdirSync(join(cli.root, 'photos'));
  const kept = await at(cli.root);
  t.is(kept.code, 0);
  t.regex(kept.stderr, /left in it.*letter.txt, photos\n$/);
  t.deepEqual(readdirSync(cli.root), ['letter.txt', 'photos']);
});

testWith(
  needs,
  'prune obeys its filters, and --build takes working containers and all of the cache',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(
      join(context, 'Dockerfile'),
      `FROM busybox\nLABEL keep=yes\nRUN --mount=type=cache,target=/c echo x > /c/x && echo made > /made\n`,
    );
    await cli.ok(['build', '-q', '-t', 'web', context]);
    await cli.ok(['create', '--name', 'old', '--label', 'keep=yes', ...network, 'web']);
    await cli.ok(['create', '--name', 'new', '--label', 'keep=no', ...network, 'busybox']);
    await cli.ok(['volume', 'create', '--label', 'keep=yes', 'data']);
    await cli.ok(['volume', 'create', 'junk']);
    await cli.ok(['working', 'from', '--name', 'work', 'busybox']);
    const names = async (): Promise<readonly string[]> => [
      ...(await cli.ok(['ps', '-a', '--format', '{{.Names}}'])).trim().split('\n'),
      ...(await cli.ok(['volume', 'ls', '-q'])).trim().split('\n'),
      ...(await cli.ok(['images', '--format', '{{.Repository}}'])).trim().split('\n').sort(),
    ];
    const all = ['system', 'prune', '-af', '--volumes', '--filter'];
    await cli.ok([...all, 'until=1h']);
    const everything = ['new', 'old', 'data', 'junk', 'localhost/busybox', 'localhost/web'];
    t.deepEqual(await names(), everything);
    await cli.ok([...all, 'label=keep=maybe']);
    t.deepEqual(await names(), everything);
    await cli.ok([...all, 'label!=keep=yes']);
    // The working container still needs its image.
    t.deepEqual(await names(), ['old', 'data', 'localhost/busybox', 'localhost/web']);
    t.is((await cli.run([...all, 'colour=red'])).code, 125);
    t.regex(await cli.ok(['builder', 'du']), /\n[0-9a-f]{64} .*true/);
    t.is(await cli.ok(['working', 'containers', '-q']).then((text) => text.trim().length > 0), true);
    const text = await cli.ok(['system', 'prune', '-f', '--build']);
    t.regex(text, /Deleted Working Containers\n[0-9a-f]{12,64}\n/);
    t.is(await cli.ok(['working', 'containers', '-q']), '');
    const rows = JSON.parse(await cli.ok(['system', 'df', '--format', 'json'])) as {
      Type: string;
      Total: number;
    }[];
    t.is(rows.find(({ Type }) => Type === 'Build Cache')?.Total, 0);
  },
);

testWith(needs, 'prune frees a file system on which not a byte is free', async (t) => {
  const cli = await openCliWithBusybox(t);
  const [root, archive] = [join(cli.directory, 'small'), join(cli.directory, 'busybox.tar')];
  mkdirSync(root);
  const coracle = `${program} --root ${root}/s`;
  const left = `find ${root}/s/staging ${root}/s/trash ${root}/s/containers ${root}/s/volumes -mindepth 1 ! -name .names | sort`;
  const script = [
    `mount -t tmpfs -o size=24m none ${root}`,
    `${coracle} import ${archive} ${image}`,
    `${coracle} tag ${image} localhost/other`,
    `${coracle} run --name kept --network none -v data:/d ${image} sh -c 'dd if=/dev/zero of=/d/x bs=1M count=2; echo x > /x' 2>/dev/null`,
    `${coracle} commit -q kept localhost/made`,
    `cat /dev/zero > ${root}/fill 2>/dev/null || true`,
    `cat /dev/zero > ${root}/fill2 2>/dev/null || true`,
    `echo free $(stat -f -c %a ${root})`,
    `${coracle} system df >/dev/null && echo measured`,
    `${coracle} system check --quick`,
    `${coracle} system prune -af --volumes --build`,
    `echo left; ${left}; echo end`,
    `${coracle} images -q`,
    `rm ${root}/fill*`,
    `${coracle} import ${archive} ${image} && ${coracle} run --rm --network none ${image} echo again`,
  ];
  const { code, stdout, stderr } = await onHost(cli, script.join('\n'), ['version']);
  t.is(code, 0, `${stdout}${stderr}`);
  t.regex(stdout, /free 0\nmeasured\n/);
  t.regex(
    stdout,
    /Deleted Containers\n[\s\S]*Deleted Volumes\ndata\n[\s\S]*Deleted Images\n[\s\S]*Total reclaimed space: \d/,
  );
  t.regex(stdout, /\nleft\nend\n[\s\S]*again\n/);
});

testWith(needs, 'whatever removes or prunes works where not a byte is free, and frees some', async (t) => {
  const cli = await openCliWithBusybox(t);
  const [root, archive] = [join(cli.directory, 'small'), join(cli.directory, 'busybox.tar')];
  mkdirSync(root);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  const noise = 'dd if=/dev/urandom bs=64k count=4 of=';
  writeFileSync(join(context, 'Dockerfile'), `FROM ${image}\nRUN ${noise}/big\n`);
  const coracle = `${program} --root ${root}/s`;
  const verbs = [
    'rm two',
    'container prune -f',
    'volume rm junk',
    'volume prune -af',
    'rmi localhost/web',
    'image prune -f',
    'builder prune -af',
    'image prune -af',
    'system reset -f',
  ];
  const script = [
    `mount -t tmpfs -o size=32m none ${root}`,
    `${coracle} import -q ${archive} ${image}`,
    `${coracle} build -q --network none -t localhost/web ${context}`,
    `${coracle} build -q --network none --no-cache -t localhost/web ${context}`,
    ...['one', 'two'].map(
      (name) => `${coracle} run --name ${name} --network none -v ${name}:/d ${image} ${noise}/d/x`,
    ),
    `${coracle} volume create junk; dd if=/dev/urandom bs=64k count=4 of=${root}/s/volumes/junk/_data/x`,
    ...verbs.flatMap((verb) => [
      `cat /dev/zero > ${root}/fill 2>/dev/null || true`,
      `echo "before $(stat -f -c %a ${root})"; ${coracle} ${verb} || echo "failed: ${verb}"`,
      `echo "after $(stat -f -c %a ${root}) ${verb}"; rm ${root}/fill`,
    ]),
    `ls ${root}`,
  ];
  const { code, stdout, stderr } = await onHost(cli, script.join('\n'), ['version']);
  t.is(code, 0, `${stdout}${stderr}`);
  t.notRegex(stdout, /^failed/m);
  t.is(stdout.match(/^before 0$/gm)?.length, verbs.length);
  for (const verb of verbs) t.regex(stdout, new RegExp(`^after [1-9][0-9]* ${verb}$`, 'm'));
});
