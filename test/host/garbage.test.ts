/** What a stream leaves behind is collected each time it has come to a limit. */
import test from 'ava';
import { GarbageLimit } from '../../lib/host/garbage.js';

const mega = 1024 * 1024;

test('garbage is collected each time 64 MB were used', (t) => {
  let collected = 0;
  const limit = new GarbageLimit(() => collected++);
  for (let used = 0; used < 200; used += 10) limit.used(10 * mega);
  t.is(collected, 2);
});

test('buffers that nobody uses any more are given back', (t) => {
  const limit = new GarbageLimit();
  let highest = 0;
  for (let used = 0; used < 512; used++) {
    Buffer.alloc(mega, 1);
    limit.used(mega);
    highest = Math.max(highest, process.memoryUsage().arrayBuffers);
  }
  t.true(highest < 128 * mega, `${highest}`);
});
