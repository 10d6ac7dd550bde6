import test from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { parseVolumeOptions, type VolumeBacking } from '../../lib/volume/volume-options.js';

const reads = test.macro((t, options: Readonly<Record<string, string>>, expected: VolumeBacking) => {
  t.deepEqual(parseVolumeOptions(options), expected);
});

test('without options it is a directory', reads, {}, { kind: 'directory' });
test(
  'with an owner, in both spellings',
  reads,
  { uid: '5', o: 'gid=6,mode=0750,nocopy' },
  {
    kind: 'directory',
    uid: 5,
    gid: 6,
    mode: 0o750,
    nocopy: true,
  },
);
test(
  'with a size',
  reads,
  { size: '10m', o: 'inodes=100' },
  {
    kind: 'directory',
    size: 10 * 1024 * 1024,
    inodes: 100,
  },
);
test(
  'a device is bound, as docker writes it',
  reads,
  { type: 'none', o: 'bind,ro', device: '/srv/../x' },
  {
    kind: 'bind',
    device: '/x',
    recursive: false,
    readonly: true,
  },
);
test(
  'and with what is mounted below it',
  reads,
  { o: 'rbind,noexec', device: '/x' },
  {
    kind: 'bind',
    device: '/x',
    recursive: true,
    noexec: true,
  },
);
test(
  'memory',
  reads,
  { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,nr_inodes=5,uid=1,mode=700,nodev,noexec' },
  {
    kind: 'tmpfs',
    size: 1024 * 1024,
    inodes: 5,
    uid: 1,
    mode: 0o700,
    noexec: true,
  },
);

const refuses = test.macro(
  (t, options: Readonly<Record<string, string>>, code: ErrorCode, message: RegExp) => {
    const error = t.throws(() => parseVolumeOptions(options), { instanceOf: CoracleError });
    t.is(error?.code, code);
    t.regex(error?.message ?? '', message);
  },
);

test('a type of the administrator is refused', refuses, { type: 'nfs', device: ':/x' }, 'UNSUPPORTED', /nfs/);
test('a relative device is refused', refuses, { o: 'bind', device: 'x' }, 'USAGE', /"x" is no absolute/);
test('a bind without a device is refused', refuses, { o: 'bind' }, 'USAGE', /no absolute/);
test('an unknown key is refused', refuses, { speed: 'high' }, 'UNSUPPORTED', /"speed"/);
test('an unknown word of o is refused', refuses, { o: 'uid=1,speed' }, 'UNSUPPORTED', /"speed"/);
test('an owner that is no number is refused', refuses, { o: 'uid=root' }, 'USAGE', /uid=root/);
test('a mode that is not octal is refused', refuses, { o: 'mode=9' }, 'USAGE', /mode=9/);
