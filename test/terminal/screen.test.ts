/** Programs that own the whole screen, and what must not reach the outer one. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { openOuterShell } from './outer-shell.js';

testWith(journeyNeeds, 'full-screen programs draw, obey keys and leave the terminal as it was', async (t) => {
  const cli = await openCliWithBusybox(t);
  const shell = await openOuterShell(t, cli, { rows: 20, columns: 70 });
  const before = await shell.settings();
  shell.type('coracle run --rm --network none -it busybox sh -c "vi /tmp/new; cat /tmp/new"');
  await shell.waitFor(/(~.*){10}/s);
  shell.write('ihello from vi');
  await shell.waitFor('vi');
  shell.write('\x1b');
  await sleep(300); // an editor takes what follows at once for a key's sequence
  shell.write(':wq\r');
  await shell.waitFor('hello from vi\r\n');
  await shell.waitFor('outer$ ');
  shell.type('coracle run --rm --network none -it busybox top');
  await shell.waitFor('PID  PPID');
  await shell.waitFor('PID  PPID');
  shell.write('q');
  await shell.waitFor('outer$ ');
  shell.type('coracle run --rm --network none -it busybox sh -c "seq 500 | less"');
  await shell.waitFor('19');
  shell.write('G');
  await shell.waitFor('500');
  shell.write('q');
  await shell.waitFor('outer$ ');
  t.is(await shell.settings(), before);
});

const pushCharacters = `#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
int main(void) {
    const char *names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/console", "/proc/self/fd/0"};
    for (unsigned i = 0; i < 6; i++) {
        int fd = open(names[i], O_RDWR | O_NOCTTY);
        for (const char *at = "echo pushed-in\\n"; fd >= 0 && *at; at++)
            ioctl(fd, TIOCSTI, at);
    }
    for (int fd = 0; fd < 20; fd++)
        for (const char *at = "echo pushed-in\\n"; *at; at++)
            ioctl(fd, TIOCSTI, at);
    puts("tried");
    return 0;
}
`;

testWith(
  [...journeyNeeds, missingProgram('musl-gcc')],
  'S4: characters pushed into a terminal inside never become input of the outer shell',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    writeFileSync(join(cli.directory, 'push.c'), pushCharacters);
    const compiled = spawnSync('musl-gcc', ['-static', '-o', 'push', 'push.c'], {
      cwd: cli.directory,
      encoding: 'utf8',
    });
    t.is(compiled.status, 0, compiled.stderr);
    const shell = await openOuterShell(t, cli);
    await cli.ok(
      ['run', '-d', '--name', 'box', '--network', 'none', '-v', './push:/push', 'busybox', 'sleep', '999'],
      {
        cwd: cli.directory,
      },
    );
    const run = 'run --rm --network none -v ./push:/push';
    for (const words of [`${run} -it`, `${run} -i`, `${run} -t`, run].map((one) => `${one} busybox`)) {
      shell.type(`coracle ${words} /push`);
      await shell.waitFor(/tried\r+\n/);
      await shell.waitFor('outer$ ');
    }
    for (const flags of ['-it', '-i', '']) {
      shell.type(`coracle exec ${flags} box /push`);
      await shell.waitFor(/tried\r+\n/);
      await shell.waitFor('outer$ ');
    }
    shell.type('echo last $((1+1))');
    await shell.waitFor('last 2\r\n');
    t.false(/^pushed-in/m.test(shell.text()));
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
  },
);
