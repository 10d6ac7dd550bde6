import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type CacheMountIdentity, CacheMounts } from '../../lib/build/cache-mounts.js';
import { storePaths } from '../../lib/host/paths.js';
import { fileLocks } from '../../lib/native/lock.js';
import { temporaryDirectory } from '../helpers/host.js';

const identity: CacheMountIdentity = { namespace: '', id: '/root/.cache' };

function open(t: ExecutionContext): { readonly mounts: CacheMounts; readonly directory: string } {
  const root = temporaryDirectory(t);
  const paths = storePaths(root);
  for (const path of [paths.build, paths.trash]) mkdirSync(path, { recursive: true });
  return { mounts: new CacheMounts(paths, fileLocks), directory: join(paths.build, 'mounts') };
}

test('a used cache mount is listed with what it is called and when it was used', async (t) => {
  const { mounts } = open(t);
  const held = await mounts.acquire(identity, { sharing: 'shared' });
  held.release();
  const [listed] = mounts.list();
  t.is(listed?.name, held.name);
  t.deepEqual(listed?.record.identity, identity);
  t.true(Date.parse(listed?.record.lastUsed ?? '') >= Date.parse(listed?.record.created ?? 'x'));
});

test('S31: an id never becomes part of a path', async (t) => {
  const { mounts, directory } = open(t);
  for (const id of ['../../x', '/etc/passwd', 'a/b', '.', '..', 'x'.repeat(5000), '\n'])
    (await mounts.acquire({ namespace: '../..', id }, { sharing: 'locked' })).release();
  const names = readdirSync(directory);
  t.is(names.length, 7);
  for (const name of names) t.regex(name, /^[0-9a-f]{64}$/);
});

test('namespace, origin and owner make a cache mount another one', async (t) => {
  const { mounts } = open(t);
  const owner = { uid: 1, gid: 1, mode: 0o755 };
  const others = [
    identity,
    { ...identity, namespace: 'n' },
    { ...identity, from: 'f' },
    { ...identity, owner },
  ];
  const names = new Set<string>();
  for (const each of others) {
    const held = await mounts.acquire(each, { sharing: 'locked' });
    names.add(held.name);
    held.release();
  }
  t.is(names.size, 4);
});

test('a shared one is for all at once, a private one is made again for the second writer', async (t) => {
  const { mounts } = open(t);
  const one = await mounts.acquire(identity, { sharing: 'shared' });
  const other = await mounts.acquire(identity, { sharing: 'shared' });
  t.is(one.name, other.name);
  const alone = await mounts.acquire(identity, { sharing: 'private' });
  t.is(alone.name, `${one.name}-1`);
  for (const held of [one, other, alone]) held.release();
  const again = await mounts.acquire(identity, { sharing: 'private' });
  t.is(again.name, one.name);
  again.release();
});

test('a locked one makes the second wait until the first is done, and an interrupt ends the waiting', async (t) => {
  const { mounts } = open(t);
  const first = await mounts.acquire(identity, { sharing: 'locked' });
  const order: string[] = [];
  const second = mounts.acquire(identity, { sharing: 'locked', onWait: () => order.push('waits') });
  const abort = new AbortController();
  const third = mounts.acquire(identity, {
    sharing: 'shared',
    signal: abort.signal,
    onWait: () => abort.abort(),
  });
  await t.throwsAsync(third, { name: 'AbortError' });
  order.push('released');
  first.release();
  const held = await second;
  t.deepEqual(order, ['waits', 'released']);
  held.release();
});

test('what a build uses is not removed; what nobody uses goes', async (t) => {
  const { mounts, directory } = open(t);
  const held = await mounts.acquire(identity, { sharing: 'shared' });
  t.false(mounts.remove(held.name));
  held.release();
  t.true(mounts.remove(held.name));
  t.deepEqual(readdirSync(directory), []);
  t.true(mounts.remove(held.name));
  t.throws(() => mounts.remove('../../blobs'), { code: 'INVALID' });
});
