/** Real Dockerfiles over Debian and its package archive: built, used, and built again without a step that runs. */
import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { eventually, journeyNeeds } from '../helpers/busybox.js';
import { type Cli, cliIn, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath, missingDevice, missingProgram, removeTree } from '../helpers/host.js';
import { debianTar, missingArchive, missingDebootstrap } from '../helpers/image.js';

const needs = [
  ...journeyNeeds,
  missingDebootstrap(),
  missingProgram('pasta'),
  missingDevice('/dev/net/tun'),
  missingArchive(),
];

/** One store for all of them: one Debian, and one index of packages in the cache mounts that they share. */
const shared = mkdtempSync(join(tmpdir(), 'c-'));
let imported: Promise<unknown> | undefined;

test.after.always('the store is removed', () => removeTree(shared));

async function openStore(t: ExecutionContext<unknown>): Promise<Cli> {
  t.timeout(300_000);
  const cli = cliIn(t, shared);
  imported ??= cli.ok(['import', debianTar(), 'debian'], { timeout: 120_000 });
  await imported;
  return cli;
}

/** Builds `directory` twice: the second time nothing runs. */
async function build(t: ExecutionContext<unknown>, cli: Cli, tag: string, directory: string): Promise<void> {
  const words = ['build', '--progress', 'plain', '-t', tag, directory];
  const built = await cli.run(words, { timeout: 240_000 });
  t.is(built.code, 0, built.stderr.slice(-4000));
  const again = await cli.run(words);
  const [, cached, all] = /\((\d+) of (\d+) steps cached\)/.exec(again.stderr) ?? [];
  t.truthy(all, again.stderr);
  t.is(cached, all, again.stderr);
}

/** Runs a server with its port published on loopback until the test ends. */
async function serveImage(t: ExecutionContext<unknown>, cli: Cli, image: string, port: number) {
  await cli.ok(['run', '-d', '--name', image, '-p', `127.0.0.1::${port}`, image]);
  t.teardown(() => cli.ok(['rm', '-f', image]));
  const shown = await cli.ok(['port', image]);
  return Number(/127\.0\.0\.1:(\d+)/.exec(shown)?.[1]);
}

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
