/** Many containers at once, requests that fail, and the life of a container over each driver: nothing stays behind. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { ExecutionContext } from 'ava';
import {
  familyOf,
  image,
  leftovers,
  mountsBelow,
  openStore,
  rolesOf,
  statusOf,
  survivors,
  until,
} from '../faults/fixture.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import {
  type Missing,
  missingCli,
  missingDevice,
  missingProgram,
  missingUserNamespaces,
} from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { freePort } from '../helpers/web.js';

const base = [missingCli(), missingUserNamespaces(), missingBusybox()];
const fuse = [missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')];
const pasta = [missingProgram('pasta'), missingDevice('/dev/net/tun')];

testWith(base, 'a hundred containers at once start, are listed, entered, stopped and removed', async (t) => {
  t.timeout(180_000);
  const { cli } = await openStore(t);
  const names = Array.from({ length: 100 }, (_, index) => `many${index}`);
  const ids = await inGroups(names, 10, async (name) => {
    const command = ['run', '-d', '--network', 'none', '--name', name, image];
    return (await cli.ok([...command, 'sh', '-c', 'trap "exit 3" TERM; sleep 1000 & wait'])).trim();
  });
  const listed = (await cli.ok(['ps', '--format', '{{.Names}}'])).trim().split('\n');
  t.deepEqual([...listed].sort(), [...names].sort());
  const families = ids.flatMap((id) => rolesOf(cli, id).all);
  const answers = await inGroups(names, 5, async (name) => cli.ok(['exec', name, 'hostname']));
  t.deepEqual(
    answers.map((answer) => answer.trim()),
    ids.map((id) => id.slice(0, 12)),
  );
  await cli.ok(['stop', ...names.slice(0, 50)]);
  t.regex(await statusOf(cli, 'many0'), /^Exited \((3|143)\)/);
  await Promise.all([cli.ok(['rm', ...names.slice(0, 50)]), cli.ok(['rm', '-f', ...names.slice(50)])]);
  await until('all processes are gone', () => survivors(families).length === 0);
  await expectNothing(t, cli);
});

testWith(base, 'twenty containers of --rm at once leave nothing', async (t) => {
  const { cli } = await openStore(t);
  const numbers = Array.from({ length: 20 }, (_, index) => `${index}`);
  const outputs = await inGroups(numbers, 5, async (number) =>
    cli.run(['run', '--rm', '--network', 'none', image, 'sh', '-c', `echo ${number}; exit ${number}`]),
  );
  t.deepEqual(
    outputs.map(({ stdout, code, stderr }) => `${stdout.trim()} ${code} ${stderr}`),
    numbers.map((number) => `${number} ${number} `),
  );
  await expectNothing(t, cli);
});

const drivers: readonly (readonly [string, readonly Missing[]])[] = [
  ['overlay', []],
  ['fuse-overlayfs', fuse],
  ['copy', []],
];
for (const [driver, needs] of drivers) {
  testWith([...base, ...needs], `${driver}: from run to rm a container is what it says`, async (t) => {
    const { cli } = await openStore(t);
    const flags = ['--storage-driver', driver, 'run', '--network', 'none'];
    const script = 'rm /etc/group; echo new > /etc/new; trap "exit 5" TERM; echo up; sleep 1000 & wait';
    const id = (await cli.ok([...flags, '-d', '--name', 'x', image, 'sh', '-c', script])).trim();
    const { all } = rolesOf(cli, id);
    await until('it printed', async () => (await cli.ok(['logs', 'x'])) === 'up\n');
    t.is(
      await cli.ok(['exec', 'x', 'sh', '-c', 'cat /etc/new; ls /etc']),
      'new\nhostname\nhosts\nnew\npasswd\nresolv.conf\n',
    );
    t.is((await cli.run(['exec', 'x', 'sh', '-c', 'exit 6'])).code, 6);
    await cli.ok(['stop', 'x']);
    t.regex(await statusOf(cli, 'x'), /^Exited \(5\)/);
    t.is((await cli.run(['rmi', image])).code, 2, 'an image in use stays');
    await cli.ok(['rm', 'x']);
    await until('all processes are gone', () => survivors(all).length === 0);
    const rest = await cli.run([
      ...flags,
      '--rm',
      '-u',
      '33:33',
      image,
      'sh',
      '-c',
      'touch /tmp/x && id -u; exit 7',
    ]);
    t.is(`${rest.stdout}${rest.code}${rest.stderr}`, '33\n7');
    await expectNothing(t, cli);
  });
}

type Refusal = readonly [string, readonly string[], number, RegExp];
const unused = 'run --rm --network none'.split(' ');
const refusals: readonly Refusal[] = [
  [
    'a command that is not there',
    [...unused, image, 'nosuch'],
    127,
    /^coracle: execute nosuch: not found in PATH/,
  ],
  [
    'a path that is not there',
    [...unused, image, '/no/such'],
    127,
    /^coracle: execute \/no\/such: no such file/,
  ],
  [
    'a file that is not executable',
    [...unused, image, '/etc/passwd'],
    126,
    /^coracle: execute .*: permission denied/,
  ],
  ['a directory as the command', [...unused, image, '/etc'], 126, /^coracle: execute \/etc: /],
  [
    'a user who is not there',
    [...unused, '-u', 'nobody2', image, 'id'],
    125,
    /nobody2: no such user[\s\S]*hint: /,
  ],
  [
    'a group that is not there',
    [...unused, '-u', '0:nogroup2', image, 'id'],
    125,
    /nogroup2: no such group[\s\S]*hint: /,
  ],
  [
    'a uid beyond the ids',
    [...unused, '-u', '99999999', image, 'id'],
    125,
    /uid 99999999 is not mapped[\s\S]*hint: /,
  ],
  [
    'an image that is not there',
    [...unused, 'localhost/none', 'id'],
    125,
    /localhost\/none: not in the store[\s\S]*hint: /,
  ],
  [
    'a digest nobody has',
    [...unused, `${image}@sha256:${'0'.repeat(64)}`, 'id'],
    125,
    /not in the store[\s\S]*hint: /,
  ],
  ['a malformed digest', [...unused, `${image}@sha256:abc`, 'id'], 125, /parse reference[\s\S]*hint: /],
  ['a bind source that is not there', [...unused, '-v', '/no/such:/x', image, 'id'], 125, /\/no\/such/],
];
testWith(
  base,
  'every request that cannot be met is one error with its exit code, in front and behind',
  async (t) => {
    const { cli } = await openStore(t);
    for (const [title, args, code, says] of refusals) {
      for (const words of [args, ['run', '-d', ...args.slice(1)]]) {
        const outcome = await cli.run(words);
        t.is(outcome.code, code, `${title}: ${outcome.stderr}`);
        if (words === args) t.regex(outcome.stderr, says, title);
        t.is(
          outcome.stderr.split('\n').filter((line) => line.startsWith('coracle: ')).length,
          1,
          outcome.stderr,
        );
        t.deepEqual(leftovers(cli), [], title);
      }
    }
    const script = 'printf "#!/no/such\\n" > /s; chmod 755 /s; exec /s';
    t.is((await cli.run([...unused, image, 'sh', '-c', script])).code, 127, 'a missing interpreter');
    await expectNothing(t, cli);
  },
);

testWith([...base, ...pasta], 'a port or a name that is taken is refused, whoever has it', async (t) => {
  const { cli } = await openStore(t);
  const tcp = createServer().listen(0, '127.0.0.1');
  const udp = createSocket('udp4');
  t.teardown(() => {
    tcp.close();
    udp.close();
  });
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  const address = tcp.address();
  const taken = [`${typeof address === 'object' ? address?.port : 0}:80`, `${udp.address().port}:53/udp`];
  const port = await freePort();
  await cli.ok(['run', '-d', '--name', 'x', '-p', `127.0.0.1:${port}:80`, image, 'sleep', '1000']);
  for (const publish of [...taken, `${port}:80`]) {
    for (const mode of ['--rm', '-d']) {
      const flags = ['run', '--rm', mode, '--name', 'y', '-p', `127.0.0.1:${publish}`];
      const outcome = await cli.run([...flags, image, 'true']);
      t.is(outcome.code, 125, outcome.stderr);
      t.regex(outcome.stderr, /publish.*: address (already )?in use\nhint: choose another host port/);
      t.is(await statusOf(cli, 'y'), '');
    }
  }
  const second = await cli.run(['run', '--rm', '--name', 'x', image, 'true']);
  t.is(second.code, 125);
  t.regex(
    second.stderr,
    /the name is used by [0-9a-f]{12}\nhint: remove it with coracle rm x, or choose another/,
  );
  await cli.ok(['rm', '-f', 'x']);
  t.is((await cli.run(['run', '--rm', '-p', `127.0.0.1:${port}:80`, image, 'true'])).code, 0);
  await expectNothing(t, cli);
});

async function expectNothing(t: ExecutionContext<unknown>, cli: Cli): Promise<void> {
  t.is((await cli.ok(['ps', '-aq'])).trim(), '');
  await until('nothing is left', () => leftovers(cli).length === 0);
  t.deepEqual(mountsBelow(cli.directory), []);
  t.true(familyOf(process.pid).length < 20, 'no child of the test is left');
}

/** All of them, so many at a time. */
async function inGroups<T, R>(
  items: readonly T[],
  size: number,
  action: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += size) {
    results.push(...(await Promise.all(items.slice(start, start + size).map(action))));
  }
  return results;
}
