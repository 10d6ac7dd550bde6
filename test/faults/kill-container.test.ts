/** kill -9 of each process of a running container: the truth afterwards, and nothing left. */
import { randomInt } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingDevice, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { freePort } from '../helpers/web.js';
import {
  argumentsOf,
  familyOf,
  image,
  leftovers,
  mountsBelow,
  openStore,
  type Process,
  type Roles,
  rolesOf,
  statusOf,
  survivors,
  until,
} from './fixture.js';

const base = [missingCli(), missingUserNamespaces(), missingBusybox()];
const networked = [...base, missingProgram('pasta'), missingDevice('/dev/net/tun')];

const server = ['httpd', '-f', '-p', '80', '-h', '/etc'];

async function startServer(cli: Cli, port: number, ...flags: readonly string[]): Promise<Roles> {
  const id = await cli.ok([
    'run',
    '-d',
    '--name',
    'x',
    '-p',
    `127.0.0.1:${port}:80`,
    ...flags,
    image,
    ...server,
  ]);
  return rolesOf(cli, id.trim());
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/group`, { signal: AbortSignal.timeout(1000) });
    return (await response.text()).startsWith('root:');
  } catch {
    return false;
  }
}

/** After its end: nobody lives, nothing is mounted, the name and the port can be had again, and then nothing is left. */
async function expectGone(
  t: ExecutionContext<unknown>,
  cli: Cli,
  processes: readonly Process[],
): Promise<void> {
  await until('all its processes are gone', () => survivors(processes).length === 0);
  t.deepEqual(mountsBelow(cli.directory), []);
  await cli.ok(['rm', 'x']);
  t.deepEqual(leftovers(cli), []);
}

type Deadly = { readonly role: 'supervisor' | 'infra' | 'init'; readonly reason: RegExp };
const deadly: readonly Deadly[] = [
  { role: 'supervisor', reason: /supervisor was killed/ },
  { role: 'infra', reason: /holds the container's mounts has died/ },
  { role: 'init', reason: /^$/ },
];

for (const { role, reason } of deadly) {
  testWith(networked, `kill -9 of the ${role} ends the container and frees all it had`, async (t) => {
    const { cli } = await openStore(t);
    const port = await freePort();
    const roles = await startServer(cli, port);
    await until('the server answers', () => answers(port));
    process.kill(roles[role], 'SIGKILL');
    await until('it has exited', async () => (await statusOf(cli, 'x')).startsWith('Exited'));
    t.regex(await statusOf(cli, 'x'), /^Exited \(137\)/);
    t.regex((await cli.ok(['inspect', '--format', '{{.State.Error}}', 'x'])).trim(), reason);
    t.is((await cli.ok(['wait', 'x'])).trim(), '137');
    await expectGone(t, cli, roles.all);
    const again = await startServer(cli, port);
    await until('the server answers again', () => answers(port));
    await cli.ok(['rm', '-f', 'x']);
    await until('all its processes are gone', () => survivors(again.all).length === 0);
    t.deepEqual(leftovers(cli), []);
  });
}

for (const role of ['pasta', 'slirp4netns', 'forwarder'] as const) {
  const helper = role === 'slirp4netns' ? 'slirp4netns' : 'pasta';
  const needs = [...networked, missingProgram(helper)];
  testWith(needs, `kill -9 of the ${role} (${helper}) is mended while the container runs`, async (t) => {
    const { cli } = await openStore(t);
    const port = await freePort();
    const roles = await startServer(cli, port, '--network', helper);
    const victim = roles[role];
    if (victim === undefined) throw new Error(`find the ${role}: ${JSON.stringify(roles)}`);
    await until('the server answers', () => answers(port));
    await new Promise((resolve) => setTimeout(resolve, 1000)); // one that dies at once is not started again
    process.kill(victim, 'SIGKILL');
    const id = (await cli.ok(['inspect', '--format', '{{.Id}}', 'x'])).trim();
    await until('it was started again', () => ![undefined, victim].includes(rolesOf(cli, id)[role]));
    await until('the server answers again', () => answers(port));
    t.regex(await statusOf(cli, 'x'), /^Up/);
    const all = familyOf(roles.supervisor);
    await cli.ok(['stop', '-t', '0', 'x']);
    await expectGone(t, cli, [...roles.all, ...all]);
  });
}

const fuseNeeds = [...base, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')];
testWith(
  fuseNeeds,
  'kill -9 of fuse-overlayfs ends the container and says that its storage went',
  async (t) => {
    const { cli } = await openStore(t);
    const flags = ['--storage-driver', 'fuse-overlayfs', '--network', 'none'];
    const id = (await cli.ok(['run', '-d', '--name', 'x', ...flags, image, 'sleep', '1000'])).trim();
    const roles = rolesOf(cli, id);
    if (roles.fuse === undefined) throw new Error(`find fuse-overlayfs: ${JSON.stringify(roles)}`);
    process.kill(roles.fuse, 'SIGKILL');
    await until('it has exited', async () => (await statusOf(cli, 'x')).startsWith('Exited'));
    t.regex(await statusOf(cli, 'x'), /^Exited \(137\)/);
    t.regex(await cli.ok(['inspect', '--format', '{{.State.Error}}', 'x']), /fuse-overlayfs ended/);
    await expectGone(t, cli, roles.all);
  },
);

testWith(
  base,
  'kill -9 of a supervisor or its infra process leaves nothing of a container of --rm',
  async (t) => {
    const { cli } = await openStore(t);
    for (const role of ['supervisor', 'infra'] as const) {
      const flags = ['--rm', '--network', 'none', '--name', 'x'];
      const roles = rolesOf(cli, (await cli.ok(['run', '-d', ...flags, image, 'sleep', '1000'])).trim());
      process.kill(roles[role], 'SIGKILL');
      await until('all its processes are gone', () => survivors(roles.all).length === 0);
      await cli.ok(['run', ...flags, image, 'true']); // the name is free before anything else was asked
      await until(
        'nothing is left',
        async () => (await statusOf(cli, 'x')) === '' && leftovers(cli).length === 0,
      );
    }
    t.pass();
  },
);

testWith(base, 'kill -9 of the client in the foreground leaves the container running', async (t) => {
  const { cli } = await openStore(t);
  const client = cli.start(['run', '--name', 'x', '--network', 'none', image, 'sleep', '1000']);
  await until('it runs', async () => (await statusOf(cli, 'x')).startsWith('Up'));
  const id = (await cli.ok(['inspect', '--format', '{{.Id}}', 'x'])).trim();
  const { all } = rolesOf(cli, id);
  let closed = false;
  client.once('close', () => {
    closed = true;
  });
  client.kill('SIGKILL');
  await until('the client is gone and nobody holds its streams', () => closed);
  t.is((await cli.ok(['exec', 'x', 'echo', 'here'])).trim(), 'here');
  t.is(survivors(all).length, all.length);
  await cli.ok(['kill', 'x']);
  t.is((await cli.ok(['wait', 'x'])).trim(), '137');
  await expectGone(t, cli, all);
});

testWith(base, 'kill -9 of an exec session or its client leaves the container as it was', async (t) => {
  const { cli } = await openStore(t);
  const id = (await cli.ok(['run', '-d', '--name', 'x', '--network', 'none', image, 'sleep', '1000'])).trim();
  const { all } = rolesOf(cli, id);
  const client = cli.start(['exec', 'x', 'sh', '-c', 'echo up; exec sleep 1001']);
  let printed = '';
  client.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  let closed = false;
  client.once('close', () => {
    closed = true;
  });
  await until('the command runs', () => printed.includes('up'));
  client.kill('SIGKILL');
  await until('nobody holds its streams', () => closed);
  const seconds = `${10_000_000 + randomInt(10_000_000)}`;
  await cli.ok(['exec', '-d', 'x', 'sleep', seconds]);
  const [command] = withArgument(seconds);
  if (command === undefined) throw new Error('find the command of the session: it does not run');
  process.kill(command.parent, 'SIGKILL');
  await until('the command died with its session', () => withArgument(seconds).length === 0);
  t.is((await cli.ok(['exec', 'x', 'echo', 'here'])).trim(), 'here');
  t.regex(await statusOf(cli, 'x'), /^Up/);
  await cli.ok(['stop', '-t', '0', 'x']);
  await expectGone(t, cli, all);
});

/** Processes of the whole machine with that argument. */
function withArgument(argument: string): readonly Process[] {
  return familyOf(1).filter(({ pid }) => argumentsOf(pid).includes(argument));
}
