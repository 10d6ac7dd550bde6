/** A supervisor whose caller becomes its client: what happens when that client never comes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { repositoryRoot } from '../helpers/host.js';

/** A stopped container that was started in the foreground, so that its plan is there. */
async function stopped(cli: Cli): Promise<string> {
  const run = cli.run([
    'run',
    '--name',
    'box',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'test -e /once || { touch /once; exit; }; sleep 1000',
  ]);
  await run;
  return join(cli.root, 'containers', (await cli.ok(['inspect', '-f', '{{.Id}}', 'box'])).trim());
}

function serve(t: ExecutionContext<unknown>, plan: string): { child: ChildProcess; socket: Duplex } {
  const program = join(repositoryRoot(), 'dist', 'native', 'coracle-sv');
  // Node's pipe for a descriptor is a socket pair.
  const stdio = ['ignore', 'ignore', 'ignore', openSync(plan, 'r'), 'ignore', 'ignore', 'pipe'] as const;
  const child = spawn(program, ['run', 'served'], { stdio: [...stdio] });
  t.teardown(() => child.kill('SIGKILL'));
  return { child, socket: (child.stdio as readonly unknown[])[6] as Duplex };
}

testWith(journeyNeeds, 'a client that goes before its first word takes the container with it', async (t) => {
  const cli = await openCliWithBusybox(t);
  const directory = await stopped(cli);
  const { child, socket } = serve(t, join(directory, 'plan'));
  await eventually(async () => (await cli.ok(['ps', '-q'])) !== '' || undefined);
  socket.destroy();
  await once(child, 'exit');
  t.is(JSON.parse(readFileSync(join(directory, 'exit'), 'utf8')).code, 137);
  t.is(await cli.ok(['ps', '-q']), '');
});

testWith(journeyNeeds, 'a client that said hello leaves the container running', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { socket } = serve(t, join(await stopped(cli), 'plan'));
  await eventually(async () => (await cli.ok(['ps', '-q'])) !== '' || undefined);
  socket.write(Buffer.of(16, 0, 0, 0, 0, 0, 0, 1, 1));
  await once(socket, 'data');
  socket.destroy();
  t.is(await cli.ok(['exec', 'box', 'echo', 'still']), 'still\n');
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});

testWith(journeyNeeds, 'a plan that cannot be read is told to the client', async (t) => {
  const { child, socket } = serve(t, '/dev/null');
  const parts: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => parts.push(bytes));
  const [code] = await once(child, 'close');
  t.is(code, 125);
  const said = Buffer.concat(parts);
  t.is(said[0], 34);
  t.regex(said.toString('latin1'), /read plan/);
  t.regex(said.toString('latin1'), /"code":125/);
});
