/** Output into pipes, which the supervisor fills itself: all of it, in order, however slow the reader, and for everybody else as well. */
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { repositoryRoot } from '../helpers/host.js';

/** What a shell prints; `c` is coracle with this store, `run` a container without a network. */
async function shell(t: ExecutionContext<unknown>, cli: Cli, script: string): Promise<string> {
  const program = join(repositoryRoot(), 'dist', 'coracle');
  const start = `c() { "${program}" "$@"; }; run() { c run --network none "$@"; }; ${script}`;
  const env = { ...cli.env, CORACLE_ROOT: cli.root };
  const { code, stdout, stderr } = await runProgram('bash', ['-c', start], { env });
  t.is(code, 0, stderr);
  return stdout;
}

testWith(journeyNeeds, 'a pipe and the log get the same lines, all of them and in order', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = `seq 1 200000 | md5sum; run --name box busybox seq 1 200000 | md5sum; c logs box | md5sum
    run --rm --log-driver none busybox seq 1 200000 | md5sum
    run -d --name up busybox sleep 1000 >/dev/null; c exec up seq 1 200000 | md5sum; c rm -f -t 0 up >/dev/null`;
  const sums = (await shell(t, cli, script)).trim().split('\n');
  t.is(sums.length, 5);
  t.is(new Set(sums).size, 1);
});

testWith(journeyNeeds, 'a reader that comes late gets what a container left that ended before', async (t) => {
  const cli = await openCliWithBusybox(t);
  const write = 'head -c 4000000 /dev/zero; echo end';
  const late = `(until [ "$(c ps -aq --filter name=box)" ]; do :; done; sleep 0.2; wc -c)`;
  t.is(
    await shell(t, cli, `run --name box busybox sh -c '${write}' | ${late}; c logs box | wc -c`),
    '4000004\n4000004\n',
  );
});

testWith(journeyNeeds, 'both streams in one pipe, and one of them in a pipe', async (t) => {
  const cli = await openCliWithBusybox(t);
  const write = `for i in 1 2 3; do echo out; echo err >&2; done; exit 7`;
  const runs = `run --rm busybox sh -c "${write}"`;
  const script = `(${runs} 2>&1; echo $?) | sort | uniq -c; ${runs} 2>/dev/null | uniq -c; ${runs} 2>&1 >/dev/null | uniq -c`;
  const lines = (await shell(t, cli, script)).trim().split('\n');
  t.deepEqual(
    lines.map((line) => line.trim()),
    ['1 7', '3 err', '3 out', '3 out', '3 err'],
  );
});

testWith(journeyNeeds, 'a reader that goes ends the client as any program, not the container', async (t) => {
  const cli = await openCliWithBusybox(t);
  const script = `run --log-driver none --name box busybox sh -c 'echo first; exec yes' | head -1; echo \${PIPESTATUS[0]}
    c ps --format '{{.State}}'; c rm -f -t 0 box`;
  t.is(await shell(t, cli, script), 'first\n141\nrunning\nbox\n');
});

testWith(journeyNeeds, 'who attaches sees what goes into the pipe of the first client', async (t) => {
  const cli = await openCliWithBusybox(t);
  const body = 'while ! test -e /go; do sleep 0.05; done; seq 1 1000';
  const script = `run --name box busybox sh -c '${body}' | md5sum > one & until c exec box true 2>/dev/null; do :; done
    c attach --no-stdin box | md5sum > two & sleep 0.3; c exec box touch /go; wait; seq 1 1000 | md5sum; cat one two`;
  const directory = cli.directory;
  const sums = (await shell(t, cli, `cd ${directory}; ${script}`)).trim().split('\n');
  t.is(sums.length, 3);
  t.is(new Set(sums).size, 1);
});
