/** `exec --preserve-fds`: descriptors of the caller, and none but these. */
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { repositoryRoot } from '../helpers/host.js';

testWith(journeyNeeds, 'exec hands on as many descriptors as it is told, from 3 on', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--network', 'none', '--name', 'box', 'busybox', 'sleep', '1000']);
  const env = { ...cli.env, CORACLE_ROOT: cli.root, CORACLE: join(repositoryRoot(), 'dist', 'coracle') };
  const shell = (script: string): ReturnType<typeof runProgram> =>
    runProgram('bash', ['-c', `cd ${cli.directory}; ${script}`], { env });
  const open = `ls /proc/self/fd | tr '\\n' ' '`;
  const both = await shell(
    `echo one > 1; echo two > 2; "$CORACLE" exec --preserve-fds 2 box sh -c "cat <&3 <&3; cat <&4; ${open}" 3<1 4<2 5<1`,
  );
  // The listing itself has one more.
  t.is(both.stdout, 'one\ntwo\n0 1 2 3 4 5 ', both.stderr);
  const none = await shell(`"$CORACLE" exec box sh -c "${open}" 3<1 7<2`);
  t.is(none.stdout, '0 1 2 3 ', none.stderr);
  t.is(
    (await shell('"$CORACLE" exec --preserve-fds 1 box sh -c "echo written >&3" 3>out; cat out')).stdout,
    'written\n',
  );
  await shell('"$CORACLE" exec -d --preserve-fds 1 box sh -c "echo later >&3" 3>late');
  await eventually(async () => (await shell('cat late')).stdout === 'later\n' || undefined);
  for (const [options, said] of [
    ['--preserve-fds 2 box true 3<1', /descriptor 4 is not open/],
    ['--preserve-fds 17 box true', /16 at most/],
    ['--preserve-fds=-1 box true', /must not be negative/],
  ] as const) {
    const refused = await shell(`"$CORACLE" exec ${options}`);
    t.is(refused.code, 125);
    t.regex(refused.stderr, said);
  }
  await cli.ok(['rm', '-f', '-t', '0', 'box']);
});
