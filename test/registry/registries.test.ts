import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { formatReference, parseReference } from '../../lib/oci/reference.js';
import { isInsecure, pullSources } from '../../lib/registry/pull-sources.js';
import {
  entryFor,
  matchedLength,
  mergeRegistries,
  parseToml,
  readRegistries,
} from '../../lib/registry/registries.js';
import { parseRegistriesFile } from '../../lib/registry/registries-file.js';
import { rememberChoice, resolveShortName } from '../../lib/registry/short-names.js';
import { temporaryDirectory } from '../helpers/host.js';

async function registries(...texts: readonly string[]) {
  const files = await Promise.all(
    texts.map(async (text, at) => parseRegistriesFile(await parseToml(text, `${at}.conf`), `${at}.conf`)),
  );
  return mergeRegistries(files);
}

/** A home whose files do not mix with the host's. */
function home(t: ExecutionContext<unknown>) {
  const HOME = temporaryDirectory(t);
  const own = join(HOME, '.config', 'containers');
  mkdirSync(join(own, 'registries.conf.d'), { recursive: true });
  const put = (name: string, text: string): void => writeFileSync(join(own, name), text);
  return { HOME, own, put };
}

test('prefixes cover whole parts of a name', (t) => {
  const covers = (name: string, prefix: string) => matchedLength(name, prefix);
  t.is(covers('example.com/foo/bar:1', 'example.com'), 11);
  t.is(covers('example.com/foo/bar:1', 'example.com/foo'), 15);
  t.is(covers('example.com/foo/bar:1', 'example.com/fo'), undefined);
  t.is(covers('example.com:5000/foo', 'example.com'), 11);
  t.is(covers('example.com/foo:1', 'example.com/foo:1'), 17);
  t.is(covers('example.community/foo', 'example.com'), undefined);
  t.is(covers('a.example.com/foo', '*.example.com'), 13);
  t.is(covers('a.b.example.com:80/foo', '*.example.com'), 15);
  t.is(covers('example.com/foo', '*.example.com'), undefined);
  t.is(covers('evil.com/x.example.com', '*.example.com'), undefined);
  t.is(covers('a.example.com.evil.com/x', '*.example.com'), undefined);
});

test('the longest prefix wins, and a later file replaces the table of a prefix', async (t) => {
  const found = await registries(
    '[[registry]]\nlocation = "a.io"\n[[registry]]\nprefix = "a.io/team"\nlocation = "b.io/x"\n[[registry]]\nprefix = "*.io"\nblocked = true',
    '[[registry]]\nprefix = "a.io"\nlocation = "c.io"\ninsecure = true',
  );
  t.is(entryFor(found, 'a.io/team/app:1')?.location, 'b.io/x');
  t.is(entryFor(found, 'a.io/other:1')?.location, 'c.io');
  t.is(entryFor(found, 'z.io/other:1')?.blocked, true);
  t.is(entryFor(found, 'a.com/other:1'), undefined);
  t.true(isInsecure(found, 'a.io/x:1'));
  t.false(isInsecure(found, 'b.com/x:1'));
  t.throws(() => isInsecure(found, 'z.io/x:1'), { code: 'FORBIDDEN', message: /blocked in 0\.conf/ });
});

test('an image is read from its mirrors first, as they take tags or digests', async (t) => {
  const found = await registries(`
[[registry]]
prefix = "example.com/team"
location = "real.example.net/all"
[[registry.mirror]]
location = "any.mirror:5000/cache"
insecure = true
[[registry.mirror]]
location = "digest.mirror"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tag.mirror"
pull-from-mirror = "tag-only"
[[registry]]
location = "old.example"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
[[registry]]
prefix = "*.wild.example"
[[registry.mirror]]
location = "wild.mirror/x"
`);
  const places = (name: string) =>
    pullSources(found, parseReference(name)).map(
      ({ reference, insecure }) => `${formatReference(reference)}${insecure ? '!' : ''}`,
    );
  const digest = `sha256:${'a'.repeat(64)}`;
  t.deepEqual(places('example.com/team/app:1'), [
    'any.mirror:5000/cache/app:1!',
    'tag.mirror/app:1',
    'real.example.net/all/app:1',
  ]);
  t.deepEqual(places(`example.com/team/app@${digest}`), [
    `any.mirror:5000/cache/app@${digest}!`,
    `digest.mirror/app@${digest}`,
    `real.example.net/all/app@${digest}`,
  ]);
  t.deepEqual(places('old.example/app:1'), ['old.example/app:1']);
  t.deepEqual(places(`old.example/app@${digest}`), [`m.example/app@${digest}`, `old.example/app@${digest}`]);
  t.deepEqual(places('a.wild.example/app:1'), ['wild.mirror/x/app:1', 'a.wild.example/app:1']);
  t.deepEqual(places('elsewhere.example/app:1'), ['elsewhere.example/app:1']);
});

const refuses = test.macro(async (t: ExecutionContext, text: string, message: RegExp) => {
  const error = await t.throwsAsync(registries(text));
  t.regex(error?.message ?? '', message);
  t.regex(error?.message ?? '', /0\.conf/);
});

test('no TOML', refuses, 'a = [', /line 1/);
test('version 1', refuses, '[registries.search]\nregistries = ["a"]', /version 1/);
test('a search list of other things', refuses, 'unqualified-search-registries = [1]', /expected a string/);
test('a search list with paths', refuses, 'unqualified-search-registries = ["a.io/x"]', /no host/);
test('an unknown mode', refuses, 'short-name-mode = "maybe"', /enforcing, permissive, disabled/);
test('an alias that is short itself', refuses, '[aliases]\nx = "y"', /no REGISTRY\/NAME/);
test('an alias with a tag', refuses, '[aliases]\nx = "a.io/y:1"', /no REGISTRY\/NAME/);
test('a table without a place', refuses, '[[registry]]\nblocked = true', /neither prefix nor location/);
test('a location with a scheme', refuses, '[[registry]]\nlocation = "http://a.io"', /no scheme/);
test(
  'a mirror without a location',
  refuses,
  '[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true',
  /location is not set/,
);
test(
  'an unknown kind of mirror',
  refuses,
  '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "never"',
  /digest-only/,
);
test(
  'two kinds of mirror at once',
  refuses,
  '[[registry]]\nlocation = "a"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "all"',
  /exclude each other/,
);
test(
  'tables that disagree',
  refuses,
  '[[registry]]\nlocation = "a"\n[[registry]]\nprefix = "b"\nlocation = "a"\ninsecure = true',
  /insecure in one table only/,
);

test('short names mean an alias, else what the search list and the mode say', async (t) => {
  const found = await registries(
    'unqualified-search-registries = ["a.io", "docker.io"]\n[aliases]\napp = "quay.io/team/app"\ngone = "x.io/gone"',
    '[aliases]\ngone = ""',
  );
  const asked: string[] = [];
  const second = async (text: string, candidates: readonly string[]): Promise<string | undefined> => {
    asked.push(text);
    return candidates[1] ?? '';
  };
  const candidates = async (
    text: string,
    mode: 'permissive' | 'enforcing' | 'disabled',
    choose?: typeof second,
  ) => (await resolveShortName({ ...found, shortNameMode: mode }, text, choose)).candidates;
  t.deepEqual(await candidates('app:2', 'enforcing', second), ['quay.io/team/app:2']);
  t.deepEqual(await candidates('gone', 'permissive'), ['a.io/gone:latest', 'docker.io/library/gone:latest']);
  t.deepEqual(await candidates('web:1', 'disabled', second), ['a.io/web:1', 'docker.io/library/web:1']);
  t.deepEqual(asked, []);
  t.deepEqual(await candidates('web:1', 'permissive', second), ['docker.io/library/web:1']);
  await t.throwsAsync(candidates('web:1', 'enforcing'), { code: 'USAGE', message: /no terminal/ });
  await t.throwsAsync(resolveShortName({ ...found, search: [] }, 'web', undefined), { code: 'USAGE' });
  t.deepEqual((await resolveShortName(await registries(), 'web', second)).candidates, [
    'docker.io/library/web:latest',
  ]);
});

test("the user's files come before the host's, and the variable before both", async (t) => {
  const { HOME, own, put } = home(t);
  put('registries.conf', 'unqualified-search-registries = ["one.io"]\nshort-name-mode = "enforcing"');
  put('registries.conf.d/20-b.conf', 'unqualified-search-registries = ["two.io"]');
  put('registries.conf.d/10-a.conf', '[aliases]\nfrom-drop-in = "a.io/x"');
  put('registries.conf.d/ignored.txt', 'not TOML');
  const found = await readRegistries({ HOME });
  t.deepEqual(found.search, ['two.io']);
  t.is(found.shortNameMode, 'enforcing');
  t.deepEqual([...found.aliases.keys()], ['from-drop-in']);
  t.deepEqual(found.files, [
    join(own, 'registries.conf'),
    join(own, 'registries.conf.d', '10-a.conf'),
    join(own, 'registries.conf.d', '20-b.conf'),
  ]);
  const other = join(HOME, 'other.conf');
  writeFileSync(other, '[[registry]]\nlocation = "only.io"');
  const chosen = await readRegistries({ HOME, CONTAINERS_REGISTRIES_CONF: other });
  t.true(chosen.files.includes(other));
  t.false(chosen.files.includes(join(own, 'registries.conf')));
  await t.throwsAsync(readRegistries({ HOME, CONTAINERS_REGISTRIES_CONF: `${other}.none` }), { code: 'IO' });
});

test('a choice is remembered beside those of podman, and the next time nobody is asked', async (t) => {
  const { HOME, put } = home(t);
  put('registries.conf', 'unqualified-search-registries = ["a.io", "b.io"]');
  await rememberChoice({ HOME }, 'team/app:1', 'b.io/team/app:1');
  await rememberChoice({ HOME }, 'web', 'a.io/web:latest');
  const found = await readRegistries({ HOME });
  t.deepEqual(Object.fromEntries(found.aliases), { 'team/app': 'b.io/team/app', web: 'a.io/web' });
  t.deepEqual((await resolveShortName(found, 'team/app:2', undefined)).candidates, ['b.io/team/app:2']);
});
