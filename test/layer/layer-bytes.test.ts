/** Layers in pieces: expanded into memory that is used again, wherever their bytes are cut. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { giveBack, isLent } from '../../lib/host/lent.js';
import type { Compression } from '../../lib/layer/compression.js';
import { expandedBytes, type LayerBytes } from '../../lib/layer/layer-bytes.js';
import { chunked } from './tar-builder.js';

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** All pieces; what is released is written over, as by the next one. */
async function read({
  pieces,
  digest,
}: LayerBytes): Promise<{ readonly bytes: Buffer; readonly digest: string }> {
  const parts: Buffer[] = [];
  for await (const bytes of pieces) {
    parts.push(Buffer.from(bytes));
    if (isLent(bytes)) bytes.fill(0xee);
    giveBack(bytes);
  }
  return { bytes: Buffer.concat(parts), digest: digest() };
}

type How = { readonly chunk?: number; readonly block?: number; readonly compression?: Compression | 'auto' };

function shared(source: Buffer, { chunk = 100, block = 64, compression = 'gzip' }: How = {}): LayerBytes {
  return expandedBytes(chunked(source, chunk), { compression, memory: Buffer.alloc(2 * block), block });
}

const content = Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * at * 31) % 251));

test('what a stream holds comes in pieces, wherever it is cut', async (t) => {
  const sizes = fc.integer({ min: 1, max: 3000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 5000 }), { minLength: 1, maxLength: 4 }),
      sizes,
      sizes,
      async (members, chunk, block) => {
        const plain = Buffer.concat(members);
        const packed = Buffer.concat(members.map((member) => gzipSync(member)));
        for (const [source, compression] of [
          [packed, 'gzip'],
          [packed, 'auto'],
          [plain, 'none'],
        ] as const) {
          const found = await read(shared(source, { chunk, block, compression }));
          t.true(found.bytes.equals(plain), compression);
          t.is(found.digest, sha256(plain));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('pieces are of the size of a block, but the last one', async (t) => {
  const sizes: number[] = [];
  for await (const bytes of shared(gzipSync(content), { block: 6000 }).pieces) {
    sizes.push(bytes.length);
    giveBack(bytes);
  }
  t.deepEqual(sizes, [6000, 6000, 6000, 2000]);
});

test('a source may use its memory again', async (t) => {
  const packed = gzipSync(content, { level: 1 });
  const again = Buffer.alloc(100);
  async function* source(): AsyncGenerator<Buffer> {
    for (let at = 0; at < packed.length; at += 100)
      yield again.subarray(0, packed.copy(again, 0, at, at + 100));
  }
  for (const compression of ['gzip', 'auto'] as const) {
    for (const memory of [Buffer.alloc(8000), undefined]) {
      const bytes = expandedBytes(source(), { compression, reused: true, memory, block: 4000 });
      t.true((await read(bytes)).bytes.equals(content), `${compression} ${memory?.length}`);
    }
  }
});

async function refuses(
  t: ExecutionContext,
  source: Buffer,
  message: RegExp,
  code = 'INTEGRITY',
): Promise<void> {
  for (const memory of [Buffer.alloc(8192), undefined]) {
    for (const chunk of [1, 7, source.length]) {
      const bytes = expandedBytes(chunked(source, chunk), { compression: 'gzip', memory, block: 4096 });
      await t.throwsAsync(read(bytes), { instanceOf: CoracleError, code, message }, `${chunk}`);
    }
  }
}

test('S22: damage is refused in the same words with and without memory to share', async (t) => {
  const packed = gzipSync(content);
  const sum = Buffer.from(packed);
  sum[packed.length - 6] = (sum[packed.length - 6] ?? 0) ^ 1;
  await refuses(t, sum, /^decompress stream: incorrect data check$/);
  await refuses(t, Buffer.from('no gzip at all'), /^decompress stream: incorrect header check$/);
  for (const length of [1, 5, 10, packed.length >> 1, packed.length - 1])
    await refuses(t, packed.subarray(0, length), /^decompress stream: unexpected end of file$/);
  await refuses(t, Buffer.concat([packed, Buffer.from('more')]), /^decompress stream: /);
  await refuses(t, Buffer.concat([packed, Buffer.alloc(512)]), /^decompress stream: /);
});

test('S23: what expands too far is refused while it does', async (t) => {
  const bomb = gzipSync(Buffer.alloc(100 * 1024 * 1024));
  await refuses(t, bomb, /200 times its compressed size/, 'INVALID');
});

test('a reader that leaves ends what is behind it', async (t) => {
  let ended = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield gzipSync(content);
    } finally {
      ended = true;
    }
  }
  const memory = Buffer.alloc(8192);
  for await (const bytes of expandedBytes(source(), { compression: 'gzip', memory, block: 4096 }).pieces) {
    t.is(bytes.length, 4096);
    break;
  }
  for (let tries = 0; !ended && tries < 200; tries++) await new Promise((done) => setTimeout(done, 10));
  t.true(ended);
});

test('what the source fails with is what the reader gets', async (t) => {
  async function* source(): AsyncGenerator<Buffer> {
    yield gzipSync(content).subarray(0, 50);
    throw new CoracleError('NETWORK', 'fetch blob: it broke off');
  }
  for (const compression of ['gzip', 'none', 'auto'] as const) {
    const bytes = expandedBytes(source(), { compression, memory: Buffer.alloc(200), block: 100 });
    await t.throwsAsync(read(bytes), { code: 'NETWORK' }, compression);
  }
});
