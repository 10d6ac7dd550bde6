/** Tables of contents as a registry may send them. */
import test from 'ava';
import { filesOf, parseToc } from '../../lib/chunked/layout.js';
import { readTarSplit, TarSplitWriter } from '../../lib/chunked/tar-split.js';
import { readZstdChunked, zstdChunkedNames } from '../../lib/chunked/zstd-chunked.js';
import { CoracleError } from '../../lib/errors.js';
import { zstdFrames } from '../../lib/native/zstd-frames.js';
import { chunked } from '../layer/tar-builder.js';

const digest = `sha256:${'a'.repeat(64)}`;
const file = (fields: Record<string, unknown>) => ({ type: 'reg', name: 'a', size: 5, digest, ...fields });
const toc = (...entries: readonly Record<string, unknown>[]) => JSON.stringify({ version: 1, entries });

test('files lie where their entries say, and where no end is said, up to the next one', (t) => {
  const entries = parseToc(
    toc(
      { type: 'dir', name: './d/' },
      file({ name: './d/one', offset: 10, endOffset: 20 }),
      file({ name: 'empty', size: 0, digest: undefined }),
      file({ name: '/two', offset: 30 }),
      { type: 'chunk', name: 'two', offset: 35 },
      file({ name: 'three', offset: 40 }),
    ),
  );
  t.deepEqual(
    filesOf(entries, 100).map(({ path, start, end }) => [path, start, end]),
    [
      ['d/one', 10, 20],
      ['two', 30, 40],
      ['three', 40, 100],
    ],
  );
});

const bad: Readonly<Record<string, string>> = {
  'no JSON': '{',
  'another version': '{"version":2,"entries":[]}',
  'entries that are no list': '{"version":1,"entries":{}}',
  'an entry without a name': toc({ type: 'reg' }),
  'a file without a place': toc(file({})),
  'a negative place': toc(file({ offset: -1, endOffset: 5 })),
  'a place that is no whole number': toc(file({ offset: 0.5, endOffset: 5 })),
  'a place behind the archive': toc(file({ offset: 90, endOffset: 101 })),
  'an end before the beginning': toc(file({ offset: 20, endOffset: 10 })),
  'files that overlap': toc(file({ offset: 10, endOffset: 30 }), file({ offset: 20, endOffset: 40 })),
  'files out of order': toc(file({ offset: 50, endOffset: 60 }), file({ offset: 10, endOffset: 20 })),
  'a file without a digest': toc(file({ offset: 1, endOffset: 2, digest: 'x' })),
  'a name that leads out': toc(file({ name: '../../etc/passwd', offset: 1, endOffset: 2 })),
};

for (const [title, text] of Object.entries(bad)) {
  test(`${title} is refused`, (t) => {
    const error = t.throws(() => filesOf(parseToc(text), 100), { instanceOf: CoracleError });
    t.is(error?.code, 'INVALID');
  });
}

test('tar-split comes back as it was written, whatever its chunks', async (t) => {
  const writer = new TarSplitWriter();
  writer.segment(Buffer.from('header of a'));
  writer.file(Buffer.from('a'), 5, Buffer.alloc(8));
  writer.segment(Buffer.from('padding, header of d'));
  writer.file(Buffer.from('d\xff/', 'latin1'), 0, undefined);
  writer.segment(Buffer.from('header of b'));
  writer.file(Buffer.from('b'), 7, Buffer.alloc(8));
  writer.segment(Buffer.from('end'));
  const bytes = writer.finish();
  for (const size of [1, 50, 5000]) {
    const literals = await readTarSplit(chunked(bytes, size), [{ size: 5 }, { size: 7 }]);
    t.deepEqual(literals.map(String), ['header of a', 'padding, header of dheader of b', 'end']);
  }
  for (const files of [[{ size: 5 }], [{ size: 5 }, { size: 8 }], [{ size: 5 }, { size: 7 }, { size: 1 }]])
    await t.throwsAsync(readTarSplit(chunked(bytes), files), { message: /other files/ });
  await t.throwsAsync(readTarSplit(chunked(Buffer.from('{"type":3}')), []), { message: /unknown type/ });
});

test('a position outside of the layer, or a table that is larger than it may be, is not read', async (t) => {
  const packed = await zstdFrames().compress(Buffer.from(toc()), 3);
  const read = async (): Promise<Buffer> => packed;
  const at = (position: string): Promise<unknown> =>
    readZstdChunked({ [zstdChunkedNames.position]: position }, 1000, read);
  for (const position of ['', 'x', '1:2', '8:100:200:2', '990:100:200:1', '1:100:200:1', '-8:10:10:1']) {
    await t.throwsAsync(at(position), { message: /no place in the layer/ }, position);
  }
  await t.throwsAsync(at('8:100:999999999999:1'), { message: /too many/ });
  // it says fewer bytes than it has
  await t.throwsAsync(at(`8:${packed.length}:3:1`), { message: /expands to more than 3 bytes/ });
  t.deepEqual(await at(`8:${packed.length}:100:1`), {
    compression: 'zstd',
    files: [],
    end: 0,
    trailing: false,
  });
  const annotations = {
    [zstdChunkedNames.position]: `8:${packed.length}:100:1`,
    [zstdChunkedNames.checksum]: digest,
  };
  await t.throwsAsync(readZstdChunked(annotations, 1000, read), { message: /has not the digest/ });
});

test('frames come back, damage and too much are errors, and the checksum is that of ISO 3309', async (t) => {
  const { compress, expand, crc64, version } = zstdFrames();
  const [one, two] = [Buffer.alloc(300_000, 'one '), Buffer.from('two')];
  const frames = Buffer.concat([await compress(one, 3), await compress(two, 19)]);
  t.true((await expand(frames, 1_000_000)).equals(Buffer.concat([one, two])));
  await t.throwsAsync(expand(frames, 1000), { code: 'EFBIG' });
  await t.throwsAsync(expand(frames.subarray(0, -1), 1_000_000), { code: 'EIO' });
  await t.throwsAsync(expand(Buffer.from('no frame at all'), 1_000_000), { code: 'EIO' });
  t.throws(() => compress(one, 100), { code: 'EINVAL' });
  const begin = Buffer.alloc(8);
  t.is(crc64(begin, Buffer.from('123456789')).toString('hex'), 'b90956c775a41001');
  t.is(crc64(crc64(begin, Buffer.from('1234')), Buffer.from('56789')).toString('hex'), 'b90956c775a41001');
  t.throws(() => crc64(Buffer.alloc(7), two), { code: 'EINVAL' });
  t.regex(version, /^\d+\.\d+\.\d+$/);
});
