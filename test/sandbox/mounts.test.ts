import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import type { Mount, MountRequest } from '../../lib/sandbox/mount.js';
import { parseMountFlag, parseTmpfsFlag, parseVolumeFlag } from '../../lib/sandbox/mount-flags.js';
import { combineMounts, defaultMounts, requestedMount, sortMounts } from '../../lib/sandbox/mounts.js';
import { parseRlimit } from '../../lib/sandbox/rlimit.js';
import { parseSignal, signalName } from '../../lib/sandbox/signals.js';
import { parseSize } from '../../lib/sandbox/sizes.js';
import { parseUser } from '../../lib/sandbox/user.js';

const cwd = '/home/u/work';
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
  source: '/home/u/work/a',
  destination: '/b',
});
test('-v with ro and noexec', reads, parseVolumeFlag, '/a:/b:ro,noexec,Z', {
  ...bind,
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
  { ...bind, source: '/home/u/work/rel', destination: '/b', readonly: true },
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
test('an unknown option is refused', refuses, parseVolumeFlag, '/a:/b:shared', 'UNSUPPORTED', /"shared"/);
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
  'type=image,source=x,target=/x',
  'UNSUPPORTED',
  /type image/,
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

test('volumes are filled from the image only while they are empty and writable', (t) => {
  const request = { ...volume, name: 'v', destination: '/v' };
  const facts = { volumePath: '/s/v/_data', volumeEmpty: true };
  t.true(requestedMount(request, facts).options.includes('copyup'));
  t.false(requestedMount(request, { ...facts, volumeEmpty: false }).options.includes('copyup'));
  t.false(requestedMount({ ...request, readonly: true }, facts).options.includes('copyup'));
  t.deepEqual(
    requestedMount({ ...bind, source: '/f', destination: '/f', readonly: true }, { sourceIsDirectory: false })
      .options,
    ['ro', 'rec', 'nosuid', 'nodev', 'create=file'],
  );
});
