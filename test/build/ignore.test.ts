import test from 'ava';
import fc from 'fast-check';
import { cleanPath, IgnoreMatcher, type IgnoreState, parseIgnoreFile } from '../../lib/build/ignore.js';
import { CoracleError } from '../../lib/errors.js';

function ignores(path: string, ...patterns: string[]): boolean {
  return new IgnoreMatcher(patterns).ignores(path);
}

test('an ignore file is read as docker reads it', (t) => {
  const text =
    '\ufeff# comment\n\n  # no comment\r\n/abs/path\n!/abs/keep\n ! spaced/ \na//b/./c/../d/\n.\n!\n../out\n**/\n/\n';
  t.deepEqual(parseIgnoreFile(text), [
    '# no comment',
    'abs/path',
    '!abs/keep',
    '!spaced',
    'a/b/d',
    '.',
    '!',
    '../out',
    '**',
    '/',
  ]);
  t.deepEqual(parseIgnoreFile(''), []);
});

test('paths are cleaned as in Go', (t) => {
  const cases = {
    '': '.',
    '/': '/',
    '//a/': '/a',
    'a/..': '.',
    '../a': '../a',
    '/../a': '/a',
    'a/./b//c': 'a/b/c',
  };
  for (const [path, clean] of Object.entries(cases)) t.is(cleanPath(path), clean, path);
});

/** pattern, path, whether the path is left out (by itself or by a parent). */
const single: readonly (readonly [string, string, boolean])[] = [
  ['**', 'file', true],
  ['**/', 'file', true],
  ['**', 'dir/file', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/dir2/file', true],
  ['dir/**', 'dir', false],
  ['dir**', 'directory/x', true],
  ['**/dir', 'dir', true],
  ['**/dir', 'dir/file', true],
  ['**/dir', 'xdir', false],
  ['**dir', 'xdir', true],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**file', 'dir/dir/file', true],
  ['**/file', 'dir/dir/file', true],
  ['**/file*txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'dir/dir/file.txt', true],
  ['**/**/a', 'a', true],
  ['**/**/a', 'x/y/a', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['**/*.txt', 'file.txt', true],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt**', 'a/file.txt', true],
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['abc.def', 'abcZdef', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abc/def', false],
  ['**/foo/bar', 'dir/dir2/foo/bar', true],
  ['**/.foo', 'bar.foo', false],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['dist/*.whl', 'dist/a-2.4.0rc3+g08-py3.whl', true],
  ['a\\\\', 'a\\', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['*', 'a/b/c', true],
  ['*/b', 'a/b/c', true],
  ['b', 'a/b', false],
  ['/b', 'b', false],
  ['[\\]a]', ']', true],
  ['[a-ζ]*', 'α', true],
  ['a/b/', 'a/b/c', true],
  ['a*b*c*d*e', 'axbxcxdxe', true],
  ['**/a*/**/b*/**/c*', 'x/a1/y/b1/z/c1', true],
  ['**/a*/**/b*/**/c*', 'x/a1/y/z/c1', false],
];

test('one pattern decides as in moby/patternmatcher', (t) => {
  for (const [pattern, path, expected] of single)
    t.is(ignores(path, pattern), expected, `${pattern} ${path}`);
});

test('the last matching pattern wins, and parents count', (t) => {
  t.true(ignores('a.go', '!a.go', '*.go'));
  t.false(ignores('a.go', '*.go', '!a.go'));
  t.false(ignores('docs/README.md', 'docs', '!docs/README.md'));
  t.false(ignores('docs/README.md', 'docs/', '!docs/README.md'));
  t.false(ignores('docs/README.md', 'docs/*', '!docs/README.md'));
  t.true(ignores('docs/other.md', 'docs', '!docs/README.md'));
  t.false(ignores('util/docker/web/foo', '**', '!util/docker/web'));
  t.true(ignores('util/docker/web/foo', '**', '!util/docker/web', 'util/docker/web/foo'));
  t.false(ignores('a/b/c', 'a', '!a/b'));
  t.true(ignores('a/b/c', 'a', '!a/b', 'a/b/c'));
  t.true(ignores('a/b/c', '!a/b', 'a'));
  t.false(ignores('README.md', '*.md', '!README*.md'));
  t.true(ignores('README-secret.md', '*.md', '!README*.md', 'README-secret.md'));
  t.false(ignores('.', '*'));
});

test('malformed patterns name the file and the pattern', (t) => {
  for (const pattern of ['!', '[', 'a[]', '!x[', '\\', '[z-a]', '\\q']) {
    const error = t.throws(
      () => new IgnoreMatcher([pattern], 'web.dockerignore'),
      { instanceOf: CoracleError },
      pattern,
    );
    t.is(error.code, 'INVALID');
    t.regex(error.message, /^read web\.dockerignore: /);
  }
});

test('a directory is entered only where something below can come back', (t) => {
  const below = (directory: string, ...patterns: string[]): boolean => {
    const matcher = new IgnoreMatcher(patterns);
    let state = matcher.root();
    for (const name of directory.split('/')) state = matcher.enter(state, name);
    t.true(state.ignored, directory);
    return matcher.couldReincludeBelow(state);
  };
  t.false(below('node_modules', 'node_modules'));
  t.false(below('node_modules', 'node_modules', '!src/keep'));
  t.false(below('node_modules', 'node_modules', '!node_modules_not'));
  t.true(below('node_modules', 'node_modules', '!node_modules/keep'));
  t.false(below('node_modules/other', 'node_modules', '!node_modules/keep/x'));
  t.true(below('node_modules/keep', 'node_modules', '!node_modules/keep/x'));
  t.true(below('a', '*', '!**/*.md'));
  t.true(below('a', '*', '!*/x'));
  t.false(below('a/b', '*', '!*/x'));
  t.true(below('docs', '*', '!docs?/x', '!doc*/y'));
  t.false(below('docs', '*', '!docs?/x'));
});

test('below a directory that cannot re-include anything, everything is ignored', (t) => {
  const name = fc.constantFrom('a', 'b', 'ab', 'a.b', 'c');
  const piece = fc.constantFrom('a', 'b', '*', '**', 'a*', '?b', '[ab]', 'c', '*.b');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(piece, { minLength: 1, maxLength: 4 }))
    .map(([exclusion, pieces]) => (exclusion ? '!' : '') + pieces.join('/'));
  fc.assert(
    fc.property(
      fc.array(pattern, { maxLength: 5 }),
      fc.array(name, { minLength: 2, maxLength: 6 }),
      (patterns, path) => {
        const matcher = new IgnoreMatcher(patterns);
        const states: IgnoreState[] = [];
        let state = matcher.root();
        for (const element of path) {
          state = matcher.enter(state, element);
          states.push(state);
        }
        const pruned = states
          .slice(0, -1)
          .some((parent) => parent.ignored && !matcher.couldReincludeBelow(parent));
        if (pruned) t.true(state.ignored, `${patterns.join(' ')} ${path.join('/')}`);
      },
    ),
    { numRuns: 5_000 },
  );
  t.pass();
});

/** moby's MatchesUsingParentResults for each element of the path, with one plain regular expression per pattern. */
function reference(patterns: readonly string[], path: string): boolean {
  const parts = path.split('/');
  let above: boolean[] = [];
  let ignored = false;
  for (const index of parts.keys()) {
    const current = parts.slice(0, index + 1).join('/');
    const matched: boolean[] = [];
    ignored = false;
    for (const [number, pattern] of patterns.entries()) {
      const exclusion = pattern.startsWith('!');
      let isMatch = above[number] ?? false;
      if (!isMatch && exclusion === ignored) isMatch = plainExpression(pattern).test(current);
      if (isMatch) ignored = !exclusion;
      matched.push(isMatch);
    }
    above = matched;
  }
  return ignored;
}

function plainExpression(pattern: string): RegExp {
  const source = pattern
    .replace(/^!/, '')
    .replace(/\*\*\/?$/, '<rest>')
    .replace(/\*\*\/?/g, '<path>')
    .replaceAll('.', '\\.')
    .replaceAll('?', '[^/]')
    .replaceAll('*', '[^/]*')
    .replaceAll('<rest>', '.*')
    .replaceAll('<path>', '(.*/)?');
  return new RegExp(`^${source}$`);
}

test('walking down gives what moby gives', (t) => {
  const piece = fc.constantFrom('a', 'b', '*', '**', 'a*', '?b', '[ab]', 'c', '*.b', 'a*b*c*');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(piece, { minLength: 1, maxLength: 5 }))
    .map(([exclusion, pieces]) => (exclusion ? '!' : '') + pieces.join('/'));
  const path = fc.array(fc.constantFrom('a', 'b', 'ab', 'a.b', 'c', 'abc'), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), path, (patterns, parts) => {
      const joined = parts.join('/');
      const message = `${patterns.join(' ')} ${joined}`;
      t.is(new IgnoreMatcher(patterns).ignores(joined), reference(patterns, joined), message);
    }),
    { numRuns: 5_000 },
  );
});

test('a pattern that was not tried on a directory does not count below it', (t) => {
  t.true(ignores('b/x/a', 'b/*/a', '!b/*'));
  t.false(ignores('b/x/a', 'b', '!b/*'));
});

test('fifty thousand paths against thirty patterns take under two seconds', (t) => {
  const patterns = Array.from({ length: 28 }, (_, index) =>
    index % 3 === 0 ? `**/*.x${index}` : `dir${index}/**/tmp*`,
  );
  const matcher = new IgnoreMatcher(['**/node_modules', ...patterns, '!**/keep.x3']);
  const started = Date.now();
  let ignored = 0;
  for (let directory = 0; directory < 500; directory += 1) {
    const parent = matcher.enter(matcher.root(), `dir${directory % 40}`);
    for (let file = 0; file < 100; file += 1)
      if (matcher.enter(parent, `file-${file}.x${file % 30}`).ignored) ignored += 1;
  }
  t.true(ignored > 0);
  t.true(Date.now() - started < 2_000, `${Date.now() - started} ms`);
});
