import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { detectIdMap } from '../../lib/host/id-map.js';
import { type Agent, type Handle, openAgent } from '../../lib/native/agent.js';
import { missingDevice, missingProgram, temporaryDirectory } from '../helpers/host.js';
import { agentTest, failsWith, make, missingAgent, show, startAgent } from './agent-fixture.js';

async function threeLayers(
  agent: Agent,
  layer: (name: string) => Promise<Handle>,
): Promise<readonly Handle[]> {
  const bottom = await layer('bottom');
  await make(
    agent,
    bottom,
    'bin->usr/bin',
    'etc/conf=low',
    'etc/old=low',
    'usr/bin/sh=low',
    'var/a/x=low',
    'var/b=low',
  );
  const middle = await layer('middle');
  await make(
    agent,
    await agent.stack([middle, bottom], { writable: true }),
    'etc/conf=mid',
    'etc/old!',
    'var/a/y=mid',
    'var/a/!',
    'var/b/',
    'var/b/z=mid',
  );
  const top = await layer('top');
  return [top, middle, bottom];
}

agentTest(
  'whiteouts and opaque directories are written where something is hidden, and hide it',
  async (t) => {
    const { agent, layer } = startAgent(t);
    const [top = 0, middle = 0, bottom = 0] = await threeLayers(agent, layer);
    t.deepEqual(await show(agent, middle, { raw: true }), [
      'etc/',
      'etc/conf=mid',
      'etc/old!',
      'var/',
      'var/a/!',
      'var/a/y=mid',
      'var/b/',
      'var/b/z=mid',
    ]);
    const stack = await agent.stack([top, middle, bottom], { writable: true });
    t.deepEqual(await show(agent, stack), [
      'bin->usr/bin',
      'etc/',
      'etc/conf=mid',
      'usr/',
      'usr/bin/',
      'usr/bin/sh=low',
      'var/',
      'var/a/',
      'var/a/y=mid',
      'var/b/',
      'var/b/z=mid',
    ]);
    t.is(await agent.stat(stack, 'etc/old'), undefined);
    t.is(await agent.stat(stack, 'var/a/x'), undefined);
    await make(agent, stack, 'nothing!', 'no/where!', 'etc/old!', 'var/a/x!');
    t.deepEqual(await show(agent, top, { raw: true }), []);
    await make(agent, stack, 'bin/sh!', 'var/a!', 'etc/new=top', 'etc/new!');
    t.deepEqual(await show(agent, top, { raw: true }), [
      'etc/',
      'usr/',
      'usr/bin/',
      'usr/bin/sh!',
      'var/',
      'var/a!',
    ]);
  },
);

agentTest('a directory made over a whiteout stays empty', async (t) => {
  const { agent, layer } = startAgent(t);
  const [top = 0, middle = 0, bottom = 0] = await threeLayers(agent, layer);
  const stack = await agent.stack([top, middle, bottom], { writable: true });
  await make(agent, stack, 'var!', 'var/', 'usr!', 'usr/bin/new=1', 'etc=file', 'etc/');
  t.deepEqual(await show(agent, stack), [
    'bin->usr/bin',
    'etc/',
    'usr/',
    'usr/bin/',
    'usr/bin/new=1',
    'var/',
  ]);
  t.deepEqual(await show(agent, top, { raw: true }), [
    'etc/!',
    'usr/!',
    'usr/bin/',
    'usr/bin/new=1',
    'var/!',
  ]);
});

agentTest('links in directories are followed through all layers, the last one only when asked', async (t) => {
  const { agent, layer } = startAgent(t);
  const [top = 0, middle = 0, bottom = 0] = await threeLayers(agent, layer);
  const stack = await agent.stack([top, middle, bottom], { writable: true });
  await make(agent, stack, 'var/link->/bin', 'chain->var/link', 'loop->loop');
  t.is((await agent.resolve(stack, 'chain/sh')).toString(), 'usr/bin/sh');
  t.is((await agent.resolve(stack, '.')).toString(), '');
  t.is((await agent.stat(stack, 'chain'))?.type, 'symlink');
  t.is((await agent.stat(stack, 'chain', { follow: true }))?.path.toString(), 'usr/bin');
  t.deepEqual(
    (await agent.list(stack, 'bin/.')).map((entry) => entry.path.toString()),
    ['usr/bin/sh'],
  );
  t.is((await agent.read(stack, 'chain/sh', 0, 10)).toString(), 'low');
  await failsWith(t, agent, 'ELOOP', () => agent.resolve(stack, 'loop'));
  await make(agent, stack, 'chain/tool=1');
  t.is((await agent.read(top, 'usr/bin/tool', 0, 10)).toString(), '1');
});

agentTest('changes of attributes copy up, and lower layers stay as they are', async (t) => {
  const { agent, layer } = startAgent(t);
  const [top = 0, middle = 0, bottom = 0] = await threeLayers(agent, layer);
  const stack = await agent.stack([top, middle, bottom], { writable: true });
  await agent.setMeta(stack, 'usr/bin/sh', { mode: 0o755, owner: { uid: 9, gid: 9 } });
  await agent.setMeta(stack, 'var', { mode: 0o700 });
  await agent.xattr(stack, 'etc/conf', 'user.n', Buffer.from('v'));
  await agent.sync();
  t.deepEqual(await show(agent, top, { raw: true }), [
    'etc/',
    'etc/conf=mid',
    'usr/',
    'usr/bin/',
    'usr/bin/sh=low',
    'var/',
  ]);
  t.deepEqual(
    [(await agent.stat(stack, 'usr/bin/sh'))?.uid, (await agent.stat(bottom, 'usr/bin/sh'))?.uid],
    [9, 0],
  );
  t.is((await agent.stat(middle, 'var'))?.mode, 0o755);
});

agentTest('one handle sees what another one writes', async (t) => {
  const { agent, layer } = startAgent(t);
  const low = await layer('low');
  const top = await layer('top');
  await make(agent, low, 'a/b/c=1');
  const reader = await agent.stack([top, low]);
  const writer = await agent.stack([top, low], { writable: true });
  t.is((await agent.stat(reader, 'a/b/c'))?.type, 'file');
  await make(agent, writer, 'a/b!', 'a/b/', 'a/b/d=2');
  t.is(await agent.stat(reader, 'a/b/c'), undefined);
  t.is((await agent.stat(reader, 'a/b/d'))?.type, 'file');
  await agent.remove(top, 'a', { recursive: true });
  t.is((await agent.stat(writer, 'a/b/c'))?.type, 'file');
});

/** A random tree: names are few, so that kinds meet. */
const names = fc.constantFrom('a', 'b', 'c');
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const step = fc.oneof(
  fc.tuple(paths, fc.constantFrom('1', '2', 'longer')).map(([path, text]) => `${path}=${text}`),
  paths.map((path) => `${path}/`),
  fc.tuple(paths, names).map(([path, target]) => `${path}->${target}`),
  paths.map((path) => `${path}!`),
);
const steps = fc.array(step, { maxLength: 12 });

/** Steps that cannot be done (a parent is a file or a looping link) are left out. */
async function attempt(agent: Agent, handle: Handle, lines: readonly string[]): Promise<void> {
  for (const line of lines) {
    const depth = line
      .replace(/[=!].*|->.*/, '')
      .replace(/\/$/, '')
      .split('/');
    let possible = true;
    for (let count = 1; count < depth.length && possible; count++) {
      const found = await agent.stat(handle, depth.slice(0, count).join('/'));
      possible = found === undefined || found.type === 'directory';
    }
    if (possible) await make(agent, handle, line);
  }
}

agentTest('what was changed in a flattened tree, laid over its layers, gives the changed tree', async (t) => {
  const { agent, layer } = startAgent(t);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(steps, steps, steps, async (first, second, changes) => {
      run++;
      const [one, two, tree, diff] = [
        await layer(`one${run}`),
        await layer(`two${run}`),
        await layer(`tree${run}`),
        await layer(`diff${run}`),
      ];
      await attempt(agent, one, first);
      const stack = await agent.stack([two, one], { writable: true });
      await attempt(agent, stack, second);
      const since = await agent.flatten(stack, tree);
      t.deepEqual(await show(agent, tree), await show(agent, stack));
      await attempt(agent, tree, changes);
      await agent.compare(stack, tree, diff, since);
      const result = await agent.stack([diff, two, one]);
      t.deepEqual(await show(agent, result), await show(agent, tree));
      for (const handle of [one, two, tree, diff, stack, result]) await agent.release(handle);
    }),
    { numRuns: 60 },
  );
});

agentTest('a comparison finds nothing where nothing changed, and what moved', async (t) => {
  const { agent, layer } = startAgent(t);
  const low = await layer('low');
  await make(agent, low, 'a/x=aaaa', 'b/x=bbbb', 'keep/f=same', 'keep/l->f');
  await agent.link(low, 'keep/h', 'keep/f');
  await agent.sync();
  const [tree, none, diff] = [await layer('tree'), await layer('none'), await layer('diff')];
  const since = await agent.flatten(low, tree);
  t.is((await agent.stat(tree, 'keep/h'))?.nlink, 2);
  t.is(await agent.compare(low, tree, none, since), 0);
  t.deepEqual(await show(agent, none, { raw: true }), []);
  // the moved file has the size and the time of the one it replaces
  await agent.remove(tree, 'b', { recursive: true });
  await agent.rename(tree, 'a', tree, 'b');
  await agent.compare(low, tree, diff, since);
  t.deepEqual(await show(agent, diff, { raw: true }), ['a!', 'b/', 'b/x=aaaa']);
  await failsWith(t, agent, 'ENOTEMPTY', () => agent.flatten(low, tree));
});

const missingFuse = missingAgent() ?? missingProgram('fuse-overlayfs') ?? missingDevice('/dev/fuse');
(missingFuse === undefined ? test : test.skip)(
  `an upper of fuse-overlayfs becomes one the kernel reads (${missingFuse ?? 'fuse-overlayfs is here'})`,
  async (t) => {
    const directory = temporaryDirectory(t);
    const agent = openAgent({ idMap: detectIdMap(), roots: [{ path: directory, writable: true }] });
    t.teardown(() => agent.close());
    const low = await agent.open(0, 'low', { create: true, writable: true });
    await make(agent, low, 'gone/f=1', 'again/f=1', 'kept/f=1', 'file=1');
    const upper = await agent.open(0, 'upper', { create: true, writable: true });
    for (const name of ['work', 'merged']) mkdirSync(join(directory, name));
    const script = `fuse-overlayfs -f -o lowerdir=low,upperdir=upper,workdir=work merged & fuse=$!
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e merged/file ] && break; sleep 0.1; done
      rm -r merged/gone merged/again merged/file && mkdir merged/again merged/new && echo 2 > merged/again/g && echo 3 > merged/kept/g
      find merged -type f | sort; umount merged; wait $fuse`;
    const child = spawnSync(
      'unshare',
      ['--user', '--map-root-user', '--map-auto', '--mount', 'sh', '-c', script],
      { cwd: directory, encoding: 'utf8' },
    );
    t.is(child.stdout, 'merged/again/g\nmerged/kept/f\nmerged/kept/g\n', child.stderr);
    t.true((await agent.normalise(upper)) > 0);
    t.is(await agent.normalise(upper), 0);
    t.deepEqual(await show(agent, upper, { raw: true }), [
      'again/!',
      'again/g=2\n',
      'file!',
      'gone!',
      'kept/',
      'kept/g=3\n',
      'new/!',
    ]);
    const stack = await agent.stack([upper, low]);
    t.deepEqual(await show(agent, stack), [
      'again/',
      'again/g=2\n',
      'kept/',
      'kept/f=1',
      'kept/g=3\n',
      'new/',
    ]);
  },
);

agentTest('an agent that cannot start says why', async (t) => {
  const agent = openAgent({ idMap: detectIdMap(), roots: [{ path: '/nowhere', writable: false }] });
  await t.throwsAsync(() => agent.sync(), {
    message: /start file agent: root: \/nowhere: No such file or directory/,
  });
});
