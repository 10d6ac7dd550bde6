/** A person at a terminal with `run -it`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { childrenOf, openOuterShell, quiet, supervisorOf } from './outer-shell.js';

const interactive = ['run', ...quiet, '-it', 'busybox'];

testWith(journeyNeeds, 'a shell has a prompt, echoes, and sits on a terminal of its own', async (t) => {
  const cli = await openCliWithBusybox(t);
  const terminal = cli.terminal([...interactive, 'sh'], { rows: 33, columns: 101 });
  await terminal.waitFor('/ # ');
  terminal.write('tty; stty size; echo sum $((40+2)) $TERM\r');
  await terminal.waitFor('echo sum $((40+2))');
  await terminal.waitFor('/dev/pts/0\r\n33 101\r\nsum 42 xterm\r\n');
  await terminal.waitFor('/ # ');
  terminal.write('test -c /dev/console && ls /dev/pts; stat -c %u:%g:%a /dev/pts/0\r');
  await terminal.waitFor(/0\s+ptmx\r\n0:\d+:\d+\r\n/);
  terminal.write('exit\r');
  t.deepEqual(await terminal.exit, { code: 0, signal: 0 });
});

testWith(
  journeyNeeds,
  'the size follows the outer terminal, the last of many changes included',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const script = 'trap "echo size $(stty size)" WINCH; stty size; while :; do stty size; sleep 0.05; done';
    const terminal = cli.terminal([...interactive, 'sh', '-c', script], { rows: 33, columns: 101 });
    await terminal.waitFor('33 101');
    terminal.resize(90, 30);
    await terminal.waitFor('size ');
    await terminal.waitFor('30 90');
    for (let columns = 91; columns <= 140; columns++) terminal.resize(columns, 40);
    await terminal.waitFor('40 140\r\n40 140');
    terminal.write('\x03');
    t.is((await terminal.exit).code, 130);
  },
);

testWith(
  journeyNeeds,
  'Ctrl-C interrupts what runs in front, neither the shell nor the client',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const terminal = cli.terminal([...interactive, 'sh']);
    await terminal.waitFor('/ # ');
    for (const [key, code] of [
      ['\x03', 130],
      ['\x1c', 131],
    ] as const) {
      terminal.write("sh -c 'echo in-front; exec sleep 1000'\r");
      await terminal.waitFor('in-front\r\n');
      terminal.write(key);
      await terminal.waitFor('/ # ');
      terminal.write('echo code $?\r');
      await terminal.waitFor(`code ${code}\r\n`);
    }
    terminal.write('exit 7\r');
    t.deepEqual(await terminal.exit, { code: 7, signal: 0 });
  },
);

testWith(
  journeyNeeds,
  'Ctrl-Z stops a job of the shell, which goes on in the background and comes back',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const terminal = cli.terminal([...interactive, 'sh']);
    await terminal.waitFor('/ # ');
    terminal.write("sh -c 'echo in-front; sleep 1000; echo never'\r");
    await terminal.waitFor('in-front\r\n');
    terminal.write('\x1a');
    await terminal.waitFor('Stopped');
    terminal.write('jobs; bg %1; echo back\r');
    await terminal.waitFor(/\[1\]\+ +Stopped/);
    await terminal.waitFor('back\r\n');
    terminal.write('jobs; fg %1\r');
    await terminal.waitFor('Running');
    await sleep(200);
    terminal.write('\x03');
    await terminal.waitFor('/ # ');
    terminal.write('jobs; echo left $?\r');
    await terminal.waitFor('\nleft 0');
    t.false(terminal.text().includes('never\r\n'));
    terminal.write('\x04');
    t.is((await terminal.exit).code, 0);
  },
);

testWith(journeyNeeds, 'Ctrl-D ends the shell with the code of its last command', async (t) => {
  const cli = await openCliWithBusybox(t);
  const terminal = cli.terminal([...interactive, 'sh']);
  await terminal.waitFor('/ # ');
  terminal.write("sh -c 'exit 9'\r");
  await terminal.waitFor('/ # ');
  terminal.write('\x04');
  t.deepEqual(await terminal.exit, { code: 9, signal: 0 });
});

testWith(journeyNeeds, 'the outer terminal is as before after every kind of end', async (t) => {
  const cli = await openCliWithBusybox(t);
  const shell = await openOuterShell(t, cli);
  const before = await shell.settings();
  const start = async (): Promise<void> => {
    shell.type('coracle run --name box --network none -it busybox sh');
    await shell.waitFor('/ # ');
  };
  const after = async (title: string, code: RegExp): Promise<void> => {
    shell.type('echo code:$?:');
    t.regex(await shell.waitFor(/code:\d+:\r/), code, title);
    t.is(await shell.settings(), before, title);
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
  };
  await start();
  shell.type('exit 4');
  await shell.waitFor('outer$ ');
  await after('exit', /:4:/);
  await start();
  await cli.ok(['kill', 'box']);
  await shell.waitFor('outer$ ');
  await after('kill', /:137:/);
  await start();
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
  await shell.waitFor('outer$ ');
  await after('rm -f', /:137:/);
  await start();
  shell.write('\x10\x11');
  await shell.waitFor('outer$ ');
  await after('detach', /:0:/);
  shell.type('coracle run --name box --network none -it busybox nosuch');
  await shell.waitFor('nosuch: ');
  await shell.waitFor('outer$ ');
  await after('command not found', /:127:/);
});

testWith(
  journeyNeeds,
  'the outer terminal is as before when the client or the supervisor is ended',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const shell = await openOuterShell(t, cli);
    const before = await shell.settings();
    for (const [victim, signal, code] of [
      ['client', 'SIGHUP', /:129:/],
      ['supervisor', 'SIGKILL', /:125:/],
    ] as const) {
      shell.type('coracle run --name box --network none -it busybox sh');
      await shell.waitFor('/ # ');
      const [client = 0] = childrenOf(shell.pid);
      process.kill(victim === 'client' ? client : await supervisorOf(cli, 'box'), signal);
      await shell.waitFor('outer$ ');
      shell.type('echo code:$?:');
      t.regex(await shell.waitFor(/code:\d+:\r/), code, victim);
      t.is(await shell.settings(), before, victim);
      await cli.ok(['rm', '-f', '-t', '0', 'box']);
    }
  },
);

testWith(journeyNeeds, 'a terminal without input only shows', async (t) => {
  const cli = await openCliWithBusybox(t);
  const terminal = cli.terminal(['run', ...quiet, '-t', 'busybox', 'sh', '-c', 'tty; stty size; echo end']);
  await terminal.waitFor(/\/dev\/pts\/0\r+\n24 80\r+\nend\r+\n/);
  t.is((await terminal.exit).code, 0);
  t.is(await cli.ok(['run', ...quiet, '-t', 'busybox', 'echo', 'x']), 'x\r\n');
});

testWith(journeyNeeds, 'a hang-up ends the client only: the container runs on without it', async (t) => {
  const cli = await openCliWithBusybox(t);
  const shell = await openOuterShell(t, cli);
  shell.type('coracle run -d --name quiet --network none busybox sleep 1000');
  await shell.waitFor(/[0-9a-f]{64}/);
  await shell.waitFor('outer$ ');
  shell.type("script -qc 'coracle run --name front --network none -it busybox sh' /dev/null");
  await shell.waitFor('/ # ');
  const [window = 0] = childrenOf(shell.pid);
  process.kill(window, 'SIGKILL'); // it holds the other end of the client's terminal
  await shell.waitFor('outer$ ');
  await sleep(300);
  const running = async (): Promise<string | undefined> =>
    (await cli.ok(['ps', '--format', '{{.Names}}'])) || undefined;
  t.deepEqual((await eventually(running)).trim().split('\n').sort(), ['front', 'quiet']);
  t.is(await cli.ok(['exec', 'front', 'echo', 'alive']), 'alive\n');
  await cli.ok(['rm', '-f', '-t', '0', 'front', 'quiet']);
});
