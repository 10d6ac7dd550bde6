/** Archives that were read other than Go's archive/tar reads them, or at too high a cost: each once found, and kept. */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { formatPax } from '../../lib/layer/pax.js';
import { defaultTarLimits, padding } from '../../lib/layer/tar-entry.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { processorTime } from '../fuzz/seeded.js';
import { chunked, entryBytes, extendedBytes, rawBlock, type Seen, seenEntries } from './tar-builder.js';

const end = Buffer.alloc(1024);

function read(...parts: readonly Buffer[]): Promise<Seen[]> {
  return seenEntries(readTar(chunked(Buffer.concat([...parts, end]))));
}

function pax(...records: readonly string[]): Buffer {
  const pairs = records.map((text) => text.split('=', 2) as [string, string]);
  return extendedBytes('x', formatPax(new Map(pairs.map(([key, value]) => [key, Buffer.from(value)]))));
}

const refuses = test.macro(async (t, parts: readonly Buffer[], message: RegExp) => {
  const error = await t.throwsAsync(read(...parts), { instanceOf: CoracleError, message });
  t.is(error?.code, 'INVALID');
});

const octal = (value: number): string => value.toString(8).padStart(11, '0');
const stored = Buffer.concat([Buffer.from('data'), Buffer.alloc(508)]);

test('S24: a long name that is empty is none', async (t) => {
  const [entry] = await read(extendedBytes('L', '\0'), extendedBytes('K', '\0'), rawBlock({ name: 'own' }));
  t.is(entry?.path, 'own');
});

test('S24: the name of a sparse file belongs to nothing else', async (t) => {
  const [entry] = await read(pax('GNU.sparse.name=other'), entryBytes({ path: 'own' }));
  t.is(entry?.path, 'own');
});

test(
  'S24: a form of sparse files without its second number',
  refuses,
  [pax('GNU.sparse.major=1'), rawBlock({ size: octal(4) }), stored],
  /sparse format "1.undefined" is unknown/,
);
test(
  'S24: a sparse map of what is no file',
  refuses,
  [pax('GNU.sparse.map=0,1'), rawBlock({ flag: '2', link: 'x' })],
  /a symlink with a sparse map/,
);
test(
  'S24: a size that is none, of what has no content',
  refuses,
  [pax('size=0,1'), rawBlock({ flag: '5' })],
  /size is no number/,
);
test(
  'S24: a device number that is none, of what is no device',
  refuses,
  [rawBlock({ patch: (block) => block.write('zzz', 329) })],
  /devmajor is no number/,
);

test('S23: holes are counted as a bomb is, whatever form says them', async (t) => {
  const size = 300 * 1024 * 1024;
  const records = ['GNU.sparse.map=0,4', `GNU.sparse.size=${size}`, 'GNU.sparse.name=hole'];
  const gnu = rawBlock({
    flag: 'S',
    size: octal(4),
    patch: (block) => {
      block.write(octal(0), 386);
      block.write(octal(4), 398);
      block.write(octal(size), 483);
    },
  });
  for (const parts of [
    [pax(...records), rawBlock({ size: octal(4) }), stored],
    [gnu, stored],
  ]) {
    await t.throwsAsync(read(...parts), { message: /with its holes it is more than 200 times the archive/ });
  }
  const million = 1024 * 1024;
  const [small] = await read(
    pax('GNU.sparse.map=0,4', `GNU.sparse.size=${million}`, 'GNU.sparse.name=hole'),
    rawBlock({ size: octal(4) }),
    stored,
  );
  t.is(String(small?.content).length, million);
});

test('S23: a size of 8 EiB is no size', async (t) => {
  for (const [name, size] of [
    ['GNU.sparse.size', '9223372036854775807'],
    ['size', '9223372036854775807'],
  ]) {
    await t.throwsAsync(
      read(pax(`${name}=${size}`, 'GNU.sparse.map=0,4'), rawBlock({ size: octal(4) }), stored),
      {
        code: 'INVALID',
      },
    );
  }
  const base256 = Buffer.alloc(12, 0xff).fill(0x80, 0, 1).fill(0x7f, 4, 5).fill(0, 1, 4);
  await t.throwsAsync(read(rawBlock({ size: base256 })), { code: 'INVALID', message: /size is no number/ });
});

/** The archive of a sparse file 1.0 whose map has this text. */
function withMap(map: string): readonly Buffer[] {
  const bytes = Buffer.from(map);
  const records = ['GNU.sparse.major=1', 'GNU.sparse.minor=0', 'GNU.sparse.realsize=10', 'GNU.sparse.name=x'];
  return [
    pax(...records),
    rawBlock({ size: octal(bytes.length) }),
    bytes,
    Buffer.alloc(padding(bytes.length)),
  ];
}

test('S23: a sparse map as large as it may be takes no longer than its bytes', async (t) => {
  const before = processorTime();
  const rows = '0\n0\n'.repeat(260_000);
  await t.throwsAsync(read(...withMap(`9999999\n${rows}`)), { message: /too large or incomplete/ });
  await t.throwsAsync(read(...withMap('1'.repeat(1_000_000))), { message: /sparse map is no number/ });
  t.true(processorTime() - before < 2000, `${processorTime() - before} ms`);
});

test('S23: empty entries are counted, extended headers before nothing are refused', async (t) => {
  const block = entryBytes({ path: 'x' });
  async function* many(): AsyncGenerator<Buffer, void> {
    for (let sent = 0; sent < 5_000_000; sent += 1000) yield thousand;
  }
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => block));
  const limits = { ...defaultTarLimits, entries: 200_000 };
  const count = async (): Promise<void> => {
    for await (const _ of readTar(many(), limits));
  };
  await t.throwsAsync(count(), { message: /more than 200000 entries/ });
  await t.throwsAsync(seenEntries(readTar(chunked(pax('path=x')))), { message: /ends inside an entry/ });
  await t.throwsAsync(read(extendedBytes('x', 'x'.repeat(600)).fill('7', 124, 135)), { code: 'INVALID' });
});
