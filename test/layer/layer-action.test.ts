import test from 'ava';
import fc from 'fast-check';
import { CoracleError } from '../../lib/errors.js';
import { layerAction } from '../../lib/layer/layer-action.js';
import { layerPath, pathMeaning, whiteoutOf } from '../../lib/layer/layer-path.js';
import { headerOf, type Sketch } from './tar-builder.js';

const anyId = (): boolean => true;

function action(sketch: Sketch): Record<string, unknown> {
  const found: Record<string, unknown> = { ...layerAction(headerOf(sketch), anyId) };
  for (const key of ['path', 'existing', 'target']) {
    if (Buffer.isBuffer(found[key])) found[key] = found[key].toString('latin1');
  }
  delete found.meta;
  return found;
}

const becomes = test.macro((t, sketch: Sketch, expected: Record<string, unknown>) =>
  t.deepEqual(action(sketch), expected),
);
const refuses = test.macro((t, sketch: Sketch, message: RegExp) => {
  t.is(t.throws(() => action(sketch), { instanceOf: CoracleError, message })?.code, 'INVALID');
});

const plainFile = { kind: 'file', size: 0, xattrs: [] };
test('a leading slash goes', becomes, { path: '/etc/passwd' }, { ...plainFile, path: 'etc/passwd' });
test('many slashes and dots go', becomes, { path: './/a/./b//' }, { ...plainFile, path: 'a/b' });
test(
  'the root entry is the layer root',
  becomes,
  { path: './', type: 'directory' },
  { kind: 'directory', path: '', xattrs: [] },
);
test(
  'a name that only begins with dots is a name',
  becomes,
  { path: '..a/...' },
  { ...plainFile, path: '..a/...' },
);
test('a whiteout names what is gone', becomes, { path: 'a/.wh.b' }, { kind: 'whiteout', path: 'a/b' });
test(
  'a whiteout may have any type',
  becomes,
  { path: '.wh.b/', type: 'directory' },
  { kind: 'whiteout', path: 'b' },
);
test(
  'an opaque marker names its directory',
  becomes,
  { path: 'a/.wh..wh..opq' },
  { kind: 'opaque', path: 'a' },
);
test(
  'an opaque marker may stand at the root',
  becomes,
  { path: '.wh..wh..opq' },
  { kind: 'opaque', path: '' },
);
test(
  "AUFS's bookkeeping is passed over",
  becomes,
  { path: '.wh..wh.plnk/12.34' },
  { kind: 'skip', path: '.wh..wh.plnk/12.34' },
);
test(
  'a hard link is relative to the root',
  becomes,
  { path: 'b', type: 'link', linkTarget: '/a' },
  { kind: 'link', path: 'b', existing: 'a' },
);
test(
  'a symbolic link may point anywhere',
  becomes,
  { path: 'b', type: 'symlink', linkTarget: '../../etc' },
  { kind: 'symlink', path: 'b', target: '../../etc' },
);

const attributes = {
  'user.mine': 'kept',
  'security.capability': 'kept',
  'user.overlay.opaque': 'y',
  'user.overlay.redirect': '/etc',
  'user.overlay.metacopy': '',
  'user.fuseoverlayfs.opaque': 'y',
  'user.containers.override_stat': '0:0:4755',
  'user.rootlesscontainers': 'x',
  'trusted.overlay.opaque': 'y',
  'security.selinux': 'x',
  'security.ima': 'x',
  'system.posix_acl_access': 'x',
};
test('attributes of drivers and of the host stay behind (S25)', (t) => {
  const found = layerAction(headerOf({ path: 'a', xattrs: attributes }), anyId);
  t.deepEqual(found.kind === 'file' && found.xattrs.map(({ name }) => name), [
    'user.mine',
    'security.capability',
  ]);
});

test('S24: a parent component', refuses, { path: '../etc/passwd' }, /it has a \.\. component/);
test('S24: a parent component inside', refuses, { path: 'a/../../etc/passwd' }, /it has a \.\. component/);
test('S24: a parent component at the end', refuses, { path: 'a/..' }, /it has a \.\. component/);
test('S24: a parent component behind a slash', refuses, { path: '/../a' }, /it has a \.\. component/);
test(
  'S24: a hard link to a parent',
  refuses,
  { path: 'a', type: 'link', linkTarget: '../b' },
  /it has a \.\. component/,
);
test(
  'S24: a hard link to the root',
  refuses,
  { path: 'a', type: 'link', linkTarget: '/' },
  /hard link without a target/,
);
test('a hard link to nothing', refuses, { path: 'a', type: 'link' }, /hard link without a target/);
test('a hard link to itself', refuses, { path: 'a', type: 'link', linkTarget: './a' }, /hard link to itself/);
test(
  'a hard link to a whiteout',
  refuses,
  { path: 'a', type: 'link', linkTarget: 'b/.wh.c' },
  /hard link to a whiteout/,
);
test('a symbolic link to nothing', refuses, { path: 'a', type: 'symlink' }, /without a target/);
test(
  'S24: a root that is a symbolic link',
  refuses,
  { path: './', type: 'symlink', linkTarget: '/etc' },
  /root cannot be a symlink/,
);
test('S24: a root that is a file', refuses, { path: '/' }, /root cannot be a file/);
test(
  'S24: a root that is a device',
  refuses,
  { path: '.', type: 'char', major: 1, minor: 3 },
  /root cannot be a char/,
);
test('S25: a forged whiteout device', refuses, { path: 'a', type: 'char' }, /would forge a whiteout/);
test('a whiteout without a name', refuses, { path: 'a/.wh.' }, /a whiteout for ""/);
test('a whiteout of the directory itself', refuses, { path: 'a/.wh..' }, /a whiteout for "\."/);
test('a whiteout of the parent', refuses, { path: 'a/.wh...' }, /a whiteout for "\.\."/);
test('a directory named like a whiteout', refuses, { path: '.wh.a/b' }, /named like a whiteout/);
test(
  'a component that is too long',
  refuses,
  { path: `${'a/'.repeat(3)}${'x'.repeat(256)}` },
  /longer than 255 bytes/,
);
test('S23: a path that is too deep', refuses, { path: 'a/'.repeat(300) }, /more than 256 directories/);
test(
  'control characters of a refused name are escaped (S40)',
  refuses,
  { path: '../\x1b]0;owned\x07' },
  /\\x1b\]0;owned\\x07/,
);

test('an owner outside the id map is an error, not nobody (S12)', (t) => {
  const mapped = (_kind: 'uid' | 'gid', id: number): boolean => id < 65_536;
  const error = t.throws(() => layerAction(headerOf({ path: 'a', gid: 70_000 }), mapped), {
    instanceOf: CoracleError,
  });
  t.is(error?.code, 'HOST');
  t.is(error?.message, "extract a: gid 70000 is not in this user's subordinate ids");
});

test('S24: a cleaned path never leaves the root, whatever the bytes', (t) => {
  const piece = fc.constantFrom('a', '.', '..', '', '.wh.', '.wh.x', '.wh..wh..opq', '\xff', '...');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const name = Buffer.from(pieces.join('/'), 'latin1');
      try {
        const path = layerPath(name);
        const parts = path.length === 0 ? [] : path.toString('latin1').split('/');
        t.false(parts.some((part) => part === '' || part === '.' || part === '..'));
        t.deepEqual(layerPath(path), path);
      } catch (error) {
        t.true(error instanceof CoracleError);
        t.true(pieces.includes('..'));
      }
    }),
  );
});

test('the whiteout of a path means that path', (t) => {
  for (const path of ['a', 'a/b', 'a/..b']) {
    t.deepEqual(pathMeaning(whiteoutOf(Buffer.from(path))), { kind: 'whiteout', path: Buffer.from(path) });
  }
});
