import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { type StorePaths, storePaths } from '../../lib/host/paths.js';
import { StagingArea } from '../../lib/host/staging.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { listTrash } from '../../lib/host/trash.js';
import { fileLocks } from '../../lib/native/lock.js';
import { syncFileSystem } from '../../lib/native/sync.js';
import { parseChainId, parseDiffId } from '../../lib/oci/chain-id.js';
import { parseDigest } from '../../lib/oci/digest.js';
import {
  layerLimit,
  newSnapshotId,
  parseSnapshotRecord,
  type SnapshotRecord,
} from '../../lib/snapshot/record.js';
import { SnapshotStore } from '../../lib/snapshot/snapshot-store.js';
import { removeTree, temporaryDirectory } from '../helpers/host.js';

function open(t: ExecutionContext<unknown>): { snapshots: SnapshotStore; paths: StorePaths } {
  const paths = storePaths(join(temporaryDirectory(t), 'store'));
  openStoreRoot(paths);
  return { paths, snapshots: new SnapshotStore(paths, new StagingArea(paths, fileLocks), syncFileSystem) };
}

const chainOf = (digit: string) => parseChainId(`sha256:${digit.repeat(64)}`, 'chain');
const diffOf = (digit: string) => parseDiffId(`sha256:${digit.repeat(64)}`, 'diff');
const remove = async (path: string): Promise<void> => removeTree(path);

test('a committed snapshot is found by id and by chainID, with the whole stack below it', (t) => {
  const { snapshots, paths } = open(t);
  const lower = snapshots.prepare();
  writeFileSync(join(lower.fs, 'file'), 'one');
  const first = snapshots.commit(lower, { chainId: chainOf('a'), diffId: diffOf('b'), size: 7 });
  const second = snapshots.commit(snapshots.prepare(first), { comment: 'RUN true' });
  t.deepEqual(snapshots.get(first.id), first);
  t.deepEqual(snapshots.byChainId(chainOf('a')), first);
  t.is(second.parent, first.id);
  t.deepEqual(second.lowers, [second.id, first.id]);
  t.deepEqual(snapshots.layerPaths(second), [
    join(paths.snapshots, second.id, 'fs'),
    join(paths.snapshots, first.id, 'fs'),
  ]);
  t.true(existsSync(join(snapshots.layerPath(first.id), 'file')));
  t.deepEqual([...snapshots.ids()].sort(), [first.id, second.id].sort());
  t.deepEqual(readdirSync(join(paths.snapshots, first.id)).sort(), ['fs', 'record.json']);
});

test('a work directory the kernel left its own in is removed', (t) => {
  const { snapshots, paths } = open(t);
  const active = snapshots.prepare();
  mkdirSync(join(active.work, 'work', 'incompat', 'volatile'), { recursive: true });
  chmodSync(join(active.work, 'work'), 0o000);
  const record = snapshots.commit(active);
  t.deepEqual(readdirSync(join(paths.snapshots, record.id)).sort(), ['fs', 'record.json']);
  t.deepEqual(listTrash(paths), []);
});

test('a new layer takes the mode of the root directory below it', (t) => {
  const { snapshots } = open(t);
  const lower = snapshots.prepare();
  chmodSync(lower.fs, 0o1777);
  const upper = snapshots.prepare(lower);
  t.is(statSync(upper.fs).mode & 0o7777, 0o1777);
  const record = snapshots.commit(lower);
  chmodSync(snapshots.layerPath(record.id), 0o555);
  t.is(statSync(snapshots.prepare(record).fs).mode & 0o7777, 0o555);
});

test('whoever commits a chainID second gets the first one', (t) => {
  const { snapshots } = open(t);
  const one = snapshots.prepare();
  const other = snapshots.prepare();
  const first = snapshots.commit(one, { chainId: chainOf('a') });
  t.deepEqual(snapshots.commit(other, { chainId: chainOf('a') }), first);
  t.deepEqual(snapshots.ids(), [first.id]);
});

test('a stack committed together lies on the layer that won', (t) => {
  const { snapshots } = open(t);
  const lower = snapshots.prepare();
  const upper = snapshots.prepare(lower);
  const winner = snapshots.commit(snapshots.prepare(), { chainId: chainOf('a') });
  const records = snapshots.commitAll([
    { active: lower, facts: { chainId: chainOf('a') } },
    { active: upper, facts: { chainId: chainOf('b') } },
  ]);
  t.deepEqual(
    records.map(({ lowers }) => lowers),
    [[winner.id], [upper.id, winner.id]],
  );
});

test('a chainID whose snapshot is gone may be taken again', (t) => {
  const { snapshots, paths } = open(t);
  const first = snapshots.commit(snapshots.prepare(), { chainId: chainOf('a') });
  rmSync(join(paths.snapshots, first.id), { recursive: true });
  t.is(snapshots.byChainId(chainOf('a')), undefined);
  const second = snapshots.commit(snapshots.prepare(), { chainId: chainOf('a') });
  t.deepEqual(snapshots.byChainId(chainOf('a')), second);
});

test('what is measured later is added to the record and its chainID is known', (t) => {
  const { snapshots } = open(t);
  const { id } = snapshots.commit(snapshots.prepare(), { comment: 'RUN x' });
  const facts = { chainId: chainOf('c'), diffId: diffOf('d'), size: 5 };
  const described = snapshots.describe(id, facts);
  t.is(described.comment, 'RUN x');
  t.deepEqual(snapshots.byChainId(chainOf('c')), described);
  t.throws(() => snapshots.describe(newSnapshotId(), facts), {
    instanceOf: CoracleError,
    message: /not in the store/,
  });
});

test('a removed snapshot takes its links along', async (t) => {
  const { snapshots, paths } = open(t);
  const config = parseDigest(`sha256:${'e'.repeat(64)}`, 'config');
  const { id } = snapshots.commit(snapshots.prepare(), { chainId: chainOf('a') });
  snapshots.setTopOfImage(config, id);
  t.is(snapshots.topOfImage(config)?.id, id);
  t.is(readlinkSync(join(paths.imageTops, `sha256-${'e'.repeat(64)}`)), `../${id}`);
  await snapshots.remove(id, remove);
  t.is(snapshots.topOfImage(config), undefined);
  t.deepEqual(readdirSync(paths.chains), []);
  snapshots.sweepLinks();
  t.deepEqual(readdirSync(paths.imageTops), []);
});

test('a discarded snapshot leaves nothing', async (t) => {
  const { snapshots, paths } = open(t);
  const active = snapshots.prepare();
  await snapshots.discard(active, remove);
  await snapshots.discard(active, remove);
  t.false(existsSync(active.directory));
  t.deepEqual(listTrash(paths), []);
});

test('more layers than the kernel can stack are refused before anything is made', (t) => {
  const { snapshots } = open(t);
  const ids = Array.from({ length: layerLimit }, newSnapshotId);
  const parent: SnapshotRecord = { version: 1, id: ids[0] ?? newSnapshotId(), lowers: ids, created: '' };
  t.throws(() => snapshots.prepare(parent), { message: /481, more than the 480/ });
});

const id = 'a'.repeat(26);
const refuses = test.macro((t, value: unknown, message: RegExp) => {
  t.throws(() => parseSnapshotRecord(value, 'record'), { instanceOf: CoracleError, message });
});
test('a record that is no object is refused', refuses, [], /expected an object/);
test('a record of another version is refused', refuses, { version: 2 }, /expected 1/);
test(
  'a record whose id leaves the store is refused',
  refuses,
  { version: 1, id: '../../x', lowers: [] },
  /no snapshot id/,
);
test(
  'a record with a stack of paths is refused',
  refuses,
  { version: 1, id, lowers: [id, '/etc'] },
  /lowers\[1\]/,
);
test(
  'a record that is not on top of its own stack is refused',
  refuses,
  { version: 1, id, lowers: [], created: '' },
  /begin with/,
);
test(
  'a record whose parent is not below it is refused',
  refuses,
  { version: 1, id, parent: 'b'.repeat(26), lowers: [id], created: '' },
  /begin with/,
);
test(
  'a record with a made-up size is refused',
  refuses,
  { version: 1, id, lowers: [id], created: '', size: -1 },
  /size/,
);
test(
  'a record with thousands of layers is refused',
  refuses,
  { version: 1, id, lowers: Array(501).fill(id) },
  /501 layers/,
);

test('a record that speaks of another snapshot is refused', (t) => {
  const { snapshots, paths } = open(t);
  const record = snapshots.commit(snapshots.prepare());
  const other = newSnapshotId();
  mkdirSync(join(paths.snapshots, other));
  writeFileSync(join(paths.snapshots, other, 'record.json'), JSON.stringify(record));
  t.throws(() => snapshots.get(other), { message: new RegExp(`speaks of ${record.id}`) });
});

test('a process killed while it commits leaves only whole snapshots', async (t) => {
  const { snapshots, paths } = open(t);
  for (const delay of [10, 40, 80]) {
    const program = join(import.meta.dirname, 'committer-process.js');
    const child = spawn(process.execPath, [program, paths.root], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const records = snapshots.list();
  t.is(records.length, snapshots.ids().length);
  for (const record of records) {
    t.is(readFileSync(join(snapshots.layerPath(record.id), 'file'), 'utf8'), 'content');
    for (const lower of record.lowers) t.true(existsSync(snapshots.layerPath(lower)));
  }
  snapshots.sweepLinks();
  for (const name of readdirSync(paths.chains)) t.true(existsSync(join(paths.chains, name)));
});
