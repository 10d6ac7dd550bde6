/** Containers without a terminal: what pipes and keys of the outer terminal do to them. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, repositoryRoot } from '../helpers/host.js';
import { childrenOf, openOuterShell, quiet } from './outer-shell.js';

const trap = 'trap "echo caught; exit 42" INT; echo ready; while :; do sleep 0.05; done';

testWith(journeyNeeds, 'Ctrl-C is passed on to a container without a terminal', async (t) => {
  const cli = await openCliWithBusybox(t);
  const caught = cli.terminal(['run', ...quiet, 'busybox', 'sh', '-c', trap]);
  await caught.waitFor('ready');
  caught.write('\x03');
  await caught.waitFor('caught');
  t.deepEqual(await caught.exit, { code: 42, signal: 0 });
  const script = 'echo ready; exec sleep 1000';
  const plain = cli.terminal(['run', ...quiet, '--init', 'busybox', 'sh', '-c', script]);
  await plain.waitFor('ready');
  plain.write('\x03');
  t.is((await plain.exit).code, 130);
  const killed = cli.terminal(['run', ...quiet, '--name', 'box', 'busybox', 'sh', '-c', script]);
  await killed.waitFor('ready');
  await cli.ok(['kill', 'box']);
  t.is((await killed.exit).code, 137);
});

testWith(journeyNeeds, 'with --sig-proxy=false Ctrl-C ends the client alone', async (t) => {
  const cli = await openCliWithBusybox(t);
  const words = ['run', ...quiet, '--name', 'box', '--sig-proxy=false', 'busybox', 'sh', '-c', trap];
  const terminal = cli.terminal(words);
  await terminal.waitFor('ready');
  terminal.write('\x03');
  t.is((await terminal.exit).code, 130);
  t.is(await cli.ok(['ps', '--format', '{{.Names}} {{.State}}']), 'box running\n');
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});

testWith(journeyNeeds, 'each signal the client gets reaches the process', async (t) => {
  const cli = await openCliWithBusybox(t);
  const signals = ['HUP', 'QUIT', 'USR1', 'USR2', 'TERM'];
  const traps = signals.map((name) => `trap "echo got ${name}" ${name}`).join('; ');
  const shell = await openOuterShell(t, cli);
  const script = `${traps}; trap "exit 3" INT; echo ready; while :; do sleep 0.05; done`;
  shell.type(`coracle run --rm --network none busybox sh -c '${script}'`);
  await shell.waitFor('ready\r\n');
  const [client = 0] = childrenOf(shell.pid);
  for (const name of signals) {
    process.kill(client, `SIG${name}`);
    await shell.waitFor(`got ${name}\r\n`);
  }
  shell.write('\x03');
  await shell.waitFor('outer$ ');
  shell.type('echo code:$?:');
  await shell.waitFor('code:3:');
  t.pass();
});

testWith(journeyNeeds, 'what is typed before the container is there is not lost', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = 'read word; echo "got $word"';
  const piped = await cli.ok(['run', ...quiet, '-i', 'busybox', 'sh', '-c', script], { input: 'early\n' });
  t.is(piped, 'got early\n');
  const terminal = cli.terminal(['run', ...quiet, '-it', 'busybox', 'sh', '-c', script]);
  terminal.write('ahead\r');
  await terminal.waitFor('got ahead\r\n');
  t.is((await terminal.exit).code, 0);
});

testWith(journeyNeeds, '-i without a terminal reads lines of the outer one to Ctrl-D', async (t) => {
  const cli = await openCliWithBusybox(t);
  const shell = await openOuterShell(t, cli);
  const before = await shell.settings();
  shell.type("coracle run --rm --network none -i busybox sh -c 'tty; cat; echo end'");
  await shell.waitFor('not a tty\r\n');
  shell.type('one line');
  await shell.waitFor('one line\r\none line\r\n');
  shell.write('\x04');
  await shell.waitFor('end\r\n');
  await shell.waitFor('outer$ ');
  t.is(await shell.settings(), before);
  shell.type('coracle run --rm --network none busybox cat');
  await shell.waitFor('outer$ ');
  t.is(await shell.settings(), before);
});

testWith(journeyNeeds, 'the client stops at Ctrl-Z as any program and goes on in front', async (t) => {
  const cli = await openCliWithBusybox(t);
  const shell = await openOuterShell(t, cli);
  const script = 'echo ready; while read line; do echo "<$line>"; done; echo end';
  shell.type(`coracle run --rm --network none -i busybox sh -c '${script}'`);
  await shell.waitFor('ready\r\n');
  shell.write('\x1a');
  await shell.waitFor('Stopped');
  await shell.waitFor('outer$ ');
  shell.type('fg');
  await shell.waitFor('coracle run');
  shell.type('a line');
  await shell.waitFor('<a line>');
  shell.write('\x04');
  await shell.waitFor('end\r\n');
  t.pass();
});

testWith(
  [...journeyNeeds, missingProgram('sha256sum')],
  'fifty megabytes of any bytes go in and out of a container, and the end of input ends it',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const file = join(cli.directory, 'bytes');
    const chunk = randomBytes(1_000_003);
    writeFileSync(file, Buffer.concat(Array.from({ length: 50 }, () => chunk)));
    const coracle = `"$CORACLE" run --rm --network none -i busybox cat`;
    const script = `sha256sum < ${file}; cat ${file} | ${coracle} | sha256sum; ${coracle} < ${file} | cat | sha256sum`;
    const program = join(repositoryRoot(), 'dist', 'coracle');
    const env = { ...cli.env, CORACLE_ROOT: cli.root, CORACLE: program };
    const { code, stdout } = await runProgram('bash', ['-o', 'pipefail', '-c', script], { env });
    t.is(code, 0);
    const sums = stdout.trim().split('\n');
    t.deepEqual(sums, [sums[0], sums[0], sums[0]]);
    t.is(await eventually(async () => ((await cli.ok(['ps', '-aq'])) === '' ? 'gone' : undefined)), 'gone');
  },
);
