/** Unpacked files go to the disk from time to time, one sync at a time, and none of its failures is lost. */
import test from 'ava';
import { UnpackSync } from '../../lib/image/unpack-sync.js';

const mega = 1024 * 1024;

/** Syncs that end when they are told to. */
function controlled() {
  const ends: { readonly done: () => void; readonly fail: (error: Error) => void }[] = [];
  const start = (path: string): Promise<void> =>
    new Promise((resolve, reject) => {
      started.push(path);
      ends.push({ done: resolve, fail: reject });
    });
  const started: string[] = [];
  return { started, ends, sync: new UnpackSync('/store', start) };
}

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a small image is left to the sync of its commit', async (t) => {
  const { started, sync } = controlled();
  sync.unpacked(15 * mega);
  await sync.finish();
  t.deepEqual(started, []);
});

test('a sync begins each time enough was unpacked, and none beside another', async (t) => {
  const { started, ends, sync } = controlled();
  sync.unpacked(16 * mega);
  sync.unpacked(40 * mega);
  t.deepEqual(started, ['/store']);
  ends[0]?.done();
  await soon();
  sync.unpacked(41 * mega);
  t.is(started.length, 2);
  ends[1]?.done();
  await soon();
  sync.unpacked(56 * mega);
  t.is(started.length, 2);
  await sync.finish();
});

test('layers add up', (t) => {
  const { started, sync } = controlled();
  sync.unpacked(10 * mega);
  sync.endLayer();
  sync.unpacked(5 * mega);
  t.is(started.length, 0);
  sync.unpacked(6 * mega);
  t.is(started.length, 1);
});

test('what a sync failed with is met at the end, also when a later one succeeds', async (t) => {
  const { ends, sync } = controlled();
  sync.unpacked(16 * mega);
  ends[0]?.fail(new Error('no space'));
  await soon();
  sync.unpacked(32 * mega);
  ends[1]?.done();
  await sync.settle();
  await t.throwsAsync(sync.finish(), { message: 'no space' });
});
