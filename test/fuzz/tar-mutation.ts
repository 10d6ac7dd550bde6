/** Archives as nobody means them: entries of every kind in any order, extended headers that fit or not, and damage. */
import { formatPax } from '../../lib/layer/pax.js';
import { padding, type TarType } from '../../lib/layer/tar-entry.js';
import { entryBytes, extendedBytes, rawBlock } from '../layer/tar-builder.js';
import { pick, type Random } from './seeded.js';

const plain = [
  'a',
  'a/',
  'a/b',
  './a/b/c',
  'a//b',
  '/d/e',
  'd',
  'd/e/',
  'out',
  'out/new',
  'é',
  'f',
  'g/h',
] as const;
const common: readonly TarType[] = ['file', 'file', 'directory', 'symlink'];
const odd = [
  '.',
  './',
  '',
  '..',
  'a/../../x',
  '../'.repeat(20),
  '.wh.a',
  'a/.wh.b',
  '.wh..wh..opq',
  'd/.wh..wh..opq',
  '.wh.',
  '.wh.d/x',
  '.wh..wh.plnk/1',
  'out/sentinel',
  'é/\u0001\n',
  'n'.repeat(255),
  'n'.repeat(256),
  `${'long/'.repeat(30)}x`,
  `${'p/'.repeat(300)}x`,
  'x'.repeat(5000),
] as const;
const types: readonly TarType[] = ['file', 'directory', 'symlink', 'link', 'fifo', 'char', 'block'];
const sizes = [0, 1, 511, 512, 513, 5000] as const;
const ids = [...Array.from({ length: 30 }, (_, id) => id), 65_535, 2_000_000, 4_294_967_294];
const times = [0, 1, -1, 1_700_000_000, 2 ** 33, 2 ** 40] as const;
const end = Buffer.alloc(1024);

/** An archive of a few entries; `outside` is where links lead that want to get out. */
export function hostileTar(random: Random, outside: string): Buffer {
  const parts = Array.from({ length: random(6) + 1 }, () => part(random, outside));
  const whole = Buffer.concat([...parts, ...(random(10) === 0 ? [] : [end])]);
  return random(4) === 0 ? damage(whole, random) : whole;
}

function part(random: Random, outside: string): Buffer {
  const kind = random(25);
  if (kind === 0) return gnuLong(random, outside);
  if (kind === 1)
    return Buffer.concat([
      extendedBytes(pick(random, ['x', 'x', 'g']), paxText(random, outside)),
      entry(random, outside),
    ]);
  if (kind === 2) return gnuSparse(random);
  if (kind === 3) return paxSparse(random);
  if (kind === 4) return oddNumbers(random);
  return entry(random, outside);
}

function nameFrom(random: Random, outside: string): string {
  return random(8) === 0
    ? `${pick(random, ['', '/', '../../..'])}${outside}/${pick(random, ['sentinel', 'new', ''])}`
    : pick(random, random(6) === 0 ? odd : plain);
}

function entry(random: Random, outside: string): Buffer {
  const type = random(3) > 0 ? pick(random, common) : pick(random, types);
  const hasTarget = type === 'symlink' || type === 'link';
  const device = type === 'char' || type === 'block';
  return entryBytes({
    path: nameFrom(random, outside),
    type,
    mode: random(0o10000),
    uid: pick(random, ids),
    gid: pick(random, ids),
    mtime: { s: pick(random, times), ns: random(2) * 5 },
    ...(type === 'file' ? { content: 'x'.repeat(pick(random, sizes)) } : {}),
    ...(hasTarget ? { linkTarget: nameFrom(random, outside) } : {}),
    ...(device ? { major: random(3), minor: random(3) } : {}),
    ...(random(10) === 0 ? { xattrs: { [pick(random, attributes)]: 'v'.repeat(random(40)) } } : {}),
  });
}

const attributes = [
  'user.a',
  'user.overlay.opaque',
  'trusted.overlay.redirect',
  'security.capability',
  'user.containers.override_stat',
  'security.selinux',
  'system.posix_acl_access',
  'user.',
];

function gnuLong(random: Random, outside: string): Buffer {
  const text = `${nameFrom(random, outside)}${pick(random, ['\0', '', '\0rest'])}`;
  return Buffer.concat([
    extendedBytes(pick(random, ['L', 'K']), text),
    rawBlock({ name: 'short', flag: pick(random, ['0', '1', '2', '5']) }),
  ]);
}

const paxKeys = [
  'path',
  'linkpath',
  'size',
  'uid',
  'gid',
  'mtime',
  'hdrcharset',
  'comment',
  'SCHILY.xattr.user.b',
  'SCHILY.xattr.',
  'GNU.sparse.name',
  'GNU.sparse.size',
  'GNU.sparse.map',
  'GNU.sparse.major',
  'GNU.sparse.realsize',
  '__proto__',
];
const paxValues = [
  '',
  '0',
  '1',
  '513',
  '-1',
  '1e3',
  '9007199254740993',
  '18446744073709551616',
  '1.999999999999',
  '-0.5',
  'BINARY',
  '0,1',
  '0,1,0,1',
  'x',
];

/** Records that are well formed, or almost. */
function paxText(random: Random, outside: string): Buffer {
  const records = Array.from(
    { length: random(3) + 1 },
    () =>
      [
        pick(random, paxKeys),
        Buffer.from(random(3) === 0 ? nameFrom(random, outside) : pick(random, paxValues)),
      ] as const,
  );
  const bytes = formatPax(new Map(records));
  if (random(5) === 0) bytes[random(bytes.length)] = random(256);
  return bytes;
}

function octal(value: number): string {
  return value.toString(8).padStart(11, '0');
}

function withContent(block: Buffer, size: number): Buffer {
  return Buffer.concat([block, Buffer.alloc(size, 'd'), Buffer.alloc(padding(size))]);
}

const spans = [0, 1, 4, 512, 100_000, 2 ** 31, 2 ** 33 - 1] as const;

/** GNU's own form: up to four pairs in the header, and further blocks. */
function gnuSparse(random: Random): Buffer {
  const stored = pick(random, sizes);
  const block = rawBlock({
    name: 'sparse',
    flag: 'S',
    size: octal(stored),
    patch: (header) => {
      header.write('ustar  \0', 257, 'latin1');
      for (let pair = random(5); pair > 0; pair--) {
        header.write(octal(pick(random, spans)), 386 + (pair - 1) * 24, 'latin1');
        header.write(
          octal(pair === 1 && random(2) === 0 ? stored : pick(random, spans)),
          398 + (pair - 1) * 24,
          'latin1',
        );
      }
      header[482] = random(4) === 0 ? 1 : 0;
      header.write(octal(pick(random, spans)), 483, 'latin1');
    },
  });
  return withContent(block, stored);
}

/** PAX 1.0, whose map stands before the content. */
function paxSparse(random: Random): Buffer {
  const stored = pick(random, sizes);
  const at = pick(random, spans);
  const size = random(3) === 0 ? pick(random, spans) : at + stored;
  const records = new Map([
    ['GNU.sparse.major', Buffer.from('1')],
    ['GNU.sparse.minor', Buffer.from('0')],
    ['GNU.sparse.name', Buffer.from('sparse')],
    ['GNU.sparse.realsize', Buffer.from(String(size))],
  ]);
  const map = Buffer.alloc(512);
  map.write(`${pick(random, ['1', '1', '1', '2', '0', '-1', '99999999999'])}\n${at}\n${stored}\n`, 'latin1');
  const whole = Buffer.concat([map, Buffer.alloc(stored, 'd')]);
  return Buffer.concat([
    extendedBytes('x', formatPax(records)),
    rawBlock({ name: 'sparse', size: octal(whole.length) }),
    whole,
    Buffer.alloc(padding(whole.length)),
  ]);
}

/** Numbers in base 256, of every sign and width, and in no base at all. */
function oddNumbers(random: Random): Buffer {
  const field = Buffer.alloc(12, random(3) === 0 ? 0xff : 0);
  field[0] = pick(random, [0x80, 0xff, 0xbf, 0xc0, 0x81]);
  field[11] = random(256);
  const text = pick(random, ['        512 ', '0000000000-1', '99999999999', '0x10', '777777777777']);
  const size = random(2) === 0 ? field : text;
  return rawBlock({
    name: 'odd',
    ...(random(2) === 0 ? { size } : { mtime: size }),
    ...(random(3) === 0 ? { uid: field.subarray(0, 8) } : {}),
  });
}

/** Bytes changed, doubled, dropped and cut, at times with sums that are right again. */
export function damage(bytes: Buffer, random: Random): Buffer {
  let damaged = Buffer.from(bytes);
  for (let count = random(6) + 1; count > 0; count--) {
    const at = random(damaged.length);
    const kind = random(6);
    if (kind === 0) damaged[at] = random(256);
    else if (kind === 1) damaged[at] = (damaged[at] ?? 0) ^ (1 << random(8));
    else if (kind === 2) damaged = damaged.subarray(0, at + 1);
    else if (kind === 3)
      damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(random(damaged.length))]);
    else if (kind === 4) damaged.write(String(random(2 ** 31)), at, 'latin1');
    else fixChecksums(damaged);
    if (damaged.length === 0) return damaged;
  }
  if (random(2) === 0) fixChecksums(damaged);
  return damaged;
}

/** Makes every block's sum right, so that damage gets past the first check. */
function fixChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.fill(0x20, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}
