import { totalmem } from 'node:os';
import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import type { Mount, MountRequest } from '../../lib/sandbox/mount.js';
import { parseMountFlag } from '../../lib/sandbox/mount-flag.js';
import { combineMounts, defaultMounts, sortMounts } from '../../lib/sandbox/mounts.js';
import { requestedMount } from '../../lib/sandbox/requested-mount.js';
import { parseRlimit } from '../../lib/sandbox/rlimit.js';
import { parseSignal, signalName } from '../../lib/sandbox/signals.js';
import { parseSize } from '../../lib/sandbox/sizes.js';
import { parseTmpfsFlag } from '../../lib/sandbox/tmpfs-flag.js';
import { parseUser } from '../../lib/sandbox/user.js';
import { parseVolumeFlag } from '../../lib/sandbox/volume-flag.js';

const cwd = '/home/u/here';
const bind = { type: 'bind', readonly: false, recursive: true, exec: true } as const;
const volume = { type: 'volume', readonly: false, copy: true } as const;
const tmpfs = { type: 'tmpfs', readonly: false, size: undefined, mode: undefined } as const;

const reads = test.macro(
  (t, parse: (text: string, cwd: string) => MountRequest, text: string, expected: MountRequest) => {
    t.deepEqual(parse(text, cwd), expected);
  },
);
test('-v with a host path binds it', reads, parseVolumeFlag, '/a:/b', {
  ...bind,
  source: '/a',
  destination: '/b',
});
test('-v with a relative path takes it from here', reads, parseVolumeFlag, './a:/b/', {
  ...bind,
  source: '/home/u/here/a',
  destination: '/b',
});
test('-v with ro and noexec', reads, parseVolumeFlag, '/a:/b:ro,noexec,Z', {
  ...bind,
  relabel: 'private',
  source: '/a',
  destination: '/b',
  readonly: true,
  exec: false,
});
test('-v with a name uses a volume', reads, parseVolumeFlag, 'data:/var/lib/x:nocopy', {
  ...volume,
  name: 'data',
  destination: '/var/lib/x',
  copy: false,
});
test('-v with a destination alone makes an anonymous volume', reads, parseVolumeFlag, '/data', {
  ...volume,
  name: undefined,
  destination: '/data',
});
test('--mount type=bind', reads, parseMountFlag, 'type=bind,source=/a,target=/b,readonly', {
  ...bind,
  source: '/a',
  destination: '/b',
  readonly: true,
});
test(
  '--mount in podman spelling',
  reads,
  parseMountFlag,
  'type=bind,src=rel,dst=/b,ro=true,bind-propagation=rprivate',
  { ...bind, source: '/home/u/here/rel', destination: '/b', readonly: true },
);
test(
  '--mount without type is a volume',
  reads,
  parseMountFlag,
  'source=data,destination=/b,volume-nocopy=true',
  { ...volume, name: 'data', destination: '/b', copy: false },
);
test('--mount fields may be quoted', reads, parseMountFlag, 'type=bind,"source=/a,b",target=/c', {
  ...bind,
  source: '/a,b',
  destination: '/c',
});
test('--mount type=tmpfs', reads, parseMountFlag, 'type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700', {
  ...tmpfs,
  destination: '/t',
  size: 1048576,
  mode: 0o700,
  exec: true,
  copyUp: false,
});
test('--tmpfs is noexec and filled from the image', reads, parseTmpfsFlag, '/t', {
  ...tmpfs,
  destination: '/t',
  exec: false,
  copyUp: true,
});
test('--tmpfs with options', reads, parseTmpfsFlag, '/t:size=64m,exec,mode=0755,ro', {
  ...tmpfs,
  destination: '/t',
  size: 64 * 1024 * 1024,
  mode: 0o755,
  exec: true,
  copyUp: true,
  readonly: true,
});

const refuses = test.macro(
  (t, parse: (text: string, cwd: string) => unknown, text: string, code: ErrorCode, message: RegExp) => {
    const error = t.throws(() => parse(text, cwd), { instanceOf: CoracleError });
    t.is(error?.code, code);
    t.regex(error?.message ?? '', message);
  },
);
test(
  'a relative destination is refused',
  refuses,
  parseVolumeFlag,
  '/a:b',
  'USAGE',
  /"b" is not an absolute path/,
);
test(
  'the root as destination is refused',
  refuses,
  parseVolumeFlag,
  '/a:/x/..',
  'USAGE',
  /root of the container/,
);
test('an unknown option is refused', refuses, parseVolumeFlag, '/a:/b:fast', 'UNSUPPORTED', /"fast"/);
test(
  'a name with a slash is refused',
  refuses,
  parseVolumeFlag,
  'a/b:/c',
  'USAGE',
  /"a\/b" is no volume name/,
);
test('too many colons are refused', refuses, parseVolumeFlag, 'a:/b:ro:x', 'USAGE', /colons/);
test(
  'an unknown mount type is refused',
  refuses,
  parseMountFlag,
  'type=artifact,source=x,target=/x',
  'UNSUPPORTED',
  /type artifact/,
);
test(
  'an unknown mount field is refused',
  refuses,
  parseMountFlag,
  'type=bind,source=/x,target=/x,idmap=1',
  'UNSUPPORTED',
  /idmap/,
);
test(
  'a bind mount without source is refused',
  refuses,
  parseMountFlag,
  'type=bind,target=/x',
  'USAGE',
  /source=PATH/,
);
test('an unknown limit is refused', refuses, parseRlimit, 'files=1', 'USAGE', /files=1/);
test('a soft limit above the hard one is refused', refuses, parseRlimit, 'nofile=2:1', 'USAGE', /above/);
test('a size that is none is refused', refuses, (text) => parseSize(text, 'shm size'), '64q', 'USAGE', /64q/);
test('an unknown signal is refused', refuses, parseSignal, 'NOPE', 'USAGE', /NOPE/);
for (const text of ['4294967296', '2147483648', '-1', '1:', ':1', 'a:b:c', 'a b']) {
  test(`S10: user "${text}" is refused`, refuses, parseUser, text, 'USAGE', /parse user/);
}

test('users by name and number are taken as they are', (t) => {
  for (const text of ['', 'app', '1000', 'app:users', '0:0', '2147483647']) t.is(parseUser(text), text);
});

test('limits, sizes and signals are read in all spellings', (t) => {
  t.deepEqual(parseRlimit('nofile=1024:4096'), { name: 'nofile', soft: 1024, hard: 4096 });
  t.deepEqual(parseRlimit('core=unlimited'), { name: 'core', soft: -1, hard: -1 });
  t.deepEqual(
    ['512', '64m', '1.5g', '10kb', '2GiB'].map((text) => parseSize(text, 'size')),
    [512, 67108864, 1610612736, 10240, 2147483648],
  );
  t.deepEqual(['TERM', 'sigkill', '15', 'RTMIN+3', 'RTMAX'].map(parseSignal), [15, 9, 15, 37, 64]);
  t.is(signalName(15), 'SIGTERM');
});

const mount = (destination: string): Mount => ({ type: 'tmpfs', source: 'tmpfs', destination, options: [] });

test('mounts are sorted by components, parents first', (t) => {
  const sorted = sortMounts(['/a/b', '/a-b', '/a', '/a/b/c', '/a.d'].map(mount)).map(
    ({ destination }) => destination,
  );
  t.deepEqual(sorted, ['/a', '/a/b', '/a/b/c', '/a-b', '/a.d']);
});

test('a requested mount replaces the default at its destination, two at one are refused', (t) => {
  const combined = combineMounts(defaultMounts(), [mount('/dev/shm')]);
  t.is(combined.filter(({ destination }) => destination === '/dev/shm').length, 1);
  t.deepEqual(combined.find(({ destination }) => destination === '/dev/shm')?.options, []);
  t.throws(() => combineMounts([], [mount('/x'), mount('/x')]), { message: /\/x: two mounts/ });
});

test('volumes are filled from the image where they can be written', (t) => {
  const request = { ...volume, name: 'v', destination: '/v' };
  const facts = { volumePath: '/s/v/_data' };
  t.true(requestedMount(request, facts).options.includes('copyup'));
  t.true(requestedMount(request, { ...facts, volumeOwned: true }).options.includes('keep-owner'));
  t.false(requestedMount({ ...request, readonly: true }, facts).options.includes('copyup'));
  t.false(requestedMount({ ...request, copy: false }, facts).options.includes('copyup'));
  t.deepEqual(
    requestedMount({ ...bind, source: '/f', destination: '/f', readonly: true }, { sourceIsDirectory: false })
      .options,
    ['ro', 'rec', 'nosuid', 'nodev', 'create=file'],
  );
});

test('what every mount has is not said, what is out of the ordinary is', (t) => {
  t.deepEqual(parseVolumeFlag('/a:/b:nosuid,nodev,rprivate,rbind,rw,exec,cached', cwd), {
    ...bind,
    source: '/a',
    destination: '/b',
  });
  t.deepEqual(parseVolumeFlag('/a:/b:suid,dev,U,z,bind,rslave', cwd), {
    ...bind,
    source: '/a',
    destination: '/b',
    recursive: false,
    suid: true,
    dev: true,
    chown: true,
    relabel: 'shared',
    propagation: 'rslave',
  });
  t.deepEqual(parseVolumeFlag('data:/b:nocreate,noexec,U,ro', cwd), {
    ...volume,
    name: 'data',
    destination: '/b',
    readonly: true,
    existing: true,
    noexec: true,
    chown: true,
  });
});
test('-v O lays a directory for writes over the source', reads, parseVolumeFlag, '/a:/b:O', {
  ...bind,
  source: '/a',
  destination: '/b',
  overlay: {},
});
test('or one that is named', reads, parseVolumeFlag, '/a:/b:O,upperdir=/u,workdir=/w', {
  ...bind,
  source: '/a',
  destination: '/b',
  overlay: { upper: '/u', work: '/w' },
});
test(
  '--mount of a part of a volume',
  reads,
  parseMountFlag,
  'type=volume,src=data,dst=/b,volume-subpath=/a//b/,volume-label=x=y,volume-opt=type=tmpfs,volume-opt=o=size=1m,ro,noexec',
  {
    ...volume,
    name: 'data',
    destination: '/b',
    readonly: true,
    noexec: true,
    subpath: 'a/b',
    labels: { x: 'y' },
    options: { type: 'tmpfs', o: 'size=1m' },
  },
);
test(
  '--mount of an image is read-only',
  reads,
  parseMountFlag,
  'type=image,source=debian:13,destination=/d,subpath=usr',
  { type: 'image', image: 'debian:13', destination: '/d', readonly: true, subpath: 'usr' },
);
test('unless it is told otherwise', reads, parseMountFlag, 'type=image,src=x,dst=/d,rw=true', {
  type: 'image',
  image: 'x',
  destination: '/d',
  readonly: false,
});
test('--mount of terminals', reads, parseMountFlag, 'type=devpts,dst=/p,uid=1,gid=2,mode=620,max=9', {
  type: 'devpts',
  destination: '/p',
  uid: 1,
  gid: 2,
  mode: 0o620,
  max: 9,
});
test('--mount of memory that is never swapped', reads, parseMountFlag, 'type=ramfs,dst=/r,mode=700', {
  ...tmpfs,
  destination: '/r',
  mode: 0o700,
  exec: true,
  copyUp: false,
  ram: true,
});
test('--mount of files that fit a pattern', reads, parseMountFlag, 'type=glob,src=./*.conf,dst=/etc/x,ro', {
  type: 'glob',
  pattern: '/home/u/here/*.conf',
  destination: '/etc/x',
  readonly: true,
  exec: true,
  recursive: true,
});
test("docker's bind-recursive", reads, parseMountFlag, 'type=bind,src=/a,dst=/b,ro,bind-recursive=writable', {
  ...bind,
  source: '/a',
  destination: '/b',
  readonly: true,
  shallow: true,
});
test(
  '--tmpfs with an owner',
  reads,
  parseTmpfsFlag,
  '/t:uid=5,gid=6,nr_inodes=1k,noatime,suid,dev,notmpcopyup,U',
  {
    ...tmpfs,
    destination: '/t',
    exec: false,
    copyUp: false,
    uid: 5,
    gid: 6,
    inodes: 1024,
    noatime: true,
    suid: true,
    dev: true,
    chown: true,
  },
);

for (const text of [
  '/a:/b:ro,rw',
  '/a:/b:z,Z',
  '/a:/b:rslave,rshared',
  '/a:/b:suid,nosuid',
  'v:/b:copy,nocopy',
]) {
  test(`${text} contradicts itself`, refuses, parseVolumeFlag, text, 'USAGE', /exclude each other/);
}
test('copying is for volumes', refuses, parseVolumeFlag, '/a:/b:nocopy', 'USAGE', /for volumes/);
test('depth is for paths', refuses, parseVolumeFlag, 'v:/b:rbind', 'USAGE', /paths of this host/);
test('idmap is refused with the reason', refuses, parseVolumeFlag, '/a:/b:idmap', 'UNSUPPORTED', /idmap/);
test('upperdir without O is refused', refuses, parseVolumeFlag, '/a:/b:upperdir=/u', 'USAGE', /for O/);
test(
  'S17: a subpath with .. is refused',
  refuses,
  parseMountFlag,
  'src=v,dst=/b,subpath=a/../../b',
  'USAGE',
  /\.\./,
);
test(
  'a field under two names is refused',
  refuses,
  parseMountFlag,
  'type=bind,src=/a,source=/b,dst=/c',
  'USAGE',
  /say the same/,
);
test(
  'a propagation that is none is refused',
  refuses,
  parseMountFlag,
  'type=bind,src=/a,dst=/c,bind-propagation=x',
  'USAGE',
  /"x"/,
);
test('a share of the memory is refused', refuses, parseTmpfsFlag, '/t:size=150%', 'USAGE', /share/);
test('a tmpfs without nr_blocks', refuses, parseTmpfsFlag, '/t:nr_blocks=5', 'UNSUPPORTED', /nr_blocks/);

test('manners become options, a label does not stand among them', (t) => {
  const request = {
    ...bind,
    source: '/a',
    destination: '/b',
    suid: true,
    chown: true,
    propagation: 'rslave',
    relabel: 'private',
    recursive: false,
  } as const;
  const made = requestedMount(request, { sourceIsDirectory: true, label: 'a:b:s0:c1,c2' });
  t.deepEqual(made.options, ['rw', 'norec', 'nodev', 'create=dir', 'propagation=rslave', 'chown']);
  t.is(made.label, 'a:b:s0:c1,c2');
  t.is(requestedMount(request, { sourceIsDirectory: true }).label, undefined);
});

test('a source that is to stay lies below a directory for writes', (t) => {
  const upper = { directory: '/u', work: '/w' };
  const over = requestedMount({ ...bind, source: '/a', destination: '/b', overlay: {} }, { upper });
  t.deepEqual(over, {
    type: 'overlay',
    source: '',
    destination: '/b',
    layers: ['/a'],
    upper,
    options: ['rw', 'nosuid', 'nodev', 'create=dir', 'durable'],
  });
});

test('a part of a volume is found inside of it, and not filled', (t) => {
  const request = { ...volume, name: 'v', destination: '/v', subpath: 'a/b' };
  const made = requestedMount(request, { volumePath: '/s/v/_data' });
  t.is(made.inside, 'a/b');
  t.deepEqual(made.options, ['rw', 'nosuid', 'nodev']);
});

test('the size of a tmpfs may be a share of the memory', (t) => {
  const request = parseTmpfsFlag('/t:size=50%');
  t.is(request.type === 'tmpfs' ? request.size : undefined, Math.floor(totalmem() / 2));
});
