/** Walks in parts, and contents by shared memory. */
import {
  existsSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { detectIdMap } from '../../lib/host/id-map.js';
import { type Agent, openAgent } from '../../lib/native/agent.js';
import { temporaryDirectory } from '../helpers/host.js';
import { agentTest, failsWith, make, root, startAgent, time } from './agent-fixture.js';

agentTest('a walk goes on after any of its entries, in parts of any size', async (t) => {
  const { agent, layer } = startAgent(t);
  const top = await layer('top');
  await make(
    agent,
    top,
    'a/',
    'a/b/',
    'a/b/c=1',
    'a/b/d/',
    'a/b-c=2',
    'a/b.d/',
    'a/b.d/x->y',
    'ab=3',
    'b/',
    'b/c/',
    'z!',
    'é=4',
  );
  for (const start of ['.', 'a', 'a/b', 'ab']) {
    const whole = (await agent.walkPart(top, start, { raw: true, most: 0 })).map(({ path }) =>
      path.toString(),
    );
    t.true(whole.length > 0);
    for (const most of [1, 2, 3, whole.length, whole.length + 1]) {
      const found: string[] = [];
      for (let after: Buffer | undefined; ; ) {
        const part = await agent.walkPart(top, start, { raw: true, most, after });
        found.push(...part.map(({ path }) => path.toString()));
        if (part.length < most) break;
        after = part.at(-1)?.path;
      }
      t.deepEqual(found, whole, `${most} from ${start}`);
    }
  }
  const after = async (path: string): Promise<readonly string[]> =>
    (await agent.walkPart(top, '.', { raw: true, most: 2, after: Buffer.from(path) })).map(({ path }) =>
      path.toString(),
    );
  t.deepEqual(await after('a/b/cc'), ['a/b/d', 'a/b-c'], 'what is not there any more');
  t.deepEqual(await after('ab/gone'), ['b', 'b/c'], 'what was a directory');
  t.deepEqual(await after('zz'), ['é']);
  await failsWith(t, agent, 'EINVAL', () => agent.walkPart(top, 'a', { most: 1, after: Buffer.from('b') }));
  await failsWith(t, agent, 'EINVAL', () => agent.walkPart(top, 'a', { most: 1, after: Buffer.from('ab') }));
});

agentTest('contents of many files come by memory, and nothing is read past it', async (t) => {
  const directory = temporaryDirectory(t);
  const roots = [{ path: directory, writable: false }];
  const agent: Agent = openAgent({ idMap: detectIdMap(), roots, memory: 4096 });
  t.teardown(() => agent.close());
  writeFileSync(join(directory, 'one'), 'first file');
  writeFileSync(join(directory, 'two'), '0123456789');
  symlinkSync('one', join(directory, 'link'));
  const file = openSync(join(directory, 'huge'), 'w');
  writeSync(file, 'far', 2 ** 32 + 5);
  const { memory } = agent;
  await agent.fill(0, [
    { path: 'two', offset: 3, size: 4, at: 4092 },
    { path: 'one', offset: 0, size: 5, at: 0 },
    { path: 'huge', offset: 2 ** 32 + 5, size: 3, at: 5 },
    { path: 'one', offset: 0, size: 0, at: 4096 },
  ]);
  t.is(memory?.toString('latin1', 0, 9), 'firstfar\0');
  t.is(memory?.toString('latin1', 4092), '3456');
  const fails = (errno: string, path: string, part: { offset?: number; size?: number; at?: number } = {}) =>
    failsWith(t, agent, errno, () => agent.fill(0, [{ path, offset: 0, size: 1, at: 0, ...part }]));
  await fails('EINVAL', 'one', { at: 4096 });
  await fails('EINVAL', 'one', { at: 4097, size: 0 });
  await fails('EINVAL', 'one', { at: 1, size: 4096 });
  await fails('EINVAL', 'one', { at: 2 ** 32 - 1, size: 2 ** 32 - 1 });
  await fails('ESTALE', 'one', { size: 11 });
  await fails('ESTALE', 'one', { offset: 2 ** 40 });
  await fails('EINVAL', 'one', { offset: 2 ** 53 * 2 });
  await fails('EINVAL', 'link');
  await fails('EISDIR', '.');
  await fails('ENOENT', 'none');
  await fails('EINVAL', '../one');
  truncateSync(join(directory, 'two'), 2);
  await fails('ESTALE', 'two', { size: 3 });
  t.is(memory?.toString('latin1', 4092), '3456', 'what was there stays');
});

agentTest('an agent without memory fills nothing', async (t) => {
  const { agent, directory } = startAgent(t);
  writeFileSync(join(directory, 'one'), 'x');
  t.is(agent.memory, undefined);
  await failsWith(t, agent, 'EINVAL', () => agent.fill(0, [{ path: 'one', offset: 0, size: 1, at: 0 }]));
});

agentTest('files are written from memory, and nothing from past it', async (t) => {
  const directory = temporaryDirectory(t);
  const roots = [{ path: directory, writable: true }];
  const agent: Agent = openAgent({ idMap: detectIdMap(), roots, memory: 8192 });
  t.teardown(() => agent.close());
  const memory = agent.memory ?? Buffer.alloc(0);
  for (let at = 0; at < memory.length; at++) memory[at] = at % 251;
  const meta = { mode: 0o640, owner: root, mtime: time };
  agent.file(0, 'whole', meta, memory.subarray(8000, 8192));
  agent.file(0, 'sent', meta, Buffer.from('not there'));
  agent.file(0, 'empty', meta, memory.subarray(5, 5));
  const mixed = agent.beginFile(0, 'mixed', meta, 1007);
  mixed.write(memory.subarray(0, 1000));
  mixed.write(Buffer.from('and sent'.slice(0, 7)));
  mixed.end();
  await agent.sync();
  t.deepEqual(readFileSync(join(directory, 'whole')), Buffer.from(memory.subarray(8000)));
  t.is(readFileSync(join(directory, 'sent'), 'utf8'), 'not there');
  t.is(readFileSync(join(directory, 'empty'), 'utf8'), '');
  t.deepEqual(
    readFileSync(join(directory, 'mixed')),
    Buffer.concat([memory.subarray(0, 1000), Buffer.from('and sen')]),
  );
  // A client that thinks that there is more than there is.
  const larger = Buffer.alloc(16_384);
  Object.assign(agent, { memory: larger });
  for (const [start, end] of [
    [8192, 8193],
    [8191, 8193],
    [0, 8193],
    [16_383, 16_384],
  ] as const)
    await failsWith(t, agent, 'EBADMSG', () => agent.file(0, 'past', meta, larger.subarray(start, end)));
  t.false(existsSync(join(directory, 'past')));
});

agentTest('an agent without memory writes nothing from it', async (t) => {
  const { agent, directory } = startAgent(t);
  const memory = Buffer.alloc(4096);
  Object.assign(agent, { memory });
  const meta = { mode: 0o640, owner: root, mtime: time };
  await failsWith(t, agent, 'EBADMSG', () => agent.file(0, 'file', meta, memory.subarray(0, 10)));
  t.false(existsSync(join(directory, 'file')));
});
