/** How often the bytes that a step writes are read: a commit is a rename, and the digest of the layer is one pass. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { testWith } from '../helpers/declare.js';
import { missingForBuilds } from './builder.js';
import { SharedBuilders } from './shared-builders.js';

const builders = new SharedBuilders();
const mebibyte = 1 << 20;
const written = 500 * mebibyte;

test.after.always('the store is removed', () => builders.close());

/**
 * Bytes that this process and those it has waited for have read, from files and pipes alike: `rchar` of proc_pid_io(5). A pass
 * over a layer counts once: the file agent reads the files into memory that both have.
 */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
}

testWith(
  missingForBuilds,
  'a step that writes 500 MB is read once, and not at all from the cache',
  async (t) => {
    t.timeout(180_000);
    const builder = await builders.get('overlay');
    const dockerfile = `FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=${written / mebibyte} 2>/dev/null`;
    const measured = async (): Promise<{ readonly bytes: number; readonly cached: number }> => {
      const before = bytesRead();
      const { cached } = await builder.build(builder.context({ Dockerfile: dockerfile }));
      return { bytes: bytesRead() - before, cached };
    };
    const first = await measured();
    t.is(first.cached, 0);
    // dd reads what it writes.
    const passes = (first.bytes - written) / written;
    t.true(passes > 0.95, `${passes} passes: the digest was made of all of it`);
    t.true(passes < 1.05, `${passes} passes`);
    const second = await measured();
    t.is(second.cached, 1);
    t.true(second.bytes < 16 * mebibyte, `${second.bytes} bytes were read for a cached build`);
  },
);
