/** `coracle oci`: bundles by hand, as runc would run them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { eventually, journeyNeeds } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { openBundles } from './bundle-fixture.js';

testWith(journeyNeeds, 'a container waits from create to start, and is deleted after its end', async (t) => {
  const { apart, bundle, ok, run, directory } = await openBundles(t);
  const out = join(directory, 'out');
  mkdirSync(out);
  const where = bundle(['sh', '-c', 'echo ran > /out/ran; exec sleep 1000'], ({ mounts }) =>
    mounts.push({ destination: '/out', type: 'bind', source: out, options: ['rbind', 'rw'] }),
  );
  const state = async () => JSON.parse(await ok(['state', 'box']));
  await apart(['create', '--bundle', where, '--pid-file', join(directory, 'pid'), 'box']);
  const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
  t.like(await state(), { id: 'box', status: 'created', pid, bundle: where, rootfs: join(where, 'rootfs') });
  t.false(existsSync(join(out, 'ran')));
  t.regex((await run(['exec', 'box', 'true'])).stderr, /it is created, not running/);
  await ok(['start', 'box']);
  t.is((await state()).status, 'running');
  await eventually(async () => existsSync(join(out, 'ran')) || undefined);
  t.regex((await run(['start', 'box'])).stderr, /it is running, not created/);
  t.regex((await run(['create', '--bundle', where, 'box'])).stderr, /one of that name already/);
  t.regex((await run(['delete', 'box'])).stderr, /it is running, not stopped/);
  t.deepEqual(JSON.parse(await ok(['list', '-f', 'json'])).length, 1);
  t.deepEqual(JSON.parse(await ok(['ps', '-f', 'json', 'box'])), [pid]);
  await ok(['pause', 'box']);
  t.is((await state()).status, 'paused');
  t.regex(readFileSync(`/proc/${pid}/status`, 'utf8'), /State:\tT/);
  await ok(['resume', 'box']);
  t.is((await state()).status, 'running');
  await ok(['kill', 'box', 'KILL']);
  await eventually(async () => (await state()).status === 'stopped' || undefined);
  t.regex((await run(['kill', 'box', 'KILL'])).stderr, /container not running/);
  await ok(['delete', 'box']);
  const gone = await run(['state', 'box']);
  t.is(gone.code, 1);
  t.regex(gone.stderr, /it does not exist/);
  await ok(['delete', '--force', 'box']);
  t.is(await ok(['list', '-q']), '');
});

testWith(journeyNeeds, 'a container is what its configuration says', async (t) => {
  const { bundle, ok } = await openBundles(t);
  const script = [
    'id -u; id -g; id -G; pwd; umask; hostname; ulimit -n',
    'grep -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status | tr -d "\\t"',
    'cat /proc/sys/kernel/shmmax; touch /x 2>&1; mkdir /made/x && echo "$A"',
    'mkdir /tmp/d; echo $?; cat /proc/keys | wc -l; ls /proc/self/fd | wc -l',
  ].join('\n');
  const where = bundle(['sh', '-c', script], (config) => {
    Object.assign(config.process, {
      user: { uid: 5, gid: 6, umask: 0o27, additionalGids: [7] },
      cwd: '/etc',
      env: ['PATH=/bin', 'A=b c'],
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 77, hard: 88 }],
      capabilities: {
        bounding: ['CAP_KILL', 'CAP_CHOWN'],
        permitted: ['CAP_KILL'],
        effective: ['CAP_KILL'],
        inheritable: ['CAP_KILL'],
        ambient: ['CAP_KILL'],
      },
    });
    config.mounts.push({
      destination: '/made',
      type: 'tmpfs',
      source: 't',
      options: ['mode=777', 'size=64k'],
    });
    config.linux.sysctl = { 'kernel.shmmax': '12345' };
    config.linux.seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
    };
    config.root.readonly = true;
  });
  const lines = (await ok(['run', '--bundle', where, 'box'])).split('\n');
  t.deepEqual(lines.slice(0, 7), ['5', '6', '6 7', '/etc', '0027', 'coracle', '77']);
  const kill = '0000000000000020';
  t.deepEqual(lines.slice(7, 14), [
    `CapInh:${kill}`,
    `CapPrm:${kill}`,
    `CapEff:${kill}`,
    'CapBnd:0000000000000021',
    `CapAmb:${kill}`,
    'NoNewPrivs:1',
    'Seccomp:2',
  ]);
  t.is(lines[14], '12345');
  t.regex(lines[15] ?? '', /Read-only file system/);
  t.deepEqual(lines.slice(16), ['1', '0', '4', '']);
});

testWith(journeyNeeds, 'run gives the exit code, and exec is in the same container', async (t) => {
  const { apart, bundle, ok, run, directory } = await openBundles(t);
  t.is((await run(['run', '--bundle', bundle(['sh', '-c', 'exit 7']), 'box'])).code, 7);
  const missing = await run(['run', '--bundle', bundle(['nosuch']), 'box']);
  t.is(missing.code, 127);
  t.regex(missing.stderr, /nosuch: executable file not found in \$PATH: no such file or directory/);
  t.is((await run(['run', '--bundle', bundle(['/etc']), 'box'])).code, 126);
  t.is(await ok(['list', '-q']), '');
  await apart(['run', '-d', '--bundle', bundle(['sleep', '1000']), 'box']);
  const said = await run([
    'exec',
    '-u',
    '3:4',
    '-e',
    'A=b',
    '--cwd',
    '/bin',
    'box',
    'sh',
    '-c',
    'id -u; id -g; echo $A; pwd; hostname; exit 5',
  ]);
  t.deepEqual([said.code, said.stdout], [5, '3\n4\nb\n/bin\ncoracle\n']);
  t.is((await run(['exec', 'box', 'sh', '-c', 'kill -9 $$'])).code, 137);
  t.is((await run(['exec', 'box', 'nosuch'])).code, 127);
  const json = join(directory, 'process.json');
  writeFileSync(
    json,
    JSON.stringify({
      args: ['sh', '-c', 'echo $$; grep CapEff /proc/self/status; exec sleep 1000'],
      cwd: '/',
      env: ['PATH=/bin'],
    }),
  );
  await apart(['exec', '-d', '--pid-file', join(directory, 'pid'), '--process', json, 'box']);
  const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
  t.regex(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^sleep/);
  t.true((JSON.parse(await ok(['ps', '-f', 'json', 'box'])) as number[]).includes(pid));
  t.is(await ok(['exec', 'box', 'cat'], { input: 'through' }), 'through');
  await ok(['kill', '--all', 'box', 'KILL']);
  await eventually(async () => !existsSync(`/proc/${pid}/root`) || undefined);
});

testWith(
  journeyNeeds,
  'hooks run in order, where and when they should, and one that fails is the end',
  async (t) => {
    const { apart, bundle, ok, run, directory } = await openBundles(t);
    const log = join(directory, 'log');
    const hook = (name: string, script = '') => ({
      path: '/bin/sh',
      args: ['sh', '-c', `cat > ${directory}/${name}.json; echo ${name} $A >> ${log}; ${script}`],
      env: ['A=b'],
    });
    const hooks = {
      prestart: [hook('prestart')],
      createRuntime: [hook('createRuntime')],
      createContainer: [hook('createContainer', `hostname >> ${log}; readlink /proc/self/ns/mnt >> ${log}`)],
      startContainer: [
        { path: '/bin/sh', args: ['sh', '-c', 'cat > /out/startContainer.json; ls / > /out/seen'] },
      ],
      poststart: [hook('poststart')],
      poststop: [hook('poststop')],
    };
    const where = bundle(['sh', '-c', 'echo process >> /out/log; exec sleep 1000'], (config) => {
      config.hooks = hooks;
      config.annotations = { 'org.example': 'x' };
      config.mounts.push({ destination: '/out', type: 'bind', source: directory, options: ['rbind'] });
    });
    await apart(['create', '--bundle', where, 'box']);
    const lines = () => readFileSync(log, 'utf8').trim().split('\n');
    t.deepEqual(lines().slice(0, 3), ['prestart b', 'createRuntime b', 'createContainer b']);
    t.regex(lines()[4] ?? '', /^mnt:/);
    t.false(existsSync(join(directory, 'seen')));
    await ok(['start', 'box']);
    await eventually(
      async () => (lines().includes('process') && lines().includes('poststart b')) || undefined,
    );
    t.regex(readFileSync(join(directory, 'seen'), 'utf8'), /^etc$/m);
    const state = (name: string) => JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8'));
    t.like(state('createRuntime'), {
      id: 'box',
      status: 'creating',
      bundle: where,
      annotations: { 'org.example': 'x' },
    });
    t.like(state('createContainer'), {
      id: 'box',
      status: 'creating',
      pid: 1,
      annotations: { 'org.example': 'x' },
    });
    t.like(state('startContainer'), { status: 'created', pid: 1 });
    t.is(state('poststart').status, 'running');
    await ok(['delete', '-f', 'box']);
    t.is(lines().at(-1), 'poststop b');
    t.is(state('poststop').status, 'stopped');
    for (const kind of ['prestart', 'createRuntime', 'createContainer', 'startContainer'] as const) {
      const failing = { path: '/bin/sh', args: ['sh', '-c', 'echo why >&2; exit 3'] };
      const bad = bundle(['true'], (config) => {
        config.hooks = { [kind]: [failing] };
      });
      const { code, stderr } = await run(['run', '--bundle', bad, 'box']);
      t.not(code, 0, kind);
      t.regex(stderr, /hook .*\/bin\/sh: exit code 3/, kind);
    }
    const slow = bundle(['true'], (config) => {
      config.hooks = { createContainer: [{ path: '/bin/sleep', args: ['sleep', '100'], timeout: 1 }] };
    });
    t.regex((await run(['run', '--bundle', slow, 'box'])).stderr, /\/bin\/sleep: .*timed out/i);
    t.is(await ok(['list', '-q']), '');
  },
);

testWith(journeyNeeds, 'a container whose hook hangs can be deleted', async (t) => {
  const { apart, bundle, ok, run } = await openBundles(t);
  const where = bundle(['true'], (config) => {
    config.hooks = { startContainer: [{ path: '/bin/sleep', args: ['sleep', '1000'] }] };
  });
  await apart(['create', '--bundle', where, 'box']);
  const start = run(['start', 'box']);
  await eventually(async () =>
    JSON.parse(await ok(['ps', '-f', 'json', 'box'])).length > 0 ? true : undefined,
  );
  await ok(['delete', '--force', 'box'], { timeout: 15_000 });
  t.not((await start).code, 0);
  t.is(await ok(['list', '-q']), '');
});

testWith(journeyNeeds, 'the terminal’s master goes to the console socket', async (t) => {
  const { apart, bundle, ok, run, directory } = await openBundles(t);
  const where = bundle(['sh', '-c', 'tty; stty size'], (config) => {
    config.process.terminal = true;
    config.process.consoleSize = { height: 33, width: 44 };
  });
  t.regex((await run(['create', '--bundle', where, 'box'])).stderr, /nobody takes it/);
  const socket = join(directory, 'console');
  const name = await new Promise<string>((resolve, reject) => {
    const server = createServer((connection) => {
      connection.once('data', (data) => resolve(data.toString()));
      server.close();
    });
    server.listen(socket, () => {
      apart(['create', '--bundle', where, '--console-socket', socket, 'box']).catch(reject);
    });
  });
  t.is(name, '/dev/ptmx');
  await ok(['delete', '-f', 'box']);
});

testWith(journeyNeeds, 'namespaces of another container are joined by their paths', async (t) => {
  const { apart, bundle, ok, directory } = await openBundles(t);
  await apart([
    'run',
    '-d',
    '--pid-file',
    join(directory, 'pid'),
    '--bundle',
    bundle(['sleep', '1000']),
    'one',
  ]);
  const pid = readFileSync(join(directory, 'pid'), 'utf8');
  const where = bundle(
    ['sh', '-c', 'hostname; readlink /proc/self/ns/net; ps | grep -c "sleep 1000"'],
    (config) => {
      config.linux.namespaces = [
        { type: 'mount' },
        ...Object.entries({ user: 'user', uts: 'uts', network: 'net', ipc: 'ipc', pid: 'pid' }).map(
          ([type, file]) => ({ type, path: `/proc/${pid}/ns/${file}` }),
        ),
      ];
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
      Object.assign(config, { hostname: undefined });
    },
  );
  const [name, net, others] = (await ok(['run', '--bundle', where, 'two'])).split('\n');
  t.is(name, 'coracle');
  t.is(net, (await ok(['exec', 'one', 'readlink', '/proc/self/ns/net'])).trim());
  t.true(Number(others) >= 1);
});

testWith(journeyNeeds, 'what is not done is refused by its name, and logged', async (t) => {
  const { bundle, run, ok, directory } = await openBundles(t);
  const log = join(directory, 'log');
  const where = bundle(['true']);
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['create', '--no-pivot', '--bundle', where, 'box'], /--no-pivot/],
    [['create', '--no-new-keyring', '--bundle', where, 'box'], /--no-new-keyring/],
    [['--criu', 'x', 'create', '--bundle', where, 'box'], /--criu/],
    [['checkpoint', 'box'], /unknown command: oci checkpoint/],
    [['create', '--preserve-fds', '1', '--bundle', where, 'box'], /descriptor 3 is not open/],
    [['create', '--bundle', where, '../box'], /not a name/],
    [['create', '--bundle', join(directory, 'nosuch'), 'box'], /open bundle/],
    [['start', 'nosuch'], /it does not exist/],
  ];
  for (const [args, said] of refusals) {
    const { code, stderr } = await run(args);
    t.not(code, 0, args.join(' '));
    t.regex(stderr, said);
  }
  const limited = bundle(['true'], (config) => {
    config.linux.resources = { memory: { limit: 1000000 } };
  });
  const logged = await run(['--log', log, '--log-format', 'json', 'create', '--bundle', limited, 'box']);
  t.is(logged.code, 1);
  t.like(JSON.parse(readFileSync(log, 'utf8')), { level: 'error' });
  t.regex(readFileSync(log, 'utf8'), /linux\.resources\.memory\.limit|create cgroup/);
  await ok(['--log', log, '--cgroup-manager', 'disabled', 'run', '--bundle', limited, 'box']);
  t.regex(readFileSync(log, 'utf8'), /level=warning .*limits are not applied/);
  t.regex(await ok(['--version']), /^coracle-oci version .*\nspec: 1\./);
  t.is(JSON.parse(await ok(['features'])).linux.seccomp.enabled, true);
  t.is(await ok(['list', '-q']), '');
});
