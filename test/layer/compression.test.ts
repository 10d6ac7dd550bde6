import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { CoracleError, hasErrno } from '../../lib/errors.js';
import { type Compression, compress, decompress, detectCompression } from '../../lib/layer/compression.js';
import { gzipVersion } from '../../lib/layer/parallel-gzip.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { crc32 } from '../../lib/native/plan.js';
import { findProgram, missingProgram, repositoryRoot } from '../helpers/host.js';
import { chunked, collect } from './tar-builder.js';

const plain = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at * 31) % 251));

const text = Buffer.from(
  Array.from({ length: 20_000 }, (_, at) => `${at % 97} words of ${(at * at) % 1013} texts\n`).join(''),
);

function unpack(bytes: Buffer, kind: Compression | 'auto' = 'auto', size = 1000): Promise<Buffer> {
  return collect(decompress(chunked(bytes, size), kind));
}

const refuses = test.macro(async (t, bytes: Buffer, kind: Compression) => {
  const error = await t.throwsAsync(unpack(bytes, kind), { instanceOf: CoracleError });
  t.is(error?.code, 'INTEGRITY');
  t.regex(error?.message ?? '', /^(decompress|filter \w+) stream: /);
});

const zstdMissing = existsSync(join(repositoryRoot(), 'dist/native/coracle-zstd'))
  ? undefined
  : 'no coracle-zstd built';
const withZstd = zstdMissing === undefined ? test : test.skip;

test('what is compressed with gzip comes back, and the same input gives the same bytes', async (t) => {
  const packed = await collect(compress(chunked(plain), { kind: 'gzip' }));
  t.true(packed.length < plain.length);
  t.deepEqual(await unpack(packed), plain);
  t.deepEqual(await collect(compress(chunked(plain, 777), { kind: 'gzip' })), packed);
  t.deepEqual(await collect(compress(chunked(plain), { kind: 'none' })), plain);
});

withZstd('what is compressed with zstd comes back', async (t) => {
  const packed = await collect(compress(chunked(plain), { kind: 'zstd', level: 1 }));
  t.is(detectCompression(packed), 'zstd');
  t.deepEqual(await unpack(packed), plain);
});

for (const [kind, program] of [
  ['gzip', 'gzip'],
  ['zstd', 'zstd'],
  ['bzip2', 'bzip2'],
  ['xz', 'xz'],
] as const) {
  const missing = missingProgram(program) ?? (kind === 'zstd' ? zstdMissing : undefined);
  const run = missing === undefined ? test : test.skip;
  run(`what ${program} made is recognised and expanded`, async (t) => {
    const packed = execFileSync(findProgram(program) ?? program, ['-c'], { input: plain, maxBuffer: 1e7 });
    t.is(detectCompression(packed), kind);
    t.deepEqual(await unpack(packed), plain);
    const error = await t.throwsAsync(unpack(packed.subarray(0, packed.length / 2), kind), {
      instanceOf: CoracleError,
    });
    t.is(error?.code, 'INTEGRITY');
  });
}

test('an empty stream and one of many blocks come back from gzip', async (t) => {
  for (const length of [0, 1, 2 * 1024 * 1024, 5_000_000]) {
    const bytes = Buffer.alloc(length, 'some text that is repeated ');
    const packed = await collect(compress(chunked(bytes), { kind: 'gzip', level: 1 }));
    t.true((await unpack(packed, 'gzip', 100_000)).equals(bytes));
    if (missingProgram('gzip') === undefined) {
      t.true(
        execFileSync(findProgram('gzip') ?? 'gzip', ['-dc'], { input: packed, maxBuffer: 1e7 }).equals(bytes),
      );
    }
  }
});

test('gzip depends on the level, and one that does not exist is an error', async (t) => {
  const sizes: number[] = [];
  for (const level of [1, 9])
    sizes.push((await collect(compress(chunked(text), { kind: 'gzip', level }))).length);
  t.true((sizes[0] ?? 0) > (sizes[1] ?? 0));
  const error = await t.throwsAsync(collect(compress(chunked(text), { kind: 'gzip', level: 13 })));
  t.true(hasErrno(error, 'EINVAL'));
  t.regex(gzipVersion(), /^libdeflate-\d+\.\d+$/);
});

test('several gzip members are one stream, also when a chunk ends between them', async (t) => {
  const one = gzipSync(plain.subarray(0, 1000));
  const two = gzipSync(plain.subarray(1000));
  for (const size of [1, one.length, 100_000]) {
    t.deepEqual(await unpack(Buffer.concat([one, two]), 'auto', size), plain);
  }
});

const packed = gzipSync(plain);
test('a truncated gzip stream', refuses, packed.subarray(0, packed.length - 9), 'gzip');
test('a gzip stream without its last byte', refuses, packed.subarray(0, packed.length - 1), 'gzip');
test('an empty gzip stream', refuses, Buffer.alloc(0), 'gzip');
test('garbage after a gzip stream', refuses, Buffer.concat([packed, Buffer.from('garbage')]), 'gzip');
test(
  'a gzip stream with a flipped bit',
  refuses,
  packed.map((byte, at) => (at === 700 ? byte ^ 1 : byte)) as Buffer,
  'gzip',
);
test('text where gzip was announced', refuses, Buffer.from('hello world'), 'gzip');

test('S23: zeros after a gzip stream, and what follows them, are refused, as Go refuses them', async (t) => {
  for (const rest of [Buffer.alloc(1), Buffer.alloc(512), Buffer.concat([Buffer.alloc(4), packed])]) {
    for (const size of [1, packed.length, 1_000_000]) {
      await t.throwsAsync(unpack(Buffer.concat([packed, rest]), 'gzip', size), {
        message: /data follows its end/,
      });
    }
  }
});

for (const program of ['zstd', 'bzip2', 'xz'] as const) {
  const missing = missingProgram(program) ?? (program === 'zstd' ? zstdMissing : undefined);
  const run = missing === undefined ? test : test.skip;
  run(`S23: garbage after a ${program} stream, and a sum that is wrong, are refused in words`, async (t) => {
    const made = execFileSync(findProgram(program) ?? program, ['-c'], { input: plain, maxBuffer: 1e7 });
    const garbage = Buffer.concat([made, Buffer.from('garbage that is more than a little'.repeat(100))]);
    const flipped = Buffer.from(made);
    flipped[made.length - 3] = (made.at(-3) ?? 0) ^ 1;
    for (const bytes of [garbage, flipped]) {
      // byte by byte the program has ended while more is written to it
      for (const size of [1, 1_000_000]) {
        const error = await t.throwsAsync(unpack(bytes, program, size), { instanceOf: CoracleError });
        t.is(error?.code, 'INTEGRITY');
      }
    }
  });
}

test('garbage after a gzip stream is refused also when it comes in a chunk of its own', async (t) => {
  for (const rest of ['garbage', '\x1f\x8bxx']) {
    const bytes = Buffer.concat([packed, Buffer.from(rest, 'latin1')]);
    await t.throwsAsync(unpack(bytes, 'gzip', packed.length), { instanceOf: CoracleError });
  }
});

test('what has no known magic is passed on as it is', async (t) => {
  for (const text of ['', 'x', 'plain text that is longer'])
    t.is((await unpack(Buffer.from(text))).toString(), text);
});

test('S23: a stream that expands too far is stopped', async (t) => {
  const bomb = gzipSync(Buffer.alloc(4_000_000));
  const limits = { ...defaultTarLimits, ratioAfter: 1_000_000 };
  await t.throwsAsync(collect(decompress(chunked(bomb), 'auto', limits)), {
    message: /more than 200 times its compressed size/,
  });
  await t.throwsAsync(collect(decompress(chunked(bomb), 'auto', { ...limits, bytes: 5000 })), {
    message: /more than 5000 bytes/,
  });
});

for (const program of ['zstd', 'bzip2', 'xz'] as const) {
  const missing = missingProgram(program) ?? (program === 'zstd' ? zstdMissing : undefined);
  const run = missing === undefined ? test : test.skip;
  run(`S23: what ${program} expands too far is stopped, and so is the program`, async (t) => {
    const input = Buffer.alloc(16_000_000);
    const bomb = execFileSync(findProgram(program) ?? program, ['-c'], { input, maxBuffer: 1e7 });
    const limits = { ...defaultTarLimits, ratioAfter: 1_000_000 };
    await t.throwsAsync(collect(decompress(chunked(bomb), 'auto', limits)), {
      message: /more than 200 times its compressed size/,
    });
  });
}

const withXz = missingProgram('xz') === undefined ? test : test.skip;
withXz('S23: xz with a dictionary of 3 GiB is refused for its memory', async (t) => {
  const made = execFileSync(findProgram('xz') ?? 'xz', ['-c'], { input: plain, maxBuffer: 1e7 });
  // the block's header: its size, flags, the filter's id and the size of its properties, of which one says the dictionary
  const header = made.subarray(12, 24);
  t.is(header.toString('hex', 0, 4), '02002101');
  header[4] = 39;
  header.writeUInt32LE(crc32(header.subarray(0, 8)), 8);
  const error = await t.throwsAsync(unpack(made, 'xz'), { message: /[Mm]emory usage limit/ });
  t.is(Reflect.get(error ?? {}, 'code'), 'INTEGRITY');
});

test('an error of the source arrives unchanged, and leaving early ends the source', async (t) => {
  const broken = new CoracleError('NETWORK', 'fetch blob: the connection broke');
  async function* failing(): AsyncGenerator<Buffer, void> {
    yield packed.subarray(0, 1000);
    throw broken;
  }
  t.is(await t.throwsAsync(collect(decompress(failing(), 'gzip'))), broken);
  let closed = false;
  async function* endless(): AsyncGenerator<Buffer, void> {
    try {
      for (;;) yield packed;
    } finally {
      closed = true;
    }
  }
  for await (const chunk of decompress(endless(), 'gzip')) {
    t.true(chunk.length > 0);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.true(closed);
});
