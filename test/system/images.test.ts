/** Images from Dockerfile, tar, archive and registry to rmi, as an unprivileged user. */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, cliIn, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath, repositoryRoot, temporaryDirectory } from '../helpers/host.js';
import { writeBusyboxTar } from '../helpers/image.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';

/** A context directory with these files. */
function context(cli: Cli, files: Readonly<Record<string, string>>): string {
  const directory = join(cli.directory, 'context');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const inside = (image: string, ...words: string[]): string[] => [
  'run',
  '--rm',
  '--network',
  'none',
  image,
  ...words,
];

testWith(journeyNeeds, 'the example is built, from the cache the second time, and runs', async (t) => {
  const cli = await openCliWithBusybox(t);
  const directory = join(cli.directory, 'hello');
  cpSync(fixturePath('hello'), directory, { recursive: true });
  const first = await cli.run(['build', '-t', 'hello', '--progress', 'plain', directory]);
  t.is(first.code, 0, first.stderr);
  t.is(first.stdout, '');
  t.regex(
    first.stderr,
    /#\d+ \[\d\/\d\] RUN .*\n(.|\n)*built sha256:[0-9a-f]{64} as localhost\/hello:latest \(0 of \d steps cached\)\n$/,
  );
  const again = await cli.run(['build', '-t', 'hello', directory]);
  t.regex(again.stderr, /#\d+ CACHED\n/);
  const [, cached, steps] = /\((\d) of (\d) steps cached\)/.exec(again.stderr) ?? [];
  t.is(cached, steps);
  const file = join(cli.directory, 'iid');
  const id = await cli.ok(['build', '-q', '--iidfile', file, directory]);
  t.is(`${readFileSync(file, 'utf8')}\n`, id);
  t.is(await cli.ok(['inspect', '-f', '{{.Id}}', 'hello']), id);
  t.regex(await cli.ok(inside('hello', 'cat', 'index.html')), /Hello from coracle/);
  const greeted = await cli.run([
    'build',
    '-t',
    'hello',
    '--build-arg',
    'GREETING=Ahoy',
    '--label',
    'a=b',
    directory,
  ]);
  t.is(greeted.code, 0);
  t.regex(await cli.ok(inside('hello', 'cat', 'index.html')), /Ahoy/);
  t.is(await cli.ok(['inspect', '-f', '{{index .Config.Labels "a"}}', 'hello']), 'b\n');
});

testWith(
  journeyNeeds,
  'a build that fails ends with 1, shows the line and what the step said, and leaves no image',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const failing = context(cli, { Dockerfile: 'FROM busybox\nRUN echo so far so good; exit 3\n' });
    const failed = await cli.run(['build', '-t', 'bad', failing]);
    t.is(failed.code, 1);
    t.regex(failed.stderr, /#2 [\d.]+ so far so good\n/);
    t.regex(failed.stderr, /exit code: 3\n.*Dockerfile:2:1\n1 \| FROM busybox\n2 \| RUN echo.*\n {2}\| \^/);
    const unknown = await cli.run(['build', context(cli, { Dockerfile: 'FROM busybox\nRUNN x\n' })]);
    t.is(unknown.code, 1);
    t.regex(unknown.stderr, /unknown instruction RUNN\n(.|\n)*hint: did you mean RUN\?/);
    const outside = await cli.run(['build', context(cli, { Dockerfile: 'FROM busybox\nCOPY ../x /\n' })]);
    t.is(outside.code, 1);
    t.regex(outside.stderr, /copy \.\.\/x: the path leads out of the build context/);
    const nowhere = await cli.run(['build', join(cli.directory, 'nowhere')]);
    t.is(nowhere.code, 1);
    t.regex(nowhere.stderr, /nowhere: no such directory/);
    t.is((await cli.run(['build', '--memory', 'much', failing])).code, 125);
    t.is((await cli.run(['build'])).code, 125);
    t.is((await cli.run(['inspect', 'bad'])).code, 125);
    t.is(await cli.ok(['ps', '-aq']), '');
  },
);

testWith(
  journeyNeeds,
  'a Dockerfile comes from standard input, a stage by name, a quiet build prints the id alone',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const input = 'FROM busybox AS one\nRUN echo 1 > /n\nFROM one AS two\nRUN echo 2 > /n\nFROM busybox\n';
    const quiet = await cli.run(['build', '-q', '-t', 'two', '--target', 'two', '-'], { input });
    t.regex(quiet.stdout, /^sha256:[0-9a-f]{64}\n$/);
    t.is(quiet.stderr, '');
    t.is(await cli.ok(inside('two', 'cat', '/n')), '2\n');
    const json = await cli.run(['build', '--progress', 'rawjson', '-f', '-', context(cli, { f: 'x' })], {
      input: 'FROM busybox\nCOPY f /f\n',
    });
    t.is(json.code, 0, json.stderr);
    for (const line of json.stderr.trim().split('\n')) t.notThrows(() => JSON.parse(line), line);
  },
);

testWith(journeyNeeds, 'names are given, listed, filtered, inspected and taken away', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['tag', 'busybox', 'box:1', 'registry.example.com/team/box']);
  const list = ['images', '--format', '{{.Repository}}:{{.Tag}}'];
  t.deepEqual((await cli.ok(list)).trim().split('\n').sort(), [
    'localhost/box:1',
    'localhost/busybox:latest',
    'registry.example.com/team/box:latest',
  ]);
  t.is(await cli.ok([...list, '--filter', 'reference=localhost/bo*']), 'localhost/box:1\n');
  t.is((await cli.ok(['images', '-q'])).trim().split('\n').length, 1);
  const [image] = JSON.parse(await cli.ok(['inspect', 'box:1']));
  t.deepEqual(image.Config.Cmd, ['sh']);
  t.is(image.RepoTags.length, 3);
  t.is(image.History[0].comment, 'for tests');
  const ambiguous = await cli.run(['rmi', image.Id.slice(7, 19)]);
  t.is(ambiguous.code, 125);
  t.regex(ambiguous.stderr, /it has 3 names/);
  const both = await cli.run(['rmi', '-a', 'box:1']);
  t.is(both.code, 125);
  t.regex(both.stderr, /--all takes no names/);
  const byDigest = await cli.run(['tag', 'busybox', `registry.example.com/team/box@${image.Id}`]);
  t.is(byDigest.code, 125);
  t.regex(byDigest.stderr, /a digest is no name to give/);
  t.is(
    await cli.ok(['rmi', 'box:1', 'busybox', 'box:1']),
    'Untagged: localhost/box:1\nUntagged: localhost/busybox:latest\n',
  );
  await cli.ok(['run', '--name', 'user', '--network', 'none', 'registry.example.com/team/box', 'true']);
  const used = await cli.run(['rmi', 'registry.example.com/team/box']);
  t.is(used.code, 2);
  t.regex(used.stderr, /used by container/);
  await cli.ok(['rm', 'user']);
  t.regex(await cli.ok(['rmi', 'registry.example.com/team/box']), /^Untagged: .*\nDeleted: sha256:/);
  t.is(await cli.ok(['images', '-q']), '');
  t.deepEqual(readdirSync(join(cli.root, 'blobs', 'sha256')), []);
});

testWith(
  journeyNeeds,
  'archives of both formats carry images, names and layers to an empty store',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok([
      'build',
      '-q',
      '-t',
      'made:7',
      context(cli, { Dockerfile: 'FROM busybox\nRUN echo deep > /f\n' }),
    ]);
    const id = await cli.ok(['inspect', '-f', '{{.Id}}', 'made:7']);
    for (const format of ['docker-archive', 'oci-archive']) {
      const file = join(cli.directory, `${format}.tar`);
      await cli.ok(['save', '--format', format, '-o', file, 'made:7']);
      const other = openCli(t);
      t.is(await other.ok(['load', '-i', file]), 'Loaded image: localhost/made:7\n');
      t.is(await other.ok(['inspect', '-f', '{{.Id}}', 'made:7']), id);
      t.is(await other.ok(inside('made:7', 'cat', '/f')), 'deep\n');
    }
    const piped = `"$0" --root "$1" save made:7 | head -c 5 | wc -c; "$0" --root "$1" save made:7 | "$0" --root "$2" load`;
    const words = [
      '-c',
      piped,
      join(repositoryRoot(), 'dist', 'coracle'),
      cli.root,
      join(cli.directory, 'third'),
    ];
    const { stdout, stderr } = await runProgram('sh', words, { env: cli.env });
    t.is(stdout, '5\nLoaded image: localhost/made:7\n', stderr);
    t.notRegex(stderr, /coracle:/);
    const junk = join(cli.directory, 'junk');
    writeFileSync(junk, 'no archive at all');
    t.is((await cli.run(['load', '-i', junk])).code, 125);
    t.is((await cli.run(['save', '-o', join(cli.directory, 'x'), 'nothing'])).code, 125);
    t.deepEqual(
      readdirSync(cli.directory).filter((name) => name.startsWith('x')),
      [],
    );
  },
);

testWith(
  [...journeyNeeds, missingRegistry()],
  'an image goes through a registry and keeps its digest',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const registry = await startRegistry(t);
    const name = `${registry.host}/team/busybox:1`;
    const digestFile = join(cli.directory, 'digest');
    const digest = await cli.ok(['push', '-q', '--digestfile', digestFile, 'busybox', name]);
    t.is(`${readFileSync(digestFile, 'utf8')}\n`, digest);
    const other = openCli(t);
    const pulled = await other.run(['pull', name]);
    t.is(pulled.code, 0, pulled.stderr);
    t.is(pulled.stdout, await cli.ok(['inspect', '-f', '{{.Id}}', 'busybox']));
    t.regex(pulled.stderr, /^[0-9a-f]{12}: done$/m);
    t.is(await other.ok(['images', '--format', '{{.Digest}}']), digest);
    t.is(await other.ok(['push', '-q', name, `${registry.host}/copy`]), digest);
    await other.ok(['rmi', name]);
    t.is(await other.ok(inside(name, 'echo', 'pulled by run')), 'pulled by run\n');
    const missing = await other.run(['pull', `${registry.host}/nothing`]);
    t.is(missing.code, 125);
    t.regex(missing.stderr, /not found/);
    await registry.stop();
    const vanished = await other.run(['pull', '--retry', '0', name]);
    t.is(vanished.code, 125);
    t.regex(vanished.stderr, /refused the connection\nhint/);
    t.is(await other.ok(inside(name, 'echo', 'still here')), 'still here\n');
  },
);

testWith(
  [...journeyNeeds, missingRegistry({ password: true, tls: true })],
  'login keeps what the registry takes, and logout forgets it',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const registry = await startRegistry(t, { password: true, tls: true });
    const tls = ['--cert-dir', registry.certDir];
    const name = `${registry.host}/secret:1`;
    const refused = await cli.run(['push', '-q', ...tls, 'busybox', name]);
    t.is(refused.code, 125);
    t.regex(refused.stderr, /hint: .*coracle login/);
    const wrong = await cli.run(
      ['login', ...tls, '-u', registryUser.username, '--password-stdin', registry.host],
      { input: 'wr0ng-pass' },
    );
    t.is(wrong.code, 125);
    t.notRegex(wrong.stderr, /wr0ng-pass/);
    const login = ['login', ...tls, '-u', registryUser.username];
    t.is(
      await cli.ok([...login, '--password-stdin', registry.host], { input: `${registryUser.password}\n` }),
      'Login Succeeded\n',
    );
    t.is(await cli.ok(['login', '--get-login', registry.host]), `${registryUser.username}\n`);
    t.regex(await cli.ok(['push', '-q', ...tls, 'busybox', name]), /^sha256:/);
    const creds = await cli.run(['pull', '-q', ...tls, '--creds', 'captain:no', name]);
    t.is(creds.code, 125);
    t.regex(await cli.ok(['logout', registry.host]), /Removed login credentials for/);
    t.is((await cli.run(['logout', registry.host])).code, 125);
    t.is((await cli.run(['pull', '-q', ...tls, name])).code, 125);
    const untrusted = await cli.run(['pull', '--retry', '0', '--tls-verify', '--creds', 'captain:x', name]);
    t.is(untrusted.code, 125);
    t.regex(untrusted.stderr, /certificate/);
  },
);

testWith(
  [...journeyNeeds, missingRegistry({ password: true })],
  'a password is asked for without showing it',
  async (t) => {
    const cli = openCli(t);
    const registry = await startRegistry(t, { password: true });
    const terminal = cli.terminal(['login', registry.host]);
    await terminal.waitFor('Username: ');
    terminal.write(`${registryUser.username}\r`);
    await terminal.waitFor('Password: ');
    terminal.write(`wrong\x15${registryUser.password}x\x7f\r`);
    await terminal.waitFor('Login Succeeded');
    t.is((await terminal.exit).code, 0);
    t.false(terminal.text().includes(registryUser.password));
  },
);

testWith(journeyNeeds, 'two tools on one store build, tag and remove at the same time', async (t) => {
  const directory = temporaryDirectory(t);
  const cli = cliIn(t, directory);
  const tar = writeBusyboxTar(join(directory, 'busybox.tar'));
  await cli.ok(['import', tar, 'busybox']);
  const work = async (index: number): Promise<void> => {
    const input = `FROM busybox\nRUN echo ${index} > /n\n`;
    await cli.ok(['build', '-q', '-t', `image${index}`, '-'], { input });
    t.is(await cli.ok(inside(`image${index}`, 'cat', '/n')), `${index}\n`);
    await cli.ok(['rmi', `image${index}`]);
  };
  await Promise.all([1, 2, 3].map(work));
  t.is(await cli.ok(['images', '--format', '{{.Repository}}']), 'localhost/busybox\n');
});
