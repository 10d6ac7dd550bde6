/** What people see while they wait, on a terminal and without one, and what Ctrl-C does. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

function context(cli: Cli, dockerfile: string): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), dockerfile);
  return directory;
}

const hideCursor = '\x1b[?25l';
const showCursor = '\x1b[?25h';

testWith(
  journeyNeeds,
  'a build on a terminal is drawn in place, with the last lines of what runs',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, 'FROM busybox\nRUN echo one; sleep 0.5; echo two; sleep 0.5\n');
    const terminal = cli.terminal(['build', '-t', 'x', directory]);
    await terminal.waitFor(hideCursor);
    await terminal.waitFor(' => # one');
    await terminal.waitFor(' => # two');
    await terminal.waitFor(/\[\+\] Building [\d.]+s \((\d)\/\1\) FINISHED/);
    await terminal.waitFor(showCursor);
    await terminal.waitFor(/built sha256:[0-9a-f]{64} as localhost\/x:latest/);
    t.is((await terminal.exit).code, 0);
    const again = cli.terminal(['build', directory]);
    await again.waitFor(' => CACHED [2/2] RUN');
    t.is((await again.exit).code, 0);
  },
);

testWith(
  journeyNeeds,
  'a failed step stays on the screen with its output, the cursor comes back',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const terminal = cli.terminal([
      'build',
      context(cli, 'FROM busybox\nRUN printf "\\033[2Jwhy\\n"; exit 4\n'),
    ]);
    await terminal.waitFor(' => ERROR [2/2] RUN');
    await terminal.waitFor('\\x1b[2Jwhy');
    await terminal.waitFor(showCursor);
    await terminal.waitFor(/exit code: 4\r\n/);
    t.is((await terminal.exit).code, 1);
  },
);

testWith(
  journeyNeeds,
  'Ctrl-C ends a build with 130 and leaves no process and no unfinished work',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const terminal = cli.terminal([
      'build',
      '-t',
      'x',
      context(cli, 'FROM busybox\nRUN echo begun; sleep 1234\n'),
    ]);
    await terminal.waitFor(' => # begun');
    terminal.write('\x03');
    await terminal.waitFor('build: interrupted');
    t.is((await terminal.exit).code, 130);
    t.true(terminal.text().includes(showCursor));
    t.is((await cli.run(['inspect', 'x'])).code, 125);
    t.deepEqual(
      readdirSync(join(cli.root, 'staging')).filter((name) => name !== 'partial'),
      [],
    );
  },
);

testWith(journeyNeeds, 'Ctrl-C ends logs -f with 130 and the container goes on', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok([
    'run',
    '-d',
    '--name',
    'box',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'echo there; sleep 100',
  ]);
  const terminal = cli.terminal(['logs', '-f', 'box']);
  await terminal.waitFor('there');
  terminal.write('\x03');
  t.is((await terminal.exit).code, 130);
  t.is(await cli.ok(['ps', '--format', '{{.State}}']), 'running\n');
  await cli.ok(['rm', '-f', 'box']);
});

testWith([...journeyNeeds, missingRegistry()], 'a pull on a terminal shows each layer once', async (t) => {
  const cli = await openCliWithBusybox(t);
  const registry = await startRegistry(t);
  await cli.ok(['push', '-q', 'busybox', `${registry.host}/busybox`]);
  await cli.ok(['rmi', 'busybox']);
  const terminal = cli.terminal(['pull', `${registry.host}/busybox`]);
  await terminal.waitFor(/[0-9a-f]{12}: done\r\n/);
  await terminal.waitFor(/sha256:[0-9a-f]{64}/);
  t.is((await terminal.exit).code, 0);
});
