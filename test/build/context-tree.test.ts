import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ContextTree } from '../../lib/build/context-tree.js';
import { IgnoreMatcher } from '../../lib/build/ignore.js';
import { StatCache } from '../../lib/build/stat-cache.js';
import { CoracleError } from '../../lib/errors.js';

function directory(
  t: ExecutionContext,
  files: Record<string, string>,
  links: Record<string, string> = {},
): string {
  const root = mkdtempSync(join(tmpdir(), 'coracle-context-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path));
  return root;
}

function tree(root: string, ...patterns: string[]): ContextTree {
  return new ContextTree(root, new IgnoreMatcher(patterns));
}

function names(context: ContextTree, pattern: string): readonly string[] {
  return context.expand(pattern).flatMap((match) => context.entries(match).map((entry) => entry.path));
}

test('a directory is walked in order, each before its children', (t) => {
  const context = tree(directory(t, { 'b/2': '', 'b/1': '', a: '' }));
  t.deepEqual(names(context, '.'), ['.', 'a', 'b', 'b/1', 'b/2']);
});

test('patterns match one component at a time', (t) => {
  const context = tree(directory(t, { 'src/a.c': '', 'src/b.h': '', 'lib/a.c': '', 'a.c': '' }));
  t.deepEqual(
    context.expand('*/a.c').map((match) => match.path),
    ['lib/a.c', 'src/a.c'],
  );
});

test('what the ignore file leaves out is left out, and taken back in below', (t) => {
  const context = tree(
    directory(t, { 'doc/a': '', 'doc/keep': '', 'x.log': '', y: '' }),
    'doc',
    '!doc/keep',
    '*.log',
  );
  t.deepEqual(names(context, '.'), ['.', 'doc', 'doc/keep', 'y']);
});

test('an ignored directory with nothing taken back in is not there', (t) => {
  const context = tree(directory(t, { 'doc/a': '', y: '' }), 'doc', '!doc/keep');
  t.deepEqual(names(context, '.'), ['.', 'y']);
});

test('an ignored source is said to be ignored', (t) => {
  const context = tree(directory(t, { secret: '' }), 'secret');
  const error = t.throws(() => context.expand('secret'), { instanceOf: CoracleError });
  t.regex(error?.message ?? '', /leaves it out/);
});

test('a path out of the context is refused', (t) => {
  const context = tree(directory(t, { a: '' }));
  for (const path of ['../x', 'a/../../x', '/../x', '..']) {
    t.throws(() => context.expand(path), { instanceOf: CoracleError, message: /leads out/ }, path);
  }
});

test('links are followed inside the context only', (t) => {
  const root = directory(
    t,
    { 'real/file': 'x', 'etc/passwd': 'ours' },
    { alias: 'real', out: '/etc/passwd', up: '../../../etc/passwd' },
  );
  const context = tree(root);
  t.deepEqual(context.expand('alias/file')[0]?.path, 'real/file');
  t.deepEqual(context.expand('out')[0]?.path, 'etc/passwd');
  t.deepEqual(context.expand('up')[0]?.path, 'etc/passwd');
});

test('links below a source are kept as links', (t) => {
  const root = directory(t, { 'd/a': '' }, { 'd/l': '/etc/passwd' });
  const context = tree(root);
  const entries = context.expand('d').flatMap((match) => context.entries(match));
  t.is(entries.find((entry) => entry.path === 'd/l')?.target, '/etc/passwd');
});

test('a link loop ends', (t) => {
  const context = tree(directory(t, {}, { a: 'b', b: 'a' }));
  t.throws(() => context.expand('a'), { instanceOf: CoracleError, message: /too many symbolic links/ });
});

test('a pattern may match nothing', (t) => {
  t.deepEqual(tree(directory(t, { a: '' })).expand('b*'), []);
});

test('nothing found names the context', (t) => {
  const root = directory(t, { a: '' });
  const error = t.throws(() => tree(root).expand('b'), { instanceOf: CoracleError });
  t.is(error?.code, 'NOT_FOUND');
  t.regex(error?.hint ?? '', new RegExp(root));
});

test('a digest is remembered only for files that have settled', async (t) => {
  const root = directory(t, { young: 'a' });
  const file = join(root, 'cache.json');
  const context = tree(root);
  const [match] = context.expand('young');
  const entryOf = () => (match === undefined ? undefined : context.entries(match)[0]);
  const stat = entryOf()?.stat;
  if (stat === undefined) return t.fail('no entry');
  const first = new StatCache(file, root);
  const digest = first.digest('young', stat);
  first.save();
  await new Promise((resolve) => setTimeout(resolve, 150));
  const later = new StatCache(file, root);
  t.is(later.digest('young', stat), digest);
  later.save();
  writeFileSync(join(root, 'young'), 'b');
  const changed = entryOf()?.stat;
  t.not(changed === undefined ? digest : new StatCache(file, root).digest('young', changed), digest);
});

test('a damaged digest file is an empty one', async (t) => {
  const root = directory(t, { a: '1', 'cache.json': '[["a",1,2' });
  const context = tree(root);
  const stat = context.expand('a').flatMap((match) => context.entries(match))[0]?.stat;
  if (stat === undefined) return t.fail('no entry');
  t.regex(await new StatCache(join(root, 'cache.json'), root).digest('a', stat), /^[0-9a-f]{64}$/);
});
