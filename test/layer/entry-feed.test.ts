/** A consumer gets an archive's entries in their order, and is waited for where it asks for that. */
import test from 'ava';
import { EntryFeed } from '../../lib/layer/entry-feed.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { encodeTrailer } from '../../lib/layer/tar-writer.js';
import { entryBytes, extendedBytes, type Sketch, tarOf } from './tar-builder.js';

const sketches: readonly Sketch[] = [
  { path: 'empty' },
  { path: 'one', content: 'x'.repeat(700) },
  { path: `long/${'n'.repeat(200)}`, content: 'y'.repeat(1024) },
  { path: 'soft', type: 'symlink', linkTarget: 'one' },
  { path: 'last', content: 'z' },
];

/** What the consumer heard; `slow` says at which calls it has the feed wait. */
async function heard(
  tar: Buffer,
  chunk: number,
  slow: (call: number) => boolean,
): Promise<{ readonly calls: readonly string[]; readonly busy: boolean }> {
  const calls: string[] = [];
  let content = '';
  let waiting = false;
  let busy = false;
  const call = (text: string | undefined): Promise<void> | undefined => {
    if (waiting) busy = true;
    if (text !== undefined) calls.push(text);
    if (!slow(calls.length)) return undefined;
    waiting = true;
    return new Promise((resolve) =>
      setImmediate(() => {
        waiting = false;
        resolve();
      }),
    );
  };
  const feed = new EntryFeed(
    {
      begin: (header) => {
        content = '';
        return call(`begin ${header.path} ${header.size}`);
      },
      write: (bytes) => {
        content += bytes.toString();
        return call(undefined);
      },
      end: () => call(`end ${content}`),
    },
    defaultTarLimits,
  );
  for (let at = 0; at < tar.length; at += chunk) await feed.push(tar.subarray(at, at + chunk));
  feed.finish();
  return { calls, busy };
}

const expected = sketches.flatMap(({ path, content = '' }) => [
  `begin ${path} ${content.length}`,
  `end ${content}`,
]);

for (const chunk of [1, 512, 1000, 65_536]) {
  test(`a consumer that waits hears the same as one that does not, in pieces of ${chunk}`, async (t) => {
    const tar = tarOf(...sketches);
    for (const slow of [() => false, () => true, (call: number) => call % 3 === 0]) {
      t.deepEqual(await heard(tar, chunk, slow), { calls: expected, busy: false });
    }
  });
}

test('the holes of a sparse file come while the consumer waits, and are not lost', async (t) => {
  const tar = Buffer.concat([
    extendedBytes('x', '26 GNU.sparse.map=2,3,8,1\n22 GNU.sparse.size=10\n'),
    entryBytes({ path: 'sparse', content: 'abcd' }),
    encodeTrailer(),
  ]);
  const content = '\0\0abc\0\0\0d\0';
  const { calls, busy } = await heard(tar, 65_536, () => true);
  t.deepEqual(calls, [`begin sparse ${content.length}`, `end ${content}`]);
  t.false(busy);
});

test('what the consumer fails with is what the push fails with', async (t) => {
  const feed = new EntryFeed(
    {
      begin: () => Promise.reject(new Error('full')),
      write: () => undefined,
      end: () => undefined,
    },
    defaultTarLimits,
  );
  await t.throwsAsync(async () => feed.push(tarOf({ path: 'a' })), { message: 'full' });
});

test('an archive that ends inside an entry is refused', (t) => {
  const nothing = () => undefined;
  const feed = new EntryFeed({ begin: nothing, write: nothing, end: nothing }, defaultTarLimits);
  feed.push(tarOf({ path: 'a', content: 'x' }).subarray(0, 512));
  t.throws(() => feed.finish(), { message: /ends inside an entry/ });
});
