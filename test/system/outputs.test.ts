/** Where a container's output and its readiness go: log drivers, rotation, pid files, sd_notify. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';

const network = ['--network', 'none'];

/** The numbers from 1 in order, nothing between, nothing twice. */
function isCount(t: ExecutionContext<unknown>, text: string, last: number): void {
  const lines = text.trimEnd().split('\n');
  t.is(lines.length, last);
  t.is(
    lines.findIndex((line, index) => line !== `${index + 1}`),
    -1,
  );
}

testWith(journeyNeeds, 'a log that is rotated loses no line, for readers and followers', async (t) => {
  const cli = await openCliWithBusybox(t);
  const options = (files: number): string[] => [
    '--log-opt',
    'max-size=50k',
    '--log-opt',
    `max-file=${files}`,
  ];
  const counts = 'for i in $(seq 1 100); do seq $((i * 200 - 199)) $((i * 200)); sleep 0.01; done';
  await cli.ok(['run', '-d', '--name', 'slow', ...options(8), ...network, 'busybox', 'sh', '-c', counts]);
  const followed = cli.ok(['logs', '-f', 'slow']);
  const fast = ['run', '--name', 'fast', ...options(100), ...network, 'busybox', 'seq', '1', '60000'];
  isCount(t, await cli.ok(fast), 60_000);
  isCount(t, await cli.ok(['logs', 'fast']), 60_000);
  isCount(t, await followed, 20_000);
  const left = (await cli.ok(['logs', 'slow'])).trimEnd().split('\n');
  t.true(left.length < 20_000);
  t.is(left.at(-1), '20000');
  t.true(left.every((line, index) => index === 0 || Number(line) === Number(left[index - 1]) + 1));
});

testWith(journeyNeeds, 'a log has the path and the tag it is given', async (t) => {
  const cli = await openCliWithBusybox(t);
  const path = join(cli.directory, 'own.log');
  const log = [
    '--log-driver',
    'json-file',
    '--log-opt',
    `path=${path}`,
    '--log-opt',
    'tag={{.Name}}/{{.ImageName}}',
  ];
  await cli.ok(['run', '--name', 'box', ...log, ...network, 'busybox', 'echo', 'said']);
  const line = JSON.parse(readFileSync(path, 'utf8')) as { readonly log: string; readonly attrs: object };
  t.deepEqual([line.log, line.attrs], ['said\n', { tag: 'box/localhost/busybox:latest' }]);
  t.is(await cli.ok(['logs', '-f', 'box']), 'said\n');
  const refused: readonly (readonly string[])[] = [
    ['--log-opt', 'tag=x'],
    ['--log-driver', 'none', '--log-opt', 'max-size=1k'],
    ['--log-driver', 'passthrough', '--log-opt', 'path=/tmp/x'],
    ['--log-driver', 'passthrough', '-t'],
    ['--log-opt', 'path=/none/such/log'],
    ['--log-opt', 'colour=red'],
  ];
  for (const words of refused) {
    t.is((await cli.run(['create', ...words, ...network, 'busybox'])).code, 125, words.join(' '));
  }
});

testWith(
  journeyNeeds,
  'passthrough gives the container the streams of its caller, and keeps no log',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const log = ['--log-driver', 'passthrough', ...network];
    const [input, output] = [join(cli.directory, 'in'), join(cli.directory, 'out')];
    writeFileSync(input, 'from a file\n');
    const streams = [openSync(input, 'r'), openSync(output, 'a'), openSync(output, 'a')] as const;
    const words = [
      'run',
      '-d',
      '--name',
      'box',
      ...log,
      'busybox',
      'sh',
      '-c',
      'cat; echo wrong >&2; readlink /proc/1/fd/1',
    ];
    const program = spawn('dist/coracle', ['--root', cli.root, ...words], {
      env: cli.env,
      stdio: [...streams],
    });
    t.is(await new Promise((resolve) => program.on('exit', resolve)), 0);
    for (const fd of streams) closeSync(fd);
    await cli.ok(['wait', 'box']);
    t.true(readFileSync(output, 'utf8').includes('from a file\n'));
    t.true(readFileSync(output, 'utf8').includes('wrong\n'));
    t.regex((await cli.run(['logs', 'box'])).stderr, /it went to the streams of who started it/);
    const front = await cli.run(['run', '--rm', ...log, 'busybox', 'sh', '-c', 'cat; exit 4'], {
      input: 'piped',
    });
    t.deepEqual([front.code, front.stdout], [4, 'piped']);
  },
);

testWith(journeyNeeds, 'a pid file holds the pid at each start', async (t) => {
  const cli = await openCliWithBusybox(t);
  const path = join(cli.directory, 'pid');
  await cli.ok(['run', '-d', '--name', 'box', '--pidfile', 'pid', ...network, 'busybox', 'sleep', '100'], {
    cwd: cli.directory,
  });
  t.is(`${readFileSync(path, 'utf8')}\n`, await cli.ok(['inspect', '-f', '{{.State.Pid}}', 'box']));
  const before = readFileSync(path, 'utf8');
  await cli.ok(['restart', '-t', '0', 'box']);
  t.not(readFileSync(path, 'utf8'), before);
  const bad = await cli.run(['run', '--rm', '--pidfile', '/none/pid', ...network, 'busybox', 'true']);
  t.deepEqual(
    [bad.code, bad.stderr],
    [0, 'coracle: warning: pidfile /none/pid: no such file or directory\n'],
  );
});

const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().replace('\\n', ' '), flush=True)
`;
const sender = `
import glob, socket, sys
for path in glob.glob(sys.argv[1] + '/coracle/c/*/n/notify.sock'):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b'STATUS=warm\\nMAINPID=1\\nFDSTORE=1\\nREADY=1', path)
`;

testWith(
  [...journeyNeeds, missingProgram('python3')],
  'systemd is told by the supervisor when a service is ready',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const socket = join(cli.directory, 'notify');
    const heard: string[] = [];
    const manager = spawn('python3', ['-c', listener, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => void manager.kill());
    manager.stdout
      .setEncoding('utf8')
      .on('data', (text: string) => heard.push(...text.trimEnd().split('\n')));
    const next = async (count: number): Promise<readonly string[]> =>
      eventually(async () => (heard.length >= count ? heard.splice(0) : undefined));
    await next(1);
    const env = { NOTIFY_SOCKET: socket };
    const run = async (name: string, ...words: string[]): Promise<string> => {
      await cli.ok(['run', '-d', '--name', name, ...network, ...words, 'busybox', 'sleep', '100'], { env });
      const live = JSON.parse(
        readFileSync(
          join(cli.root, 'containers', (await cli.ok(['inspect', '-f', '{{.Id}}', name])).trim(), 'live'),
          'utf8',
        ),
      ) as { readonly sv: number };
      return `MAINPID=${live.sv}`;
    };
    const early = await run('early', '--sdnotify', 'conmon');
    t.deepEqual(await next(1), [`${early} READY=1`]);
    const well = await run(
      'well',
      '--sdnotify',
      'healthy',
      '--health-cmd',
      'true',
      '--health-interval',
      '100ms',
    );
    t.deepEqual(await next(2), [well, `${well} READY=1`]);
    await run('quiet', '--sdnotify', 'ignore');
    t.is((await cli.run(['exec', 'quiet', 'test', '-e', '/run/notify'])).code, 1);
    const own = await run('own');
    t.deepEqual(await next(1), [own]);
    t.is(await cli.ok(['exec', 'own', 'stat', '-c', '%F', '/run/notify/notify.sock']), 'socket\n');
    await new Promise((resolve) => spawn('python3', ['-c', sender, cli.runtime]).on('exit', resolve));
    t.deepEqual(await next(2), ['STATUS=warm', `${own} READY=1`]);
    const unchecked = await cli.run(['run', '--rm', '--sdnotify', 'healthy', ...network, 'busybox', 'true'], {
      env,
    });
    t.is(unchecked.code, 125);
    t.regex(unchecked.stderr, /it needs a health check/);
  },
);
