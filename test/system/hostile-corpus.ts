/** Layers as somebody with bad intentions makes them. `outside` is a directory of the host, without the slash in front. */
import { entryBytes, extendedBytes, rawBlock, type Sketch, tarOf } from '../layer/tar-builder.js';

export type Hostile = {
  readonly title: string;
  readonly tar: (outside: string) => Buffer;
  /** What the refusal says; else the layer is taken, and means something harmless. */
  readonly refused?: RegExp;
  /** Paths in a container of it, each with what `stat -c '%F %a %u'` says. */
  readonly sees?: Readonly<Record<string, string>>;
  readonly lacks?: readonly string[];
};

const up = '../'.repeat(20);
const end = Buffer.alloc(1024);
const file = 'regular file 644 0';
const empty = 'regular empty file 644 0';

function pax(...records: readonly string[]): Buffer {
  return extendedBytes('x', records.map(record).join(''));
}

function record(text: string): string {
  const rest = text.length + 2;
  const length = rest + String(rest).length;
  return `${String(length).length > String(rest).length ? length + 1 : length} ${text}\n`;
}

const directory = (path: string, rest: Partial<Sketch> = {}): Sketch => ({
  path,
  type: 'directory',
  mode: 0o755,
  ...rest,
});
const symlink = (path: string, linkTarget: string): Sketch => ({
  path,
  type: 'symlink',
  linkTarget,
  mode: 0o777,
});
const link = (path: string, linkTarget: string): Sketch => ({ path, type: 'link', linkTarget });

/** A row whose layer is refused. */
function refuses(title: string, tar: Hostile['tar'] | Buffer, refused: RegExp): Hostile {
  return { title, tar: Buffer.isBuffer(tar) ? () => tar : tar, refused };
}

/** A row whose layer is taken. */
function takes(
  title: string,
  tar: Hostile['tar'] | Buffer,
  seen: Pick<Hostile, 'sees' | 'lacks'> = {},
): Hostile {
  return { title, tar: Buffer.isBuffer(tar) ? () => tar : tar, ...seen };
}

const escapes: readonly Hostile[] = [
  refuses('a name that climbs', (outside) => tarOf({ path: `${up}${outside}/new` }), /\.\. component/),
  refuses('a name that climbs from inside', tarOf({ path: 'a/../../new' }), /\.\. component/),
  refuses('a directory that climbs', tarOf(directory('a/../../b/')), /\.\. component/),
  takes('an absolute name', (outside) => tarOf({ path: `/${outside}/new` })),
  takes('a name of many slashes', tarOf({ path: '//./x///y', content: 'x' }), { sees: { '/x/y': file } }),
  takes('a file through an absolute link of the same layer', (outside) =>
    tarOf(symlink('out', `/${outside}`), { path: 'out/new', content: 'x' }),
  ),
  takes('a file through a climbing link of the same layer', (outside) =>
    tarOf(symlink('out', `${up}${outside}`), { path: 'out/new', content: 'x' }),
  ),
  takes('links that are exchanged between entries', (outside) =>
    tarOf(directory('d/'), { path: 'd/a' }, symlink('d', `/${outside}`), { path: 'd/new' }, directory('d/'), {
      path: 'd/last',
    }),
  ),
  takes('a directory over a link that leads out', (outside) =>
    tarOf(symlink('out', `/${outside}`), directory('out/'), { path: 'out/new' }),
  ),
  refuses('a hard link to a file of the host', (outside) => tarOf(link('x', `/${outside}/sentinel`)), /./),
  refuses(
    'a hard link that climbs',
    (outside) => tarOf(link('x', `${up}${outside}/sentinel`)),
    /\.\. component/,
  ),
  refuses(
    'a hard link through a link that leads out',
    (outside) => tarOf(symlink('out', `/${outside}`), link('x', 'out/sentinel'), { path: 'x', content: 'y' }),
    /./,
  ),
  takes('a hard link to a link that leads out, then content', (outside) =>
    tarOf(symlink('out', `/${outside}/sentinel`), link('x', 'out'), { path: 'x', content: 'overwritten' }),
  ),
  refuses('a hard link to itself', tarOf(link('x', 'x')), /itself/),
  refuses('hard links in a ring', tarOf(link('a', 'b'), link('b', 'a')), /./),
  refuses('a hard link to the root', tarOf(link('x', '/')), /without a target/),
  takes('a chain of hard links', tarOf({ path: 'a', content: 'a' }, link('b', 'a'), link('c', 'b')), {
    sees: { '/c': file },
  }),
];

const kinds: readonly Hostile[] = [
  refuses('a root that is a link', tarOf(symlink('./', '/etc')), /root cannot be a symlink/),
  refuses('a root that is a file', tarOf({ path: '.' }), /root cannot be a file/),
  refuses('a device 0:0, as drivers mark deletions', tarOf({ path: 'x', type: 'char' }), /forge a whiteout/),
  takes('device nodes of disks', tarOf({ path: 'sda', type: 'block', major: 8, mode: 0o666 }), {
    lacks: ['/sda'],
  }),
  takes('memory of the host', tarOf({ path: 'mem', type: 'char', major: 1, minor: 1, mode: 0o666 }), {
    lacks: ['/mem'],
  }),
  takes('a program with setuid', tarOf({ path: 'su', content: 'x', mode: 0o6755 }), {
    sees: { '/su': 'regular file 6755 0' },
  }),
  refuses('an owner that nobody mapped', tarOf({ path: 'x', uid: 2_000_000_000 }), /subordinate ids/),
  takes('a file over a directory', tarOf(directory('d/'), { path: 'd/a' }, { path: 'd', content: 'x' }), {
    sees: { '/d': file },
    lacks: ['/d/a'],
  }),
  takes('a directory over a file', tarOf({ path: 'd', content: 'x' }, directory('d/'), { path: 'd/a' }), {
    sees: { '/d/a': empty },
  }),
  takes(
    'the same name again and again',
    tarOf(...Array.from({ length: 50 }, () => ({ path: 'x', content: 'x' }))),
    {
      sees: { '/x': file },
    },
  ),
  refuses('a file below a file', tarOf({ path: 'f', content: 'x' }, { path: 'f/g' }), /./),
  takes('a pipe', tarOf({ path: 'p', type: 'fifo', mode: 0o600 }), { sees: { '/p': 'fifo 600 0' } }),
];

const whiteouts: readonly Hostile[] = [
  refuses('a whiteout of nothing', tarOf({ path: '.wh.' }), /whiteout for ""/),
  refuses('a whiteout of the directory itself', tarOf({ path: 'etc/.wh..' }), /whiteout for "\."/),
  refuses('a whiteout of the parent', tarOf({ path: 'etc/.wh...' }), /whiteout for "\.\."/),
  takes('a whiteout with a climbing name in it', tarOf({ path: '.wh.x' }, { path: 'etc/.wh.group' }), {
    lacks: ['/etc/group'],
  }),
  takes('a whiteout through a link that leads out', (outside) =>
    tarOf(symlink('out', `/${outside}`), { path: 'out/.wh.sentinel' }),
  ),
  takes('an opaque mark through a link that leads out', (outside) =>
    tarOf(symlink('out', `/${outside}`), { path: 'out/.wh..wh..opq' }),
  ),
  takes(
    'an opaque mark behind what it must spare',
    tarOf({ path: 'etc/own' }, { path: 'etc/.wh..wh..opq' }),
    {
      sees: { '/etc/own': empty },
      lacks: ['/etc/group'],
    },
  ),
  refuses('a directory named like a whiteout', tarOf({ path: '.wh.d/x' }), /named like a whiteout/),
  refuses('a hard link to a whiteout', tarOf({ path: '.wh.x' }, link('y', '.wh.x')), /to a whiteout/),
  takes('bookkeeping of another driver', tarOf({ path: '.wh..wh.plnk/1.2', content: 'x' }), {
    lacks: ['/.wh..wh.plnk'],
  }),
  takes(
    'marks of drivers as attributes',
    tarOf(
      directory('etc/', { xattrs: { 'user.overlay.opaque': 'y', 'trusted.overlay.opaque': 'y' } }),
      {
        path: 'r',
        xattrs: { 'user.overlay.redirect': '/root', 'user.overlay.metacopy': '', 'user.fine': '1' },
      },
      {
        path: 'o',
        xattrs: { 'user.containers.override_stat': '0:0:0104755', 'user.fuseoverlayfs.opaque': 'y' },
      },
    ),
    { sees: { '/etc/group': file, '/r': empty, '/o': empty } },
  ),
  takes(
    'attributes of the host',
    tarOf({
      path: 'x',
      xattrs: { 'security.selinux': 'system_u', 'security.ima': 'x', 'system.posix_acl_access': 'x' },
    }),
    { sees: { '/x': empty } },
  ),
];

const codec: readonly Hostile[] = [
  refuses(
    'a PAX size that is too large',
    Buffer.concat([pax('size=999999999999'), entryBytes({ path: 'x' }), end]),
    /./,
  ),
  refuses(
    'a PAX size that is negative',
    Buffer.concat([pax('size=-1'), entryBytes({ path: 'x' }), end]),
    /size/,
  ),
  refuses(
    'a PAX size that is no number',
    Buffer.concat([pax('size=1e9'), entryBytes({ path: 'x' }), end]),
    /size/,
  ),
  refuses(
    'a PAX path that climbs over an honest name',
    Buffer.concat([pax(`path=${up}new`), entryBytes({ path: 'x' }), end]),
    /\.\. component/,
  ),
  refuses(
    'a PAX link target that climbs over an honest one',
    Buffer.concat([pax(`linkpath=${up}etc/passwd`), entryBytes(link('x', 'etc/group')), end]),
    /\.\. component/,
  ),
  refuses(
    'a PAX record that lies about its length',
    Buffer.concat([extendedBytes('x', '99 path=a\n'), end]),
    /malformed/,
  ),
  takes(
    'a global header with a path that climbs',
    Buffer.concat([extendedBytes('g', record(`path=${up}new`)), entryBytes({ path: 'x' }), end]),
    { sees: { '/x': empty } },
  ),
  refuses(
    'a size in base 256 past all bounds',
    Buffer.concat([rawBlock({ size: Buffer.from('80ffffffffffffffffffffff', 'hex') }), end]),
    /./,
  ),
  refuses(
    'a negative size in base 256',
    Buffer.concat([rawBlock({ size: Buffer.from('ffffffffffffffffffffffff', 'hex') }), end]),
    /./,
  ),
  refuses('a size that is no octal number', Buffer.concat([rawBlock({ size: '00000009999' }), end]), /./),
  refuses('a sum that is wrong', Buffer.concat([rawBlock({ sum: '000000\0 ' }), end]), /./),
  refuses('a header of noise', Buffer.concat([Buffer.alloc(512, 0x41), end]), /./),
  refuses(
    'an archive that ends within a file',
    entryBytes({ path: 'x', content: 'x'.repeat(5000) }).subarray(0, 1024),
    /ends inside/,
  ),
  refuses('an archive that ends within a header', entryBytes({ path: 'x' }).subarray(0, 300), /./),
  refuses(
    'an entry behind the end',
    Buffer.concat([entryBytes({ path: 'x' }), Buffer.alloc(512), entryBytes({ path: 'y' }), end]),
    /follows an end block/,
  ),
  refuses('a name of 5000 bytes', tarOf({ path: 'x/'.repeat(2500) }), /./),
  refuses('a component of 300 bytes', tarOf({ path: `a/${'x'.repeat(300)}` }), /longer than 255/),
  refuses('a name 300 directories deep', tarOf({ path: 'a/'.repeat(300) }), /more than 256 directories/),
  refuses('a link target of 5000 bytes', tarOf(symlink('x', 'y'.repeat(5000))), /./),
  refuses(
    'a long name that is very long',
    Buffer.concat([rawBlock({ flag: 'L', size: '77777777777' }), end]),
    /too large/,
  ),
  takes(
    'long names one behind the other',
    Buffer.concat([
      extendedBytes('L', 'first\0'),
      extendedBytes('L', 'second\0'),
      rawBlock({ name: 'third' }),
      end,
    ]),
    { sees: { '/second': empty }, lacks: ['/first', '/third'] },
  ),
  takes('a long name without an entry', Buffer.concat([extendedBytes('L', 'x\0'), end])),
  refuses(
    'a PAX path with a zero byte',
    Buffer.concat([pax('path=a\0b'), entryBytes({ path: 'x' }), end]),
    /./,
  ),
  refuses(
    'an attribute of 70,000 bytes',
    tarOf({ path: 'a', xattrs: { 'user.a': 'x'.repeat(70_000) } }),
    /larger than 65536/,
  ),
  refuses(
    'a sparse file of a petabyte',
    Buffer.concat([
      pax('GNU.sparse.map=0,1', 'GNU.sparse.size=1125899906842624'),
      entryBytes({ path: 'x', content: 'x' }),
      end,
    ]),
    /exceed/,
  ),
  refuses(
    'a sparse map that overlaps',
    Buffer.concat([
      pax('GNU.sparse.map=2,3,1,1', 'GNU.sparse.size=10'),
      entryBytes({ path: 'x', content: 'abcd' }),
      end,
    ]),
    /do not fit/,
  ),
  refuses('an entry of an unknown kind with content', Buffer.concat([rawBlock({ flag: 'Z' }), end]), /./),
];

/** Every layer of the corpus. */
export const corpus: readonly Hostile[] = [...escapes, ...kinds, ...whiteouts, ...codec];
