import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { formatPax, parsePax } from '../../lib/layer/pax.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { formatPaxTime, parsePaxTime } from '../../lib/layer/tar-numbers.js';
import { TarParser } from '../../lib/layer/tar-parser.js';
import { readContent, readTar } from '../../lib/layer/tar-reader.js';
import { writeTar } from '../../lib/layer/tar-writer.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import {
  chunked,
  collect,
  entryBytes,
  extendedBytes,
  rawBlock,
  type Seen,
  type Sketch,
  seenEntries,
  seenSketch,
  tarOf,
} from './tar-builder.js';

const end = Buffer.alloc(1024);

async function read(bytes: Buffer, size?: number): Promise<Seen[]> {
  return seenEntries(readTar(chunked(bytes, size)));
}

async function paths(bytes: Buffer): Promise<unknown[]> {
  return (await read(bytes)).map((entry) => entry.path);
}

const refuses = test.macro(async (t, bytes: Buffer, message: RegExp) => {
  const error = await t.throwsAsync(read(bytes), { instanceOf: CoracleError, message });
  t.is(error?.code, 'INVALID');
});

const sketchArbitrary: fc.Arbitrary<Sketch> = fc
  .record({
    path: fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map((bytes) => Buffer.from(bytes).map((b) => b || 1)),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 0xfffffffe })),
    gid: fc.integer({ min: 0, max: 0xfffffffe }),
    mtime: fc.record({
      s: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      ns: fc.integer({ min: 0, max: 999_999_999 }),
    }),
    content: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
    attribute: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  })
  .map(({ path, attribute, ...rest }) => ({
    ...rest,
    path: Buffer.from(path),
    xattrs: { 'user.a': attribute },
  }));

test('what is written is read back, whatever the names, ids, times, attributes and chunk sizes', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(sketchArbitrary, { maxLength: 8 }),
      fc.integer({ min: 1, max: 3000 }),
      async (sketches, size) => {
        t.deepEqual(await read(tarOf(...sketches), size), sketches.map(seenSketch));
      },
    ),
    { numRuns: 60 },
  );
});

test('PAX records and times survive a round trip', (t) => {
  const key = fc
    .string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' })
    .filter((text) => !text.includes('='));
  const value = fc.uint8Array({ maxLength: 1100 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value)), (pairs) => {
      const records = new Map(pairs);
      t.deepEqual(new Map([...parsePax(formatPax(records))].sort()), new Map([...records].sort()));
    }),
  );
  const time = fc.record({
    s: fc.integer({ min: -(10 ** 14), max: 10 ** 14 }),
    ns: fc.integer({ min: 0, max: 999_999_999 }),
  });
  fc.assert(
    fc.property(time, (value) =>
      t.deepEqual(parsePaxTime(Buffer.from(formatPaxTime(value)), 'mtime'), value),
    ),
  );
});

test('times are written the way Go writes them', (t) => {
  t.is(formatPaxTime({ s: 1, ns: 500_000_000 }), '1.5');
  t.is(formatPaxTime({ s: -1, ns: 500_000_000 }), '-0.5');
  t.is(formatPaxTime({ s: -2, ns: 0 }), '-2');
  t.deepEqual(parsePaxTime(Buffer.from('-0.5'), 'mtime'), { s: -1, ns: 500_000_000 });
  t.deepEqual(parsePaxTime(Buffer.from('12.3456789019'), 'mtime'), { s: 12, ns: 345_678_901 });
});

test('GNU long names, base-256 numbers, signed checksums and old type flags are understood', async (t) => {
  const name = `${'d/'.repeat(80)}file`;
  const long = extendedBytes('L', `${name}\0`);
  t.deepEqual(await paths(Buffer.concat([long, rawBlock({}), end])), [name]);
  const base256 = Buffer.from([0x80, 0, 0, 0, 0, 0x30, 0, 0]);
  const [big] = await read(Buffer.concat([rawBlock({ uid: base256 }), end]));
  t.is(big?.uid, 0x300000);
  const before = Buffer.from('ffffffffffffffffffffffff', 'hex');
  t.deepEqual((await read(Buffer.concat([rawBlock({ mtime: before }), end])))[0]?.mtime, { s: -1, ns: 0 });
  const signed = rawBlock({ name: 'caf\u00e9' });
  const sum =
    0o1000000 +
    signed.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : (byte << 24) >> 24), 0);
  signed.write(`${(sum - 0o1000000).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  t.is((await read(Buffer.concat([signed, end]))).length, 1);
  const old = await read(
    Buffer.concat([rawBlock({ name: 'dir/', flag: '\0', magic: '' }), rawBlock({ flag: '7' }), end]),
  );
  t.deepEqual(
    old.map((entry) => entry.type),
    ['directory', 'file'],
  );
});

test('a USTAR prefix is part of the name, in GNU headers it is not', async (t) => {
  const ustar = rawBlock({ name: 'b', prefix: 'a' });
  const gnu = rawBlock({ name: 'b', prefix: 'a', magic: 'ustar  \0' });
  t.deepEqual(await paths(Buffer.concat([ustar, gnu, end])), ['a/b', 'b']);
});

test('global extended headers change nothing, a later empty record takes an earlier one back', async (t) => {
  const global = extendedBytes('g', '13 path=evil\n');
  const both = extendedBytes('x', '12 path=new\n8 path=\n');
  t.deepEqual(
    await paths(Buffer.concat([global, rawBlock({ name: 'one' }), both, rawBlock({ name: 'two' }), end])),
    ['one', 'two'],
  );
});

test('an archive may end without zero blocks, and what follows them is passed over', async (t) => {
  t.deepEqual(await paths(entryBytes({ path: 'a', content: 'x' })), ['a']);
  t.deepEqual(await paths(Buffer.concat([tarOf({ path: 'a' }), Buffer.from('rubbish'.repeat(200))])), ['a']);
  t.deepEqual(await paths(Buffer.alloc(0)), []);
});

test('unread content is passed over, read content is limited', async (t) => {
  const names: string[] = [];
  for await (const entry of readTar(
    chunked(tarOf({ path: 'a', content: 'x'.repeat(5000) }, { path: 'b', content: 'y' }), 700),
  )) {
    names.push(entry.path.toString());
    if (entry.path.toString() === 'a')
      await t.throwsAsync(readContent(entry, 10), { message: /5000 bytes are more than 10/ });
    else t.is((await readContent(entry, 10)).toString(), 'y');
  }
  t.deepEqual(names, ['a', 'b']);
});

test('content may be passed over instead of pushed: the same entries at the same offsets', (t) => {
  const archive = tarOf(
    { path: 'a', size: 5000, content: Buffer.alloc(5000, 'a') },
    { path: 'empty' },
    { path: 'b', size: 1024, content: Buffer.alloc(1024, 'b') },
    { path: 'c', size: 3, content: Buffer.from('ccc') },
  );
  const places = (chunk: number, passes: boolean): unknown[] => {
    const found: unknown[] = [];
    const parser = new TarParser({
      entry: ({ path, size }, offset) => found.push([path.toString(), size, offset]),
      data: () => undefined,
      end: () => found.push('end'),
    });
    for (let at = 0; at < archive.length; ) {
      parser.push(archive.subarray(at, at + chunk));
      at += chunk;
      const passed = passes ? Math.min(parser.skippable, archive.length - at) : 0;
      if (passed > 0) parser.skip(passed);
      at += passed;
    }
    parser.finish();
    return found;
  };
  const whole = places(archive.length, false);
  for (const chunk of [100, 512, 513, 1000, 1536, 5000]) t.deepEqual(places(chunk, true), whole, `${chunk}`);
});

test('no more is passed over than there is content', (t) => {
  const archive = tarOf({ path: 'a', size: 5000, content: Buffer.alloc(5000) });
  const parser = new TarParser({ entry: () => undefined, data: () => undefined, end: () => undefined });
  t.is(parser.skippable, 0);
  parser.push(archive.subarray(0, 512 + 1000));
  t.is(parser.skippable, 4000);
  t.throws(() => parser.skip(4001), { instanceOf: CoracleError });
  parser.skip(3999);
  t.throws(() => parser.finish(), { message: /ends inside an entry/ });
  parser.skip(1);
  t.is(parser.skippable, 0);
});

test('the writer refuses a content that is not as long as announced', async (t) => {
  async function* entries() {
    const [entry] = [seenSketch({ path: 'a' })];
    t.truthy(entry);
    yield { ...(await firstHeader()), size: 5, content: () => chunked(Buffer.from('abc')) };
  }
  await t.throwsAsync(collect(writeTar(entries())), { message: /3 bytes came where 5 were announced/ });
});

async function firstHeader() {
  for await (const entry of readTar(chunked(tarOf({ path: 'a' })))) return entry;
  throw new Error('no entry');
}

const file = entryBytes({ path: 'a', content: 'x'.repeat(600) });
test('a truncated content', refuses, file.subarray(0, 900), /ends inside an entry/);
test('a truncated header', refuses, Buffer.concat([file, file.subarray(0, 100)]), /ends inside an entry/);
test(
  'an extended header without an entry',
  refuses,
  extendedBytes('x', '12 path=new\n'),
  /ends inside an entry/,
);
test('a wrong checksum', refuses, rawBlock({ sum: '000001\0 ' }), /checksum is 1/);
test('text that is no tar', refuses, Buffer.from('hello world\n'.repeat(100)), /checksum/);
test('a number that is none', refuses, rawBlock({ size: '0000000008x' }), /size is no number/);
test(
  'a negative size',
  refuses,
  rawBlock({ size: Buffer.from('ffffffffffffffffffffffff', 'hex') }),
  /size -1 is negative/,
);
test(
  'a size beyond 2^53',
  refuses,
  rawBlock({ size: Buffer.from('80ffffffffffffffffffffff', 'hex') }),
  /size is no number/,
);
test('an unknown type', refuses, rawBlock({ flag: 'Z' }), /type "Z" is unknown/);
test(
  'an entry after an end block',
  refuses,
  Buffer.concat([Buffer.alloc(512), file]),
  /follows an end block/,
);
test(
  'a PAX record with a length past its end',
  refuses,
  extendedBytes('x', '99 path=new\n'),
  /length is wrong/,
);
test('a PAX record with length zero', refuses, extendedBytes('x', '0 path=new\n'), /length is wrong/);
test('a PAX record with a huge length', refuses, extendedBytes('x', '99999999999 path=new\n'), /no number/);
test('a PAX record without a key', refuses, extendedBytes('x', '7 =abc\n'), /no key/);
test('a PAX record without an equals sign', refuses, extendedBytes('x', '7 path\n'), /no key/);
test(
  'a PAX path with a NUL',
  refuses,
  Buffer.concat([extendedBytes('x', '12 path=a\0b\n'), rawBlock({})]),
  /holds a NUL/,
);
test(
  'a PAX size that is negative',
  refuses,
  Buffer.concat([extendedBytes('x', '11 size=-1\n'), rawBlock({})]),
  /size is no number/,
);
test(
  'a PAX id out of range',
  refuses,
  Buffer.concat([extendedBytes('x', '18 uid=4294967295\n'), rawBlock({})]),
  /out of range/,
);
test('S23: a path that is too long', refuses, tarOf({ path: 'x'.repeat(4097) }), /longer than 4096/);
test(
  'S23: an extended header that is too large',
  refuses,
  rawBlock({ flag: 'L', size: '00010000000' }),
  /too large/,
);
test(
  'S23: an attribute that is too large',
  refuses,
  tarOf({ path: 'a', xattrs: { 'user.a': Buffer.alloc(65_537) } }),
  /larger than 65536/,
);

function sparse(records: readonly string[], stored: string): Buffer {
  const pax = formatPax(
    new Map(
      records.map((text) => {
        const [key = '', value = ''] = text.split('=');
        return [key, Buffer.from(value)] as const;
      }),
    ),
  );
  const size = stored.length.toString(8).padStart(11, '0');
  return Buffer.concat([
    extendedBytes('x', pax),
    rawBlock({ size }),
    Buffer.from(stored),
    Buffer.alloc((512 - (stored.length % 512)) % 512),
    end,
  ]);
}

test('sparse maps of PAX 0.0 and 0.1 give the whole file', async (t) => {
  const one = await read(
    sparse(['GNU.sparse.map=2,3,8,1', 'GNU.sparse.size=10', 'GNU.sparse.name=real'], 'abcd'),
  );
  t.deepEqual([one[0]?.path, one[0]?.content], ['real', '\0\0abc\0\0\0d\0']);
  const records =
    '24 GNU.sparse.offset=2\n25 GNU.sparse.numbytes=3\n24 GNU.sparse.offset=8\n25 GNU.sparse.numbytes=1\n22 GNU.sparse.size=10\n';
  const [zero] = await read(
    Buffer.concat([
      extendedBytes(
        'x',
        records.replaceAll(/^\d+ (.*)$/gm, (_, rest: string) => {
          const length = rest.length + 4;
          return `${length} ${rest}`;
        }),
      ),
      rawBlock({ size: '00000000004' }),
      Buffer.from('abcd'.padEnd(512, '\0')),
      end,
    ]),
  );
  t.is(zero?.content, '\0\0abc\0\0\0d\0');
});
test(
  'a sparse map past the file',
  refuses,
  sparse(['GNU.sparse.map=2,3,8,9', 'GNU.sparse.size=10'], 'abcd'),
  /do not fit a file of 10/,
);
test(
  'a sparse map that overlaps',
  refuses,
  sparse(['GNU.sparse.map=2,3,1,1', 'GNU.sparse.size=10'], 'abcd'),
  /do not fit/,
);
test(
  'a sparse map of other length than the data',
  refuses,
  sparse(['GNU.sparse.map=2,3', 'GNU.sparse.size=10'], 'abcd'),
  /covers 3 bytes, the archive holds 4/,
);
test(
  'S23: a sparse file larger than the limit',
  refuses,
  sparse(['GNU.sparse.map=0,4', 'GNU.sparse.size=99999999999999'], 'abcd'),
  /exceed/,
);
test(
  'a sparse map 1.0 that never ends',
  refuses,
  sparse(['GNU.sparse.major=1', 'GNU.sparse.minor=0'], '999999999\n'.repeat(103).slice(0, 1024)),
  /too large or incomplete/,
);

test('S23: limits on entries and bytes hold', async (t) => {
  const many = tarOf({ path: 'a' }, { path: 'b' }, { path: 'c' });
  await t.throwsAsync(seenEntries(readTar(chunked(many), { ...defaultTarLimits, entries: 2 })), {
    message: /more than 2 entries/,
  });
  const large = tarOf({ path: 'a', content: 'x'.repeat(600) }, { path: 'b', content: 'x'.repeat(600) });
  await t.throwsAsync(seenEntries(readTar(chunked(large), { ...defaultTarLimits, bytes: 1000 })), {
    message: /exceed 1000 bytes/,
  });
});

function makeTree(directory: string): void {
  mkdirSync(join(directory, 'sub/deep'), { recursive: true });
  writeFileSync(join(directory, 'file'), 'content\n');
  writeFileSync(join(directory, `${'long-name-'.repeat(12)}x`), 'long');
  writeFileSync(join(directory, 'sub/\u00fcmlaut'), 'unicode');
  symlinkSync(`${'../'.repeat(40)}target`, join(directory, 'sub/link'));
  linkSync(join(directory, 'file'), join(directory, 'hard'));
  writeFileSync(join(directory, 'sparse'), 'start');
  truncateSync(join(directory, 'sparse'), 3_000_000);
  writeFileSync(join(directory, 'sparse'), 'middle', { flag: 'r+' });
  chmodSync(join(directory, 'file'), 0o4755);
  utimesSync(join(directory, 'file'), 1, 1_600_000_000.25);
}

const gnuFormats = test.macro(async (t, ...options: string[]) => {
  const directory = temporaryDirectory(t);
  makeTree(directory);
  const bytes = execFileSync(
    'tar',
    ['-c', '--sort=name', '--numeric-owner', ...options, '-C', directory, '.'],
    { maxBuffer: 1e8 },
  );
  const entries = await read(bytes, 10_000);
  const named = new Map(entries.map((entry) => [String(entry.path), entry]));
  t.is(named.get('./file')?.mode, 0o4755);
  t.is(named.get('./file')?.content, 'content\n');
  t.deepEqual([named.get('./hard')?.type, named.get('./hard')?.linkTarget], ['link', './file']);
  t.is(named.get(`./${'long-name-'.repeat(12)}x`)?.content, 'long');
  t.is(named.get(Buffer.from('./sub/\u00fcmlaut').toString('latin1'))?.content, 'unicode');
  t.is(named.get('./sub/link')?.linkTarget, `${'../'.repeat(40)}target`);
  t.is(named.get('./sparse')?.content, readFileSync(join(directory, 'sparse'), 'latin1'));
  if (options.includes('--format=posix'))
    t.deepEqual(named.get('./file')?.mtime, { s: 1_600_000_000, ns: 250_000_000 });
});
test('GNU tar in GNU format', gnuFormats, '--format=gnu');
test('GNU tar in GNU format, sparse', gnuFormats, '--format=gnu', '--sparse');
test('GNU tar in POSIX format', gnuFormats, '--format=posix');
for (const version of ['0.0', '0.1', '1.0']) {
  test(
    `GNU tar in POSIX format, sparse ${version}`,
    gnuFormats,
    '--format=posix',
    '--sparse',
    `--sparse-version=${version}`,
  );
}

const written: readonly Sketch[] = [
  { path: 'dir/', type: 'directory', mode: 0o1777 },
  { path: 'dir/file', content: 'hello', uid: 3_000_000, mtime: { s: -5, ns: 250_000_000 } },
  { path: `dir/${'n'.repeat(150)}`, content: 'long' },
  { path: 'dir/hard', type: 'link', linkTarget: 'dir/file' },
  { path: 'dir/soft', type: 'symlink', mode: 0o777, linkTarget: 't'.repeat(120) },
  { path: 'dir/\u00fcber', content: 'u' },
];

test('GNU tar reads what we write', (t) => {
  const { stdout, stderr, status } = spawnSync('tar', ['-tv', '--numeric-owner', '--full-time', '--utc'], {
    input: tarOf(...written),
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  t.deepEqual([status, stderr], [0, '']);
  const lines = stdout.trim().split('\n');
  t.is(lines.length, written.length);
  t.regex(lines[1] ?? '', /3000000\/0 +5 .* dir\/file$/);
  t.regex(lines[3] ?? '', /dir\/hard link to dir\/file$/);
});

const python = missingProgram('python3');
(python === undefined ? test : test.skip)(
  `Python's tarfile reads what we write${python === undefined ? '' : `: ${python}`}`,
  (t) => {
    const script = `
import tarfile, sys, json
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|') as tar:
    print(json.dumps([[m.name, m.type.decode(), m.mode, m.uid, m.mtime, m.linkname, m.pax_headers] for m in tar]))`;
    const { stdout } = spawnSync('python3', ['-c', script], {
      input: tarOf(...written, { path: 'x', xattrs: { 'user.k': 'v' } }),
      encoding: 'utf8',
    });
    const rows: unknown[][] = JSON.parse(stdout);
    t.deepEqual(rows[1]?.slice(0, 5), ['dir/file', '0', 0o644, 3_000_000, -4.75]);
    t.deepEqual(
      rows.map((row) => row[0]),
      ['dir', 'dir/file', `dir/${'n'.repeat(150)}`, 'dir/hard', 'dir/soft', 'dir/\u00fcber', 'x'],
    );
    t.deepEqual(rows[6]?.[6], { 'SCHILY.xattr.user.k': 'v' });
  },
);
