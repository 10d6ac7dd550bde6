import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { collectLeftovers } from '../../lib/container/collect.js';
import { createContainer } from '../../lib/container/create.js';
import { execDetached } from '../../lib/container/exec.js';
import {
  killContainer,
  removeContainer,
  stopContainer,
  waitContainer,
} from '../../lib/container/lifecycle.js';
import { readLogs } from '../../lib/container/logs.js';
import { startContainer } from '../../lib/container/start.js';
import { CoracleError, hasErrno } from '../../lib/errors.js';
import type { StorageDriver } from '../../lib/snapshot/driver.js';
import { testWith } from '../helpers/declare.js';
import { type Missing, missingDevice, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { image, openFixture, supervisorOf, until } from './fixture.js';

const missing: readonly Missing[] = [missingUserNamespaces(), missingBusybox()];
const drivers: readonly (readonly [StorageDriver, readonly Missing[]])[] = [
  ['overlay', missing],
  ['fuse-overlayfs', [...missing, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')]],
  ['copy', missing],
];

const loop = ['sh', '-c', 'trap "echo bye; exit 4" TERM; echo up; while :; do sleep 0.05; done'];

for (const [driver, needs] of drivers) {
  testWith(needs, `${driver}: a container prints, exits and is remembered`, async (t) => {
    const fixture = openFixture(t, driver);
    const view = await fixture.run({
      command: ['sh', '-c', 'echo out; echo err >&2; touch /new; echo end; exit 5'],
    });
    t.is((await waitContainer(fixture.stores, view))?.code, 5);
    const after = fixture.view(view.record.name);
    t.is(after.status, 'exited');
    t.deepEqual((await fixture.output(after)).split('\n').sort(), ['', 'end', 'err', 'out']);
    t.is(after.record.driver, driver);
  });

  testWith(needs, `${driver}: a container can be started again and keeps its files`, async (t) => {
    const fixture = openFixture(t, driver);
    const view = await fixture.run({
      command: ['sh', '-c', 'test -e /mark && exit 7; touch /mark; rm /etc/group'],
    });
    t.is((await waitContainer(fixture.stores, view))?.code, 0);
    await startContainer(fixture.stores, view.record);
    t.is((await waitContainer(fixture.stores, fixture.view(view.record.id)))?.code, 7);
  });

  testWith(needs, `${driver}: stop lets it end by itself, rm removes all of it`, async (t) => {
    const fixture = openFixture(t, driver);
    const view = await fixture.run({ command: loop, name: 'looper' });
    t.is(view.status, 'running');
    const refusal = await t.throwsAsync(removeContainer(fixture.stores, view), { instanceOf: CoracleError });
    t.is(refusal?.code, 'IN_USE');
    await until(() => readFileSync(join(view.directory, 'log'), 'utf8').includes('up'));
    await stopContainer(fixture.stores, view);
    t.is(fixture.view('looper').exit?.code, 4);
    await removeContainer(fixture.stores, fixture.view('looper'));
    t.deepEqual(readdirSync(fixture.stores.paths.containers), ['.names']);
    t.deepEqual(readdirSync(fixture.stores.paths.names), []);
    t.deepEqual(readdirSync(fixture.stores.paths.trash), []);
    t.deepEqual(readdirSync(join(fixture.stores.runtime, 'c')), []);
  });

  testWith(needs, `${driver}: --rm leaves nothing behind`, async (t) => {
    const fixture = openFixture(t, driver);
    const view = await fixture.run({
      command: ['sh', '-c', 'echo x > /x; echo y > /v/y; sleep 0.3'],
      remove: true,
      mounts: [{ type: 'volume', name: undefined, destination: '/v', readonly: false, copy: true }],
    });
    await waitContainer(fixture.stores, view);
    await until(() => !existsSync(view.directory) && readdirSync(fixture.stores.paths.trash).length === 0);
    t.deepEqual(readdirSync(fixture.stores.paths.names), []);
    t.deepEqual(readdirSync(fixture.stores.paths.volumes), []);
    t.deepEqual(readdirSync(join(fixture.stores.runtime, 'c')), []);
  });

  testWith(needs, `${driver}: killing the supervisor is told and collected`, async (t) => {
    const fixture = openFixture(t, driver);
    const kept = await fixture.run({ command: loop });
    const passing = await fixture.run({ command: loop, remove: true });
    for (const view of [kept, passing]) process.kill(supervisorOf(view), 'SIGKILL');
    await until(() => fixture.view(kept.record.id).status === 'exited');
    const { exit } = fixture.view(kept.record.id);
    t.is(exit?.code, 137);
    t.is(exit?.error, 'the supervisor was killed');
    await until(
      () => !fixture.containers.get(passing.record.id) || fixture.view(passing.record.id).status === 'exited',
    );
    await collectLeftovers(fixture.stores);
    t.is(fixture.containers.get(passing.record.id), undefined);
    t.deepEqual(readdirSync(fixture.stores.paths.trash), []);
    await until(() => !processesOf(kept.record.id));
  });
}

/** Whether any process of this user still speaks of the container. */
function processesOf(id: string): boolean {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(id);
      } catch (error) {
        if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return false;
        throw error;
      }
    });
}

testWith(missing, 'a process started by exec shares the container', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const view = await fixture.run({
    command: ['sh', '-c', 'while ! test -e /tmp/go; do sleep 0.05; done; cat /tmp/go'],
    env: ['A=1'],
  });
  await execDetached(fixture.stores, view, {
    command: ['sh', '-c', 'echo "$A $B $(id -u) $(pwd)" > /tmp/x; mv /tmp/x /tmp/go'],
    env: ['B=2'],
    workdir: '/data',
  });
  await waitContainer(fixture.stores, view);
  t.is(await fixture.output(view), '1 2 0 /data\n');
});

testWith(missing, 'exec in a container that ended is refused', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const view = await fixture.run({ command: ['true'] });
  await waitContainer(fixture.stores, view);
  const error = await t.throwsAsync(
    execDetached(fixture.stores, fixture.view(view.record.id), { command: ['true'] }),
    { instanceOf: CoracleError },
  );
  t.is(error?.code, 'CONFLICT');
});

testWith(missing, 'a signal is sent, SIGKILL ends it', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const view = await fixture.run({
    command: ['sh', '-c', 'trap "echo usr" USR1; echo up; while :; do sleep 0.05; done'],
  });
  const log = (): string => readFileSync(join(view.directory, 'log'), 'utf8');
  await until(() => log().includes('up'));
  await killContainer(fixture.stores, view, 10);
  await until(() => log().includes('usr'));
  await killContainer(fixture.stores, view);
  t.deepEqual(
    [(await waitContainer(fixture.stores, view))?.code, fixture.view(view.record.id).exit?.signal],
    [137, 9],
  );
  const error = await t.throwsAsync(killContainer(fixture.stores, view), { instanceOf: CoracleError });
  t.is(error?.code, 'CONFLICT');
});

testWith(missing, 'a stop that is ignored ends in SIGKILL', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const view = await fixture.run({
    command: ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done'],
  });
  await stopContainer(fixture.stores, view, { timeout: 0.2 });
  t.is(fixture.view(view.record.id).exit?.code, 137);
});

for (const [command, code] of [
  ['nothing-here', 127],
  ['/etc/passwd', 126],
] as const) {
  testWith(missing, `a command that cannot be run ends in ${code}`, async (t) => {
    const fixture = openFixture(t, 'overlay');
    const error = await t.throwsAsync(fixture.run({ command: [command], name: 'broken' }), {
      instanceOf: CoracleError,
    });
    t.is(error?.code, 'START');
    t.is(error?.exitCode, code);
    t.is(fixture.view('broken').exit?.code, code);
    const passing = await t.throwsAsync(fixture.run({ command: [command], remove: true }), {
      instanceOf: CoracleError,
    });
    t.is(passing?.exitCode, code);
    await until(() => fixture.containers.list().length === 1);
    t.is(fixture.containers.list()[0]?.record.name, 'broken');
  });
}

testWith(missing, 'a name is given once', async (t) => {
  const fixture = openFixture(t, 'overlay');
  await createContainer(fixture.stores, { name: 'web', command: ['true'], network: 'none' }, image());
  const error = await t.throwsAsync(
    createContainer(fixture.stores, { name: 'web', command: ['true'], network: 'none' }, image()),
    { instanceOf: CoracleError },
  );
  t.is(error?.code, 'CONFLICT');
  t.regex(error?.hint ?? '', /coracle rm web/);
  t.is(fixture.containers.list().length, 1);
});

testWith(missing, 'what a killed creator left is taken over and collected', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const { paths } = fixture.stores;
  const id = 'b'.repeat(64);
  mkdirSync(join(paths.containers, id, 'fs'), { recursive: true });
  mkdirSync(paths.names, { recursive: true });
  symlinkSync(`${id}:1:2:another-boot`, join(paths.names, 'web'));
  const view = await fixture.run({ name: 'web', command: ['true'] });
  t.is(fixture.view('web').record.id, view.record.id);
  await collectLeftovers(fixture.stores);
  t.false(existsSync(join(paths.containers, id)));
  t.is(fixture.view('web').record.id, view.record.id);
});

testWith(missing, 'a failed creation leaves nothing behind', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const mounts = [
    {
      type: 'bind',
      source: '/no/such/path',
      destination: '/x',
      readonly: false,
      recursive: true,
      exec: true,
    },
  ] as const;
  const error = await t.throwsAsync(fixture.run({ command: ['true'], mounts }), { instanceOf: CoracleError });
  t.is(error?.code, 'NOT_FOUND');
  t.regex(error?.message ?? '', /\/no\/such\/path: no such file/);
  t.deepEqual(fixture.containers.ids(), []);
});

testWith(missing, 'a container gets what it was asked to have', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const script =
    'id -u; id -G; pwd; echo $A $C; test -w / || echo ro; echo x > /tmp/x && echo tmp; ulimit -n; cat /data/seed; grep CapEff /proc/self/status; cat /etc/hostname; stat -c %a /t';
  const { code, text } = await fixture.finish(
    {
      command: ['sh', '-c', script],
      user: 'www',
      env: ['A=b'],
      workdir: '/made/here',
      readonlyRoot: true,
      ulimits: [{ name: 'nofile', soft: 100, hard: 200 }],
      capabilityDrop: ['ALL'],
      hostname: 'box',
      mounts: [
        {
          type: 'tmpfs',
          destination: '/t',
          readonly: false,
          size: 65536,
          mode: 0o700,
          exec: false,
          copyUp: false,
        },
      ],
    },
    { Env: ['PATH=/bin', 'C=d', 'broken', '*'], Volumes: { '/data': {} } },
  );
  t.is(code, 0);
  t.deepEqual(text.trimEnd().split('\n'), [
    '33',
    '33 44',
    '/made/here',
    'b d',
    'ro',
    'tmp',
    '100',
    'from the image',
    'CapEff:\t0000000000000000',
    'box',
    '700',
  ]);
});

testWith(missing, 'a named volume is filled once and outlives its containers', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const mounts = [
    { type: 'volume', name: 'keep', destination: '/data', readonly: false, copy: true },
  ] as const;
  t.is(
    (
      await fixture.finish({
        command: ['sh', '-c', 'cat /data/seed; rm /data/seed; echo mine > /data/own'],
        mounts,
      })
    ).text,
    'from the image\n',
  );
  t.is((await fixture.finish({ command: ['ls', '/data'], mounts })).text, 'own\n');
});

testWith(missing, 'a bind mount is read-only where asked for', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const source = join(fixture.directory, 'shared');
  mkdirSync(source);
  writeFileSync(join(source, 'f'), 'hello\n');
  const mount = { type: 'bind', source, destination: '/s/deep', recursive: true, exec: true } as const;
  const { text } = await fixture.finish({
    command: ['sh', '-c', 'cat /s/deep/f; echo x 2>/dev/null > /s/deep/g || echo refused'],
    mounts: [{ ...mount, readonly: true }],
  });
  t.is(text, 'hello\nrefused\n');
  await fixture.finish({
    command: ['sh', '-c', 'echo x > /s/deep/g'],
    mounts: [{ ...mount, readonly: false }],
  });
  t.is(readFileSync(join(source, 'g'), 'utf8'), 'x\n');
});

testWith(missing, 'records torn by a power failure are told or collected, never fatal', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const torn = await fixture.run({ command: ['true'] });
  const lost = await fixture.run({ command: ['true'], name: 'lost' });
  for (const view of [torn, lost]) await waitContainer(fixture.stores, view);
  writeFileSync(join(torn.directory, 'exit'), '');
  writeFileSync(join(lost.directory, 'container.json'), '\0\0');
  rmSync(join(fixture.stores.paths.names, 'lost'));
  symlinkSync(`${lost.record.id}:1:2:another-boot`, join(fixture.stores.paths.names, 'lost'));
  t.is(fixture.view(torn.record.id).exit?.code, 137);
  t.is(fixture.containers.find('lost'), undefined);
  await collectLeftovers(fixture.stores);
  t.deepEqual(fixture.containers.ids(), [torn.record.id]);
  t.is(fixture.containers.find('lost'), undefined);
  const again = await fixture.run({ command: ['true'], name: 'lost' });
  t.is(again.record.name, 'lost');
});

testWith(missing, 'of many makers of one name one wins', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const options = { name: 'one', command: ['true'], network: 'none' } as const;
  const made = await Promise.allSettled(
    Array.from({ length: 8 }, () => createContainer(fixture.stores, options, image())),
  );
  t.is(made.filter(({ status }) => status === 'fulfilled').length, 1);
  t.is(fixture.containers.ids().length, 1);
});

testWith(missing, 'S7: the default filter holds, an unconfined container has none', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const command = ['sh', '-c', 'unshare -U true 2>&1; echo $?; grep Seccomp: /proc/self/status'];
  t.is(
    (await fixture.finish({ command })).text,
    'unshare: unshare(0x10000000): Operation not permitted\n1\nSeccomp:\t2\n',
  );
  t.is(
    (await fixture.finish({ command, security: { seccomp: { kind: 'unconfined' } } })).text,
    '0\nSeccomp:\t0\n',
  );
});

testWith(missing, 'a profile from a file decides', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const path = join(fixture.directory, 'profile.json');
  const rule = { names: ['getcwd'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 };
  writeFileSync(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
  const security = { seccomp: { kind: 'file', path } } as const;
  t.is(
    (await fixture.finish({ command: ['sh', '-c', 'cd /bin; exec pwd 2>&1'], env: ['PWD='], security })).code,
    1,
  );
});

testWith(missing, 'following a log ends with the container', async (t) => {
  const fixture = openFixture(t, 'overlay');
  const view = await fixture.run({
    command: ['sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.1; done; printf last'],
  });
  const pieces: string[] = [];
  for await (const entry of readLogs(view, { follow: true })) pieces.push(entry.data.toString());
  t.is(pieces.join(''), '1\n2\n3\nlast');
  const stopping = new AbortController();
  const endless = await fixture.run({ command: loop });
  for await (const entry of readLogs(endless, { follow: true, signal: stopping.signal })) {
    t.is(entry.data.toString(), 'up\n');
    stopping.abort();
  }
});
