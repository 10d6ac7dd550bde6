/** Trees compared by the attributes of their files. */
import test from 'ava';
import { compareEntries, type TreeEntry } from '../../lib/layer/tree-changes.js';

let inode = 1;
const entry = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path: Buffer.from(path),
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 1,
  mtime: { seconds: 5, nanoseconds: 0 },
  dev: 1,
  ino: inode++,
  major: 0,
  minor: 0,
  target: Buffer.alloc(0),
  xattrs: new Map(),
  ...more,
});
const directory = (path: string, more: Partial<TreeEntry> = {}): TreeEntry =>
  entry(path, { type: 'directory', ...more });
const tree = (...entries: TreeEntry[]): ReadonlyMap<string, TreeEntry> =>
  new Map(entries.map((one) => [one.path.toString('latin1'), one]));
const told = (base: ReadonlyMap<string, TreeEntry>, other: ReadonlyMap<string, TreeEntry>): string[] =>
  compareEntries(base, other).map(({ kind, path }) => `${kind} ${path}`);

test('equal trees differ in nothing, whatever the times of directories', (t) => {
  const later = { mtime: { seconds: 9, nanoseconds: 1 } };
  t.deepEqual(told(tree(directory('a'), entry('a/b')), tree(directory('a', later), entry('a/b'))), []);
});

test('what was added, changed and deleted is told with the directories it is in', (t) => {
  const base = tree(directory('a'), entry('a/gone'), entry('a/kept'), directory('b'), entry('b/x'));
  const other = tree(
    directory('a'),
    entry('a/kept'),
    entry('a/new'),
    directory('b'),
    entry('b/x', { size: 2 }),
  );
  t.deepEqual(told(base, other), [
    'changed /a',
    'deleted /a/gone',
    'added /a/new',
    'changed /b',
    'changed /b/x',
  ]);
});

test('a directory that is gone is told once', (t) => {
  const base = tree(directory('a'), directory('a/b'), entry('a/b/c'), directory('d'), entry('d/e'));
  t.deepEqual(told(base, tree(directory('a'))), ['changed /a', 'deleted /a/b', 'deleted /d']);
});

test('each attribute counts, but for the same file of the disk', (t) => {
  const changes: readonly Partial<TreeEntry>[] = [
    { mode: 0o600 },
    { uid: 1 },
    { gid: 1 },
    { mtime: { seconds: 6, nanoseconds: 0 } },
    { type: 'symlink', target: Buffer.from('x') },
    { xattrs: new Map([['user.a', Buffer.from('b')]]) },
  ];
  for (const change of changes) {
    t.deepEqual(told(tree(entry('f')), tree(entry('f', change))), ['changed /f'], JSON.stringify(change));
    t.deepEqual(told(tree(entry('f', { ino: 7 })), tree(entry('f', { ino: 7, ...change }))), []);
  }
});

test('names that are no text stay apart', (t) => {
  const named = (byte: number): TreeEntry => ({ ...entry(''), path: Buffer.from([byte]) });
  t.is(compareEntries(tree(named(0xff)), tree(named(0xfe))).length, 2);
});
