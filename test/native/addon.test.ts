import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { hasErrno } from '../../lib/errors.js';
import { addon } from '../../lib/native/addon.js';
import { nativePath } from '../../lib/native/location.js';
import { repositoryRoot, temporaryDirectory } from '../helpers/host.js';

const missing = !existsSync(join(repositoryRoot(), 'dist/native/coracle.node'));
const addonTest = missing ? test.skip : test;

function readAll(descriptor: number): string {
  const buffer = Buffer.alloc(65_536);
  let text = '';
  for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer))
    text += buffer.toString('utf8', 0, count);
  closeSync(descriptor);
  return text;
}

function startTicks(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]);
}

addonTest('a spawned program has the descriptors it was given and no others', (t) => {
  const [read, write] = addon().pipe();
  const script = 'cat <&9; ls /proc/self/fd | tr "\\n" " "; readlink /proc/self/fd/0; pwd; echo $A';
  const given = addon().memfd('given', Buffer.from('from a memfd\n'));
  const fds = [
    [1, write],
    [2, write],
    [9, given],
  ] as const;
  const pid = addon().spawn('/bin/sh', ['sh', '-c', script], ['A=b', 'PATH=/usr/bin:/bin'], {
    fds,
    cwd: '/usr',
  });
  closeSync(write);
  // 3 is the listing's own
  t.is(readAll(read), 'from a memfd\n0 1 2 3 9 /dev/null\n/usr\nb\n');
  t.deepEqual(addon().waitpid(pid, false), { code: 0, signal: 0 });
  closeSync(given);
});

addonTest('descriptors may trade places', (t) => {
  const [first, second] = [addon().memfd('a', Buffer.from('a')), addon().memfd('b', Buffer.from('b'))];
  const [read, write] = addon().pipe();
  const pid = addon().spawn(
    '/bin/sh',
    ['sh', '-c', `cat /proc/self/fd/${first} /proc/self/fd/${second}`],
    ['PATH=/usr/bin:/bin'],
    {
      fds: [
        [first, second],
        [second, first],
        [1, write],
      ],
    },
  );
  closeSync(write);
  t.is(readAll(read), 'ba');
  addon().waitpid(pid, false);
});

addonTest('a program that cannot start is an error with its errno, and exits are told', (t) => {
  const error = t.throws(() => addon().spawn('/no/such', ['x'], []));
  t.true(hasErrno(error, 'ENOENT'));
  t.like(error, { errno: 2, syscall: 'execve' });
  t.true(
    hasErrno(
      t.throws(() => addon().spawn('/bin/sh', ['sh'], [], { cwd: '/no/such' })),
      'ENOENT',
    ),
  );
  const pid = addon().spawn('/bin/sh', ['sh', '-c', 'kill -9 $$'], []);
  t.deepEqual(addon().waitpid(pid, false), { code: 137, signal: 9 });
  const sleeper = addon().spawn('/bin/sleep', ['sleep', '60'], [], { setsid: true });
  t.is(addon().waitpid(sleeper, true), null);
  t.true(addon().pidfdAlive(sleeper, startTicks(sleeper)));
  t.false(addon().pidfdAlive(sleeper, startTicks(sleeper) + 1));
  t.false(addon().killChecked(sleeper, startTicks(sleeper) + 1, 9));
  t.true(addon().killChecked(sleeper, startTicks(sleeper), 15));
  t.deepEqual(addon().waitpid(sleeper, false), { code: 143, signal: 15 });
  t.false(addon().pidfdAlive(sleeper, 1));
  t.true(
    hasErrno(
      t.throws(() => addon().waitpid(sleeper, false)),
      'ECHILD',
    ),
  );
});

addonTest('execve replaces Node and keeps its standard streams', (t) => {
  const script = `const module = { exports: {} }; process.dlopen(module, ${JSON.stringify(nativePath('coracle.node'))});
    const plan = module.exports.memfd('plan', Buffer.from('planned'));
    process.on('SIGPIPE', () => {});
    module.exports.execve('/bin/sh', ['sh', '-c', 'cat <&3; ls /proc/self/fd | tr "\\\\n" " "; cat; exit 7'], ['PATH=/usr/bin:/bin'], [[3, plan]]);`;
  const error = t.throws(() =>
    execFileSync(process.execPath, ['-e', script], { input: 'typed', encoding: 'utf8' }),
  );
  t.like(error, { status: 7, stdout: 'planned0 1 2 3 4 typed' });
});

addonTest('locks are seen by others', async (t) => {
  const path = join(temporaryDirectory(t), 'lock');
  t.false(addon().ofdLockHeld(path));
  writeFileSync(path, '');
  const [first, second] = [openSync(path, 'r+'), openSync(path, 'r+')];
  t.true(addon().flock(first, 'ex', true));
  t.false(addon().flock(second, 'ex', true));
  t.false(addon().flock(second, 'sh', true));
  addon().flock(first, 'un', false);
  t.true(addon().flock(second, 'sh', true));
  t.false(addon().ofdLockHeld(path));
  const script =
    'import fcntl,struct,sys,time;f=open(sys.argv[1],"r+");fcntl.fcntl(f,37,struct.pack("hhqqi",1,0,0,0,0));print("held",flush=True);time.sleep(60)';
  const holder = spawn('python3', ['-c', script, path]);
  t.teardown(() => holder.kill('SIGKILL'));
  const [said] = await Promise.race([once(holder.stdout, 'data'), once(holder, 'error')]);
  if (!String(said).startsWith('held')) return t.log('no python3 to hold an OFD lock');
  t.true(addon().ofdLockHeld(path));
});

addonTest('a memfd is sealed, names are never overwritten, xattrs come back', (t) => {
  const directory = temporaryDirectory(t);
  const memory = addon().memfd('m', Buffer.from('fixed'));
  t.true(
    hasErrno(
      t.throws(() => writeSync(memory, 'x')),
      'EPERM',
    ),
  );
  t.is(readAll(memory), 'fixed');
  const [one, two] = [join(directory, 'one'), join(directory, 'two')];
  writeFileSync(one, '1');
  t.true(addon().renameNoReplace(one, two));
  writeFileSync(one, '1');
  t.false(addon().renameNoReplace(one, two));
  t.true(
    hasErrno(
      t.throws(() => addon().renameNoReplace(join(directory, 'none'), one)),
      'ENOENT',
    ),
  );
  t.true(
    hasErrno(
      t.throws(() => addon().getxattr(two, 'user.test')),
      'ENODATA',
    ),
  );
  addon().setxattr(two, 'user.test', Buffer.from([0, 1, 2]));
  t.deepEqual(addon().getxattr(two, 'user.test'), Buffer.from([0, 1, 2]));
  const [read] = addon().pipe();
  t.true(addon().pipeSize(read, 65_536) >= 4096);
  t.true(addon().returnMemory());
  t.is(addon().ttySize(openSync('/dev/null', 'r')), null);
  t.false(addon().isatty(openSync('/dev/null', 'r')));
});

addonTest('sockets with long paths are reached', async (t) => {
  let directory = temporaryDirectory(t);
  const start = directory;
  while (directory.length < 150) directory = join(directory, 'long-name-of-a-directory');
  mkdirSync(directory, { recursive: true });
  const server = createServer((socket) => socket.end('hello'));
  server.listen(join(start, 's'));
  await once(server, 'listening');
  t.teardown(() => server.close());
  renameSync(join(start, 's'), join(directory, 's'));
  const descriptor = addon().connectUnix(join(directory, 's'));
  await once(server, 'connection');
  const buffer = Buffer.alloc(5);
  t.is(readSync(descriptor, buffer), 5);
  t.is(buffer.toString(), 'hello');
  closeSync(descriptor);
  t.true(
    hasErrno(
      t.throws(() => addon().connectUnix(join(directory, 'none'))),
      'ENOENT',
    ),
  );
});

addonTest('wrong arguments are type errors', (t) => {
  const loose = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const call of [
    () => loose.flock?.('x'),
    () => loose.spawn?.('/bin/true', 'x', []),
    () => loose.memfd?.('m', 'x'),
    () => loose.connectUnix?.('a\0b'),
  ]) {
    t.throws(call, { instanceOf: TypeError });
  }
});

addonTest('memory is shared by its descriptor, and its size stays', (t) => {
  const [descriptor, memory] = addon().sharedMemory('m', 5000);
  t.is(memory.length, 5000);
  memory.write('here', 4990);
  const seen = Buffer.alloc(4);
  t.is(readSync(descriptor, seen, 0, 4, 4990), 4);
  t.is(seen.toString(), 'here');
  t.is(writeSync(descriptor, 'back', 0), 4);
  t.is(memory.toString('latin1', 0, 4), 'back');
  for (const size of [0, 5001])
    t.true(
      hasErrno(
        t.throws(() => ftruncateSync(descriptor, size)),
        'EPERM',
      ),
    );
  closeSync(descriptor);
  t.is(memory.toString('latin1', 4990, 4994), 'here');
  for (const size of [0, -1])
    t.true(
      hasErrno(
        t.throws(() => addon().sharedMemory('m', size)),
        'EINVAL',
      ),
    );
});

addonTest('a directory is told to spread what is made in it, as far as its file system knows how', (t) => {
  const directory = temporaryDirectory(t);
  const descriptor = openSync(directory, 'r');
  const spread = addon().spreadChildren(descriptor);
  t.is(addon().spreadChildren(descriptor), spread);
  closeSync(descriptor);
  const listed = spawnSync('lsattr', ['-d', directory], { encoding: 'utf8' });
  if (spread && listed.status === 0) t.regex(listed.stdout, /^\S*T/);
  const proc = openSync('/proc/self', 'r');
  t.false(addon().spreadChildren(proc));
  closeSync(proc);
  const error = t.throws(() => addon().spreadChildren(-1));
  t.true(hasErrno(error, 'EBADF'));
});

addonTest('a file system is synced on another thread, whatever becomes of the descriptor', async (t) => {
  const directory = temporaryDirectory(t);
  const descriptor = openSync(directory, 'r');
  const synced = addon().syncfsLater(descriptor);
  closeSync(descriptor);
  t.is(await synced, undefined);
  t.throws(() => addon().syncfsLater(-1), { code: 'EBADF' });
});
