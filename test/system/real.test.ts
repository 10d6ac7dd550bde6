/** Real Dockerfiles over Debian and its package archive: built, used, and built again without a step that runs. */
import { cpSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath, missingProgram } from '../helpers/host.js';
import { fetchText, gitHandler, missingGit, serve, TestRepository } from '../helpers/web.js';
import { build, listImage, needs, openStore, serveImage, shared } from './real-fixture.js';

testWith(needs, 'a database server: queried from inside and through its port', async (t) => {
  const cli = await openStore(t);
  await build(t, cli, 'database', fixturePath('real', 'database'));
  const port = await serveImage(t, cli, 'database', 6379);
  const client = ['exec', 'database', 'redis-cli'];
  await eventually(async () => ((await cli.run([...client, 'ping'])).stdout === 'PONG\n' ? true : undefined));
  t.is(await cli.ok([...client, 'set', 'word', 'kept']), 'OK\n');
  t.is(await ask(port, 'GET word\r\n', /\r\n.*\r\n/), '$4\r\nkept\r\n');
});

testWith(
  [...needs, missingProgram('ssh'), missingProgram('ssh-keygen')],
  'an ssh server: a guest comes in by key',
  async (t) => {
    const cli = await openStore(t);
    const context = join(shared, 'sshd');
    cpSync(fixturePath('real', 'sshd'), context, { recursive: true });
    const key = join(shared, 'key');
    const made = await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    t.is(made.code, 0, made.stderr);
    cpSync(`${key}.pub`, join(context, 'authorized_keys'));
    await build(t, cli, 'sshd', context);
    const port = await serveImage(t, cli, 'sshd', 22);
    const options = [
      '-F',
      'none',
      '-i',
      key,
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
    ];
    const words = [
      ...options,
      '-o',
      'BatchMode=yes',
      '-p',
      `${port}`,
      'guest@127.0.0.1',
      'id -un; cat .ssh/*',
    ];
    const seen = await eventually(async () => {
      const { code, stdout } = await runProgram('ssh', words);
      return code === 0 ? stdout : undefined;
    });
    t.is(seen, `guest\n${readFileSync(`${key}.pub`, 'utf8')}`);
  },
);

testWith(needs, 'a C program: linked in one stage, alone in the other', async (t) => {
  const cli = await openStore(t);
  await build(t, cli, 'count', fixturePath('real', 'c-static'));
  const run = ['run', '--rm', '-i', '--network', 'none', '--read-only', 'count'];
  t.is((await cli.run(run, { input: 'three short words\n' })).stdout, '3\n');
  const stubs = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf'];
  t.deepEqual(
    (await listImage(cli, 'count')).filter((file) => !stubs.includes(file)),
    ['count'],
  );
});

testWith(needs, 'tools from Debian: their archives stay in the caches, not in the image', async (t) => {
  const cli = await openStore(t);
  await build(t, cli, 'toolbox', fixturePath('real', 'toolbox'));
  const files = await listImage(cli, 'toolbox');
  t.true(files.includes('usr/bin/jq'));
  t.true(files.includes('jq-version'));
  t.deepEqual(
    files.filter((file) => file.endsWith('.deb') || /^var\/lib\/apt\/lists\/.*Packages/.test(file)),
    [],
  );
  const caches = await cli.ok(['builder', 'du', '--filter', 'type=exec.cachemount']);
  t.true(caches.split('\n').filter((line) => /^[0-9a-f]{64} +true/.test(line)).length >= 2, caches);
});

testWith(needs, 'Python: a virtual environment goes from stage to stage and runs as nobody', async (t) => {
  const cli = await openStore(t);
  await build(t, cli, 'greeter', fixturePath('real', 'python-venv'));
  const run = ['run', '--rm', '--network', 'none', 'greeter'];
  t.is(await cli.ok(run), 'hello world\n/opt/greeter\n');
  t.is(await cli.ok([...run, 'every', 'body']), 'hello every body\n/opt/greeter\n');
  t.false((await listImage(cli, 'greeter')).some((file) => file.includes('wheel/__init__.py')));
});

testWith(
  needs,
  'a site: put together in one stage, served by the other, and the same from git',
  async (t) => {
    const cli = await openStore(t);
    const fixture = fixturePath('real', 'site');
    await build(t, cli, 'site', fixture, '--build-arg', 'TITLE=Ours');
    const port = await serveImage(t, cli, 'site', 8080);
    const page = await eventually(() => fetchText(`http://127.0.0.1:${port}/other.html`));
    t.is(page, '<!doctype html>\n<title>Ours</title>\n<p>This is another page.</p>\n');
    t.regex(await cli.ok(['logs', 'site']), /GET \/other.html/);
    await cli.ok(['stop', 'site']);
    t.is(await cli.ok(['inspect', '-f', '{{.State.ExitCode}}', 'site']), '0\n');
    if (missingGit() !== undefined) return;

    const repository = new TestRepository(join(cli.directory, 'git', 'sites.git'));
    cpSync(fixture, join(repository.path, 'web'), { recursive: true });
    repository.commit({ readme: 'sites' });
    const { url } = await serve(t, gitHandler(join(cli.directory, 'git')));
    const from = ['build', '--progress', 'plain', '-t', 'from-git', '--build-arg', 'TITLE=Ours'];
    const built = await cli.run([...from, `${url}/sites.git#main:web`], { timeout: 240_000 });
    t.is(built.code, 0, built.stderr.slice(-4000));
    const pages = ['--network', 'none', 'from-git', 'cat', '/var/www/html/index.html'];
    t.is(
      await cli.ok(['run', '--rm', ...pages]),
      '<!doctype html>\n<title>Ours</title>\n<p>This is the first page.</p>\n',
    );
  },
);

/** What a server answers to `text`, as far as `end` matches. */
function ask(port: number, text: string, end: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.setTimeout(10_000, () => socket.destroy(new Error(`ask ${port}: answered ${answer}`)));
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
      if (!end.test(answer)) return;
      socket.destroy();
      resolve(answer);
    });
  });
}
