import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { detectIdMap } from '../../lib/host/id-map.js';
import { agentTest, failsWith, make, missingAgent, root, show, startAgent, time } from './agent-fixture.js';

test('agents can run on this machine', (t) => {
  t.log(missingAgent() ?? 'they can');
  t.pass();
});

agentTest('what is made is found with all its attributes', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  const owner = { uid: 1000, gid: 4242 };
  await agent.mkdir(top, 'd', { mode: 0o2775, owner, mtime: time });
  await agent.file(top, 'd/f', { mode: 0o4711, owner, mtime: time }, Buffer.from('content'));
  await agent.symlink(top, 'd/l', '../far/away', { owner, mtime: time });
  await agent.link(top, 'd/h', 'd/f');
  await agent.node(top, 'd/p', { type: 'fifo', major: 0, minor: 0 }, { mode: 0o620, owner, mtime: time });
  await agent.xattr(top, 'd/f', 'user.note', Buffer.from('hello'));
  await agent.xattr(
    top,
    'd/f',
    'security.capability',
    Buffer.from('0100000200200000000000000000000000000000', 'hex'),
  );
  await agent.setMeta(top, 'd', { mtime: time });
  await agent.sync();
  const entries = await agent.list(top, 'd');
  t.deepEqual(
    entries.map(({ path, type, mode, uid, gid, size, mtime, target }) => ({
      path: path.toString(),
      type,
      mode,
      uid,
      gid,
      size: type === 'symlink' ? 0 : size,
      mtime,
      target: target.toString(),
    })),
    [
      { path: 'd/f', type: 'file', mode: 0o4711, uid: 1000, gid: 4242, size: 7, mtime: time, target: '' },
      { path: 'd/h', type: 'file', mode: 0o4711, uid: 1000, gid: 4242, size: 7, mtime: time, target: '' },
      {
        path: 'd/l',
        type: 'symlink',
        mode: 0o777,
        uid: 1000,
        gid: 4242,
        size: 0,
        mtime: time,
        target: '../far/away',
      },
      { path: 'd/p', type: 'fifo', mode: 0o620, uid: 1000, gid: 4242, size: 0, mtime: time, target: '' },
    ],
  );
  t.is(entries[0]?.ino, entries[1]?.ino);
  t.is(entries[0]?.nlink, 2);
  t.deepEqual(entries[0]?.xattrs.get('user.note')?.toString(), 'hello');
  t.is(entries[0]?.xattrs.get('security.capability')?.length, 20);
  const directory = await agent.stat(top, 'd');
  t.deepEqual([directory?.mode, directory?.uid, directory?.mtime], [0o2775, 1000, time]);
  t.is(await agent.stat(top, 'nothing'), undefined);
  t.is(await agent.stat(top, 'd/f/below'), undefined);
});

agentTest('long contents arrive whole, in pieces and in ranges', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  const bytes = Buffer.from(Array.from({ length: 3_000_001 }, (_, at) => (at * 7) % 251));
  await agent.fileStream(top, 'big', { mode: 0o600, owner: { uid: 7, gid: 8 }, mtime: time }, bytes.length, [
    bytes.subarray(0, 1),
    bytes.subarray(1, 1_500_000),
    bytes.subarray(1_500_000),
  ]);
  await agent.sync();
  t.true((await agent.read(top, 'big', 0, bytes.length)).equals(bytes));
  t.deepEqual(await agent.read(top, 'big', 2_999_990, 100), bytes.subarray(2_999_990));
  t.deepEqual((await agent.stat(top, 'big'))?.mtime, time);
  await failsWith(t, agent, 'EISDIR', () => agent.read(top, '.', 0, 1));
});

agentTest('contents of every size around those of holes come back as they were', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  const noise = Buffer.from(Array.from({ length: 140_000 }, (_, at) => 1 + ((at * 7) % 251)));
  const zeros = Buffer.alloc(noise.length);
  for (const size of [4095, 4096, 4097, 32_767, 32_768, 32_769, 65_536, 98_304, 131_072, 139_999]) {
    const contents = {
      noise: noise.subarray(0, size),
      zeros: zeros.subarray(0, size),
      tail: Buffer.concat([noise.subarray(0, size >> 1), zeros.subarray(size >> 1, size)]),
      head: Buffer.concat([zeros.subarray(0, size >> 1), noise.subarray(size >> 1, size)]),
    };
    for (const [kind, bytes] of Object.entries(contents)) {
      const name = `${kind}-${size}`;
      await agent.fileStream(top, name, { mode: 0o600, owner: { uid: 7, gid: 8 }, mtime: time }, size, [
        bytes,
      ]);
      await agent.sync();
      t.true((await agent.read(top, name, 0, size)).equals(bytes), name);
      t.is((await agent.stat(top, name))?.size, size, name);
      agent.copyFile({ handle: top, path: name }, { handle: top, path: `copy-${name}` }, { mode: 0o600 });
      await agent.sync();
      t.true((await agent.read(top, `copy-${name}`, 0, size)).equals(bytes), `copy of ${name}`);
    }
  }
});

agentTest('an entry replaces what stood there, and directories merge', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  await make(agent, top, 'a/', 'a/x=1', 'b=2', 'c->b', 'd/', 'd/y=3');
  await make(agent, top, 'a=file', 'b/', 'b/z=4', 'c=plain', 'd/', 'd/w=5');
  t.deepEqual(await show(agent, top), ['a=file', 'b/', 'b/z=4', 'c=plain', 'd/', 'd/w=5', 'd/y=3']);
  await failsWith(t, agent, 'EEXIST', () => agent.mkdir(top, 'd', { mode: 0o755 }));
  await agent.mkdir(top, 'd', { mode: 0o700 }, { existing: 'keep' });
  await agent.sync();
  t.is((await agent.stat(top, 'd'))?.mode, 0o755);
  await failsWith(t, agent, 'EEXIST', () => agent.mkdir(top, 'a', { mode: 0o755 }, { existing: 'keep' }));
  await failsWith(t, agent, 'EISDIR', () => agent.file(top, '.', { mode: 0o644 }, Buffer.alloc(0)));
  await failsWith(t, agent, 'EISDIR', () => agent.symlink(top, '/', 'elsewhere', {}));
});

agentTest('missing parents are made only when asked, and look as they do below', async (t) => {
  const { agent, layer } = startAgent(t);
  const below = await layer('below');
  await agent.mkdir(below, 'etc', { mode: 0o751, owner: { uid: 3, gid: 4 }, mtime: time });
  await agent.xattr(below, 'etc', 'user.kept', Buffer.from('yes'));
  await agent.sync();
  const top = await layer('top');
  const stack = await agent.stack([top, below], { writable: true });
  await failsWith(t, agent, 'ENOENT', () => agent.file(stack, 'new/f', { mode: 0o644 }, Buffer.alloc(0)));
  await make(agent, stack, 'etc/f=1', 'new/deep/f=2');
  t.deepEqual(await show(agent, top, { raw: true }), [
    'etc/',
    'etc/f=1',
    'new/',
    'new/deep/',
    'new/deep/f=2',
  ]);
  const copied = await agent.stat(top, 'etc');
  t.deepEqual([copied?.mode, copied?.uid, copied?.gid], [0o751, 3, 4]);
  t.is(copied?.xattrs.get('user.kept')?.toString(), 'yes');
  const made = await agent.stat(top, 'new/deep');
  t.deepEqual([made?.mode, made?.uid], [0o755, 0]);
  t.deepEqual(await show(agent, below), ['etc/']);
});

agentTest('S24: no path leads out of the root', async (t) => {
  const { agent, directory, layer } = startAgent(t);
  const top = await layer('top');
  mkdirSync(join(directory, 'outside'));
  writeFileSync(join(directory, 'outside/sentinel'), 'untouched');
  await failsWith(t, agent, 'EINVAL', () =>
    agent.file(top, '../outside/x', { mode: 0o644 }, Buffer.alloc(0)),
  );
  await failsWith(t, agent, 'EINVAL', () => agent.stat(top, 'a/../../outside'));
  await failsWith(t, agent, 'EINVAL', () => agent.link(top, 'x', '../outside/sentinel'));
  await make(
    agent,
    top,
    'up->../../../outside',
    'abs->/outside',
    `host->${directory}/outside`,
    'self->self',
    'etc/',
  );
  for (const link of ['up', 'abs', 'host']) {
    await failsWith(t, agent, 'ENOENT', () =>
      agent.file(top, `${link}/sentinel`, { mode: 0o644 }, Buffer.from('bad')),
    );
  }
  for (const link of ['up', 'abs', 'host']) {
    await agent.file(top, `${link}/made`, { mode: 0o644 }, Buffer.from('in'), { parents: true });
    t.is(await agent.stat(top, `${link}/sentinel`), undefined);
  }
  await failsWith(t, agent, 'ELOOP', () => agent.stat(top, 'self/x'));
  await failsWith(t, agent, 'ENAMETOOLONG', () => agent.stat(top, 'n'.repeat(300)));
  await failsWith(t, agent, 'ENAMETOOLONG', () => agent.stat(top, 'n/'.repeat(3000)));
  await failsWith(t, agent, 'EINVAL', () => agent.stat(top, Buffer.from('a\0b')));
  t.deepEqual(readdirSync(join(directory, 'outside')), ['sentinel']);
  t.is(readFileSync(join(directory, 'outside/sentinel'), 'utf8'), 'untouched');
  // the links were followed inside the root
  t.true(statSync(join(directory, 'top/outside/made')).isFile());
});

agentTest(
  'S24: handles open below their parent only, never through links, and never writable out of read-only ones',
  async (t) => {
    const { agent, directory, layer } = startAgent(t);
    await layer('layer');
    symlinkSync('layer', join(directory, 'link'));
    const closed = await agent.open(0, 'layer');
    await failsWith(t, agent, 'ELOOP', () => agent.open(0, 'link'));
    await failsWith(t, agent, 'EINVAL', () => agent.open(0, '../..'));
    await failsWith(t, agent, 'EROFS', () => agent.open(closed, 'sub', { create: true }));
    await failsWith(t, agent, 'EROFS', () => agent.file(closed, 'f', { mode: 0o644 }, Buffer.alloc(0)));
    await failsWith(t, agent, 'EBADF', () => agent.stat(99, 'f'));
    await agent.release(closed);
    await failsWith(t, agent, 'EBADF', () => agent.list(closed, '.'));
  },
);

agentTest('S24: links and renames stay on their side', async (t) => {
  const { agent, layer } = startAgent(t);
  const below = await layer('below');
  await make(agent, below, 'lib/f=low', 'lib/d/');
  const top = await layer('top');
  const stack = await agent.stack([top, below], { writable: true });
  await agent.link(stack, 'lib/h', 'lib/f');
  await agent.sync();
  t.deepEqual(await show(agent, top, { raw: true }), ['lib/', 'lib/f=low', 'lib/h=low']);
  t.is((await agent.stat(top, 'lib/f'))?.nlink, 2);
  t.is((await agent.stat(below, 'lib/f'))?.nlink, 1);
  await failsWith(t, agent, 'EPERM', () => agent.link(stack, 'x', 'lib/d'));
  await failsWith(t, agent, 'ENOENT', () => agent.link(stack, 'x', 'nowhere'));
  await agent.link(stack, 'lib/h', 'lib/f');
  await make(agent, top, 'dir/full=1', 'other/');
  await failsWith(t, agent, 'EEXIST', () => agent.rename(top, 'other', top, 'dir'));
  await agent.rename(top, 'other', top, 'dir', { replace: true });
  t.deepEqual(await show(agent, top), ['dir/', 'lib/', 'lib/f=low', 'lib/h=low']);
  await failsWith(t, agent, 'ENOTEMPTY', () => agent.remove(top, 'lib'));
  t.true(await agent.remove(top, 'lib', { recursive: true }));
  t.false(await agent.remove(top, 'lib', { recursive: true }));
});

agentTest('a tree thousands of levels deep is removed', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  await agent.mkdir(top, 'd', { mode: 0o700 });
  for (let level = 0; level < 1500; level++) {
    await agent.mkdir(top, 'e', { mode: 0o700 });
    await agent.sync();
    await agent.rename(top, 'd', top, 'e/d');
    await agent.rename(top, 'e', top, 'd');
  }
  t.true(await agent.remove(top, 'd', { recursive: true }));
  t.deepEqual(await show(agent, top), []);
});

agentTest('markers of other tools, foreign whiteouts and unmapped owners are refused', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  await make(agent, top, 'f=1', 'd/');
  for (const name of [
    'user.overlay.opaque',
    'user.overlay.redirect',
    'user.fuseoverlayfs.opaque',
    'user.containers.override_stat',
    'user.rootlesscontainers',
    'trusted.overlay.opaque',
    'security.selinux',
    'security.ima',
    'system.posix_acl_access',
    'user.',
  ]) {
    await failsWith(t, agent, 'ENOTSUP', () => agent.xattr(top, 'f', name, Buffer.from('y')));
  }
  await failsWith(t, agent, 'EPERM', () =>
    agent.node(top, 'w', { type: 'char', major: 0, minor: 0 }, { mode: 0o600 }),
  );
  await failsWith(t, agent, 'EPERM', () =>
    agent.node(top, 'sda', { type: 'block', major: 8, minor: 0 }, { mode: 0o600 }),
  );
  await failsWith(t, agent, 'EINVAL', () => agent.setMeta(top, 'f', { owner: { uid: 70_000, gid: 0 } }));
  await failsWith(t, agent, 'EINVAL', () =>
    agent.file(top, 'g', { mode: 0o644, owner: { uid: 4_000_000, gid: 0 } }, Buffer.alloc(0)),
  );
});

agentTest('a failure among pipelined operations surfaces once, at the next call that waits', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  void agent.file(top, 'no/where', { mode: 0o644 }, Buffer.from('lost'));
  void agent.file(top, 'kept', { mode: 0o644 }, Buffer.from('there'));
  await t.throwsAsync(() => agent.sync(), { message: 'write no/where: no such file or directory' });
  await agent.sync();
  t.deepEqual(await show(agent, top), ['kept=there']);
});

agentTest(
  'a copied file is as its source unless told otherwise, and a changed source is noticed',
  async (t) => {
    const { agent, directory, layer } = startAgent(t);
    const from = await layer('from');
    const to = await layer('to');
    await agent.file(
      from,
      'f',
      { mode: 0o640, owner: { uid: 11, gid: 12 }, mtime: time },
      Buffer.alloc(200_000, 'x'),
    );
    await agent.xattr(from, 'f', 'user.note', Buffer.from('n'));
    await agent.sync();
    const before = await agent.stat(from, 'f');
    if (before === undefined) return t.fail();
    await agent.copyFile({ handle: from, path: 'f', check: before }, { handle: to, path: 'a' }, {});
    await agent.copyFile(
      { handle: from, path: 'f' },
      { handle: to, path: 'sub/b' },
      { mode: 0o600, owner: root },
      { parents: true },
    );
    await agent.sync();
    const [same, other] = [await agent.stat(to, 'a'), await agent.stat(to, 'sub/b')];
    t.deepEqual([same?.mode, same?.uid, same?.gid, same?.mtime, same?.size], [0o640, 11, 12, time, 200_000]);
    t.is(same?.xattrs.get('user.note')?.toString(), 'n');
    t.deepEqual([other?.mode, other?.uid, other?.mtime], [0o600, 0, time]);
    t.deepEqual(await agent.read(to, 'sub/b', 199_990, 100), Buffer.alloc(10, 'x'));
    await agent.setMeta(from, 'f', { mtime: { seconds: 5, nanoseconds: 0 } });
    await failsWith(t, agent, 'ESTALE', () =>
      agent.copyFile({ handle: from, path: 'f', check: before }, { handle: to, path: 'c' }, {}),
    );
    await failsWith(t, agent, 'EISDIR', () =>
      agent.copyFile({ handle: to, path: 'sub' }, { handle: to, path: 'd' }, {}),
    );
    rmSync(join(directory, 'from'), { recursive: true, force: true });
  },
);

agentTest('with one id only, the wanted owner is remembered', async (t) => {
  const { agent, layer } = startAgent(t, detectIdMap({ forced: 'single' }));
  const top = await layer('top');
  await agent.file(top, 'f', { mode: 0o640, owner: { uid: 33, gid: 44 }, mtime: time }, Buffer.from('x'));
  await agent.mkdir(top, 'd', { mode: 0o750, owner: { uid: 5, gid: 6 } });
  await agent.copyFile({ handle: top, path: 'f' }, { handle: top, path: 'copy' }, {});
  await agent.setMeta(top, 'f', { mode: 0o600 });
  await agent.sync();
  const owners = (await agent.list(top, '.')).map(({ path, mode, uid, gid, xattrs }) => [
    path.toString(),
    mode,
    uid,
    gid,
    xattrs.size,
  ]);
  t.deepEqual(owners, [
    ['copy', 0o640, 33, 44, 0],
    ['d', 0o750, 5, 6, 0],
    ['f', 0o600, 33, 44, 0],
  ]);
  await agent.setMeta(top, 'f', { owner: root });
  await agent.sync();
  t.is((await agent.stat(top, 'f'))?.uid, 0);
});

agentTest('usage counts inodes once', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  await make(agent, top, 'a/', 'a/f=1234');
  await agent.link(top, 'a/g', 'a/f');
  await agent.sync();
  const usage = await agent.usage(top, '.');
  t.is(usage.inodes, 3);
  t.true(usage.bytes >= 4096);
});
