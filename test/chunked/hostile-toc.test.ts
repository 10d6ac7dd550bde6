/** Tables of contents and archives that were a defect of ours once. */
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { readEstargz } from '../../lib/chunked/estargz.js';
import { parseToc } from '../../lib/chunked/layout.js';
import { writeZstdChunked } from '../../lib/chunked/write-zstd-chunked.js';
import { sha256 } from '../image/store-fixture.js';
import { chunked, collect, tarOf } from '../layer/tar-builder.js';

test('S23: a table of contents nested without end is refused', (t) => {
  for (const text of [
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
    `{"version":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  ])
    t.throws(() => parseToc(text), { code: 'INVALID', message: /nested more than 500 deep/ });
});

test('S22: a type of an entry that every object has is no type', async (t) => {
  for (const type of ['constructor', '__proto__', 'toString']) {
    const text = JSON.stringify({ version: 1, entries: [{ type, name: 'a' }] });
    const members = gzipSync(tarOf({ path: 'stargz.index.json', content: text }));
    const footer = Buffer.alloc(51);
    footer.write(`${'0'.repeat(16)}STARGZ`, 16, 'latin1');
    const blob = Buffer.concat([members, footer]);
    const read = async (start: number, length: number): Promise<Buffer> =>
      blob.subarray(start, start + length);
    await t.throwsAsync(
      readEstargz(sha256(text), blob.length, read),
      { code: 'INVALID', message: /type/ },
      type,
    );
  }
});

test('S23: a time that no date says cannot be in a table of contents', async (t) => {
  for (const s of [9_000_000_000_000, -9_000_000_000_000]) {
    const { chunks } = writeZstdChunked(chunked(tarOf({ path: 'a', mtime: { s, ns: 0 } })), 1);
    await t.throwsAsync(collect(chunks), { code: 'UNSUPPORTED', message: /which no date says/ });
  }
});
