/** Leaving a container by keys, and `exec` with a terminal of its own. */
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { openOuterShell, quiet } from './outer-shell.js';

const running = (cli: Cli): Promise<string> => cli.ok(['ps', '--format', '{{.Names}} {{.State}}']);

testWith(journeyNeeds, 'ctrl-p ctrl-q leaves the container running, and its log goes on', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = 'echo begun; read line; echo read $line; while :; do sleep 0.1; echo tick; done';
  const words = ['run', '--name', 'box', '--network', 'none', '-it', 'busybox', 'sh', '-c', script];
  const terminal = cli.terminal(words);
  await terminal.waitFor('begun');
  terminal.write('some\x10x\x7f\x7f text\r');
  await terminal.waitFor(/read .*text\r\n/);
  terminal.write('\x10');
  terminal.write('\x11');
  t.deepEqual(await terminal.exit, { code: 0, signal: 0 });
  t.is(await running(cli), 'box running\n');
  await eventually(async () => (/(tick\s+){5}/.test(await cli.ok(['logs', 'box'])) ? true : undefined));
  t.regex(await cli.ok(['logs', 'box']), /^begun\r\n[^\n]*text\r\nread some text\r\n(tick\r\n)+/);
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});

testWith(journeyNeeds, 'other keys detach when asked for, and none with an empty text', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = 'stty raw -echo; echo ready; while :; do head -c 2 | od -An -tx1; done';
  const run = ['run', '--name', 'box', '--network', 'none', '-it'];
  const other = cli.terminal([...run, '--detach-keys', 'ctrl-a,x', 'busybox', 'sh', '-c', script]);
  await other.waitFor('ready');
  other.write('\x10\x11');
  await other.waitFor('10 11');
  other.write('\x01y');
  await other.waitFor('01 79');
  other.write('\x01\x01xx');
  t.is((await other.exit).code, 0);
  t.is(await running(cli), 'box running\n');
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
  const none = cli.terminal([...run, '--detach-keys', '', 'busybox', 'sh', '-c', script]);
  await none.waitFor('ready');
  none.write('\x10\x11');
  await none.waitFor('10 11');
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
  t.is((await none.exit).code, 137);
  const wrong = await cli.run(['run', ...quiet, '-t', '--detach-keys', 'ctrl-!', 'busybox', 'sh']);
  t.is(wrong.code, 125);
  t.regex(wrong.stderr, /unknown key "ctrl-!"\nhint: /);
});

testWith(journeyNeeds, 'a container with --rm that was left goes when it ends', async (t) => {
  const cli = await openCliWithBusybox(t);
  const terminal = cli.terminal(['run', ...quiet, '--name', 'box', '-it', 'busybox', 'sleep', '1000']);
  await eventually(async () => ((await running(cli)) === 'box running\n' ? true : undefined));
  terminal.write('\x10\x11');
  t.is((await terminal.exit).code, 0);
  t.is(await running(cli), 'box running\n');
  await cli.ok(['kill', 'box']);
  await eventually(async () => ((await cli.ok(['ps', '-aq'])) === '' ? true : undefined));
  t.is(await cli.ok(['ps', '-aq']), '');
});

testWith(journeyNeeds, 'exec -it has its own terminal, size, job control and exit code', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-dit', '--name', 'box', '--network', 'none', 'busybox', 'sh']);
  const terminal = cli.terminal(['exec', '-it', 'box', 'sh'], { rows: 41, columns: 99 });
  await terminal.waitFor('/ # ');
  terminal.write('tty; stty size; ls -l /proc/1/fd/0\r');
  await terminal.waitFor(/\/dev\/pts\/1\r\n41 99\r\n.*\/dev\/pts\/0/);
  terminal.resize(77, 22);
  await terminal.waitFor('/ # ');
  terminal.write('while test "$(stty size)" != "22 77"; do sleep 0.05; done; echo resized $((1+1))\r');
  await terminal.waitFor('resized 2\r\n');
  await terminal.waitFor('/ # ');
  terminal.write("sh -c 'echo in-front; exec sleep 1000'\r");
  await terminal.waitFor('in-front\r\n');
  terminal.write('\x03');
  await terminal.waitFor('/ # ');
  terminal.write('exit 6\r');
  t.deepEqual(await terminal.exit, { code: 6, signal: 0 });
  t.is(await running(cli), 'box running\n');
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});

testWith(
  journeyNeeds,
  'exec is left by keys and goes on; a container that ends takes it along',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['run', '-d', '--name', 'box', '--network', 'none', 'busybox', 'sleep', '1000']);
    const shell = await openOuterShell(t, cli);
    const before = await shell.settings();
    const script = 'echo begun; while :; do sleep 0.1; echo x >> /tmp/ticks; done';
    shell.type(`coracle exec -it box sh -c '${script}'`);
    await shell.waitFor('begun\r\n');
    shell.write('\x10\x11');
    await shell.waitFor('outer$ ');
    t.is(await shell.settings(), before);
    const ticks = async (): Promise<number> =>
      Number(await cli.ok(['exec', 'box', 'sh', '-c', 'cat /tmp/ticks 2>/dev/null | wc -l']));
    const first = await ticks();
    await eventually(async () => ((await ticks()) > first ? true : undefined));
    shell.type('coracle exec -it box sh');
    await shell.waitFor('/ # ');
    await cli.ok(['kill', 'box']);
    await shell.waitFor('outer$ ');
    shell.type('echo code:$?:');
    await shell.waitFor('code:137:');
    t.is(await shell.settings(), before);
  },
);
