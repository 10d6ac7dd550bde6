import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type StorePaths, storePaths } from '../../lib/host/paths.js';
import { StagingArea, sweepStaging } from '../../lib/host/staging.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { emptyTrash, listTrash } from '../../lib/host/trash.js';
import { fileLocks, holdLock, withLock } from '../../lib/native/lock.js';
import { removeTree, temporaryDirectory } from '../helpers/host.js';

function store(t: ExecutionContext): StorePaths {
  const paths = storePaths(join(temporaryDirectory(t), 'store'));
  openStoreRoot(paths);
  return paths;
}

test('what a living owner has in staging survives a sweep', (t) => {
  const paths = store(t);
  const area = new StagingArea(paths, fileLocks);
  const directory = area.open().directory('work');
  t.is(sweepStaging(paths, fileLocks), 0);
  t.true(existsSync(directory));
});

test('a closed owner leaves nothing in staging; what it had goes to the trash', (t) => {
  const paths = store(t);
  const area = new StagingArea(paths, fileLocks);
  area.open();
  area.close();
  t.deepEqual(listTrash(paths), []);
  writeFileSync(area.open().file(), 'rest');
  area.close();
  t.deepEqual(readdirSync(paths.staging), []);
  t.is(listTrash(paths).length, 1);
});

test('a sweep that comes between the two steps of closing takes the directory, and the close succeeds', (t) => {
  const paths = store(t);
  const area = new StagingArea(paths, fileLocks);
  const directory = dirname(area.open().file());
  // What another process sees after the first step: no lock file, so nobody's directory.
  rmSync(join(directory, 'lock'));
  t.is(sweepStaging(paths, fileLocks), 1);
  t.notThrows(() => area.close());
  t.false(existsSync(directory));
  t.true(area.alone(() => undefined));
});

test('trees of different owners are spread: staging is told before it holds the first', (t) => {
  const paths = store(t);
  const told: (readonly [string, readonly string[]])[] = [];
  const area = new StagingArea(paths, fileLocks, (path) => told.push([path, readdirSync(path)]));
  area.open();
  area.open();
  t.deepEqual(told, [[paths.staging, []]]);
});

test('the leftovers of a killed process are swept, partial downloads stay', async (t) => {
  const paths = store(t);
  const script = `
    const { StagingArea } = await import(process.argv[1]);
    const { fileLocks } = await import(process.argv[2]);
    const { storePaths } = await import(process.argv[3]);
    const area = new StagingArea(storePaths(process.argv[4]), fileLocks);
    area.open().directory('dead');
    process.kill(process.pid, 'SIGKILL');`;
  const modules = ['host/staging', 'native/lock', 'host/paths'].map(
    (name) => new URL(`../../lib/${name}.js`, import.meta.url).href,
  );
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, ...modules, paths.root]);
  t.is(child.signal, 'SIGKILL');
  mkdirSync(join(paths.staging, 'partial'));
  mkdirSync(join(paths.staging, 'without-lock'));
  t.is(sweepStaging(paths, fileLocks), 2);
  t.deepEqual(readdirSync(paths.staging), ['partial']);
  await emptyTrash(paths, async (path) => removeTree(path));
  t.deepEqual(listTrash(paths), []);
});

test('nothing runs alone while a lease is held, in this process or another', (t) => {
  const paths = store(t);
  const one = new StagingArea(paths, fileLocks);
  const other = new StagingArea(paths, fileLocks);
  let runs = 0;
  const run = (): void => {
    runs++;
  };
  const lease = one.lease();
  t.false(one.alone(run));
  t.false(other.alone(run));
  lease.release();
  lease.release();
  t.false(other.alone(run));
  t.true(one.alone(run));
  t.true(other.alone(run));
  t.is(runs, 2);
});

test('staging may be opened by the one who runs alone', (t) => {
  const area = new StagingArea(store(t), fileLocks);
  t.true(area.alone(() => void area.open()));
});

test('an exclusive lock is held once, a shared one often, and a temporary one leaves no file', (t) => {
  const path = join(temporaryDirectory(t), 'deep', 'lock');
  const held = holdLock(path, { temporary: true });
  t.not(held, undefined);
  t.is(holdLock(path), undefined);
  t.is(holdLock(path, { mode: 'shared' }), undefined);
  held?.release();
  t.false(existsSync(path));
  const shared = [holdLock(path, { mode: 'shared' }), holdLock(path, { mode: 'shared' })];
  t.false(shared.includes(undefined));
  t.is(holdLock(path), undefined);
  for (const lock of shared) lock?.release();
  t.is(
    withLock(path, () => 5),
    5,
  );
  t.throws(
    () =>
      withLock(path, () => {
        throw new Error('inside');
      }),
    { message: 'inside' },
  );
  t.not(holdLock(path), undefined);
});
