/** Which images `images --filter` shows, and in which order. */
import test from 'ava';
import { imageFilter, sortImages } from '../../cmd/image-filters.js';
import { imageRows } from '../../cmd/image-rows.js';
import { CoracleError } from '../../lib/errors.js';
import type { ImageSummary } from '../../lib/image/image-summary.js';
import { makeDigest } from '../../lib/oci/digest.js';

const image = (
  digit: string,
  created: string,
  names: readonly string[],
  more: Partial<ImageSummary> = {},
): ImageSummary => ({
  id: digit.repeat(64),
  digest: makeDigest('sha256', digit.repeat(64)),
  references: names,
  digests: names.map(() => makeDigest('sha256', digit.repeat(64))),
  lists: [],
  names,
  created,
  size: 100,
  labels: {},
  ...more,
});

const all: readonly ImageSummary[] = [
  image('c', '2024-03-01T00:00:00Z', ['localhost/app:2', 'registry.test/team/app:2'], {
    size: 300,
    lists: [makeDigest('sha256', 'c'.repeat(64))],
  }),
  image('b', '2024-02-01T00:00:00.5+01:00', ['debian:13'], {
    size: 500,
    labels: { stage: 'base', keep: '' },
  }),
  image('a', '2024-01-01T00:00:00Z', [], { labels: { stage: 'base' } }),
];
const containers = new Map([['b'.repeat(64), 2]]);
const rows = all.flatMap((one) => imageRows(one, { whole: false, containers }));

const shows = test.macro((t, filters: readonly string[], expected: readonly string[]) => {
  const fits = imageFilter(filters, { all, containers });
  t.deepEqual(
    rows.filter(fits).map(({ name, image: { id } }) => name ?? id.slice(0, 2)),
    expected,
  );
});

const [app, team, debian, nameless] = ['localhost/app:2', 'registry.test/team/app:2', 'debian:13', 'aa'];
test('no filter: everything', shows, [], [app, team, debian, nameless]);
test('a reference fits with and without tag', shows, ['reference=app'], [app, team]);
test('a pattern does not cross slashes', shows, ['reference=registry.test/*:2'], []);
test('a pattern of the last part', shows, ['reference=a*'], [app, team]);
test('patterns are alternatives', shows, ['reference=localhost/*', 'reference=deb?an'], [app, debian]);
test('what a pattern excludes', shows, ['reference!=app'], [debian, nameless]);
test('labels must all fit', shows, ['label=stage=base', 'label=keep'], [debian]);
test('labels that must not be', shows, ['label!=keep'], [app, team, nameless]);
test('images without a name', shows, ['dangling=true'], [nameless]);
test('images with one', shows, ['dangling=0'], [app, team, debian]);
test('before an image', shows, ['before=app:2'], [debian, nameless]);
test('since an image, by its id', shows, ['since=aaa'], [app, team, debian]);
test('after is since', shows, ['after=debian'], [app, team]);
test('until a time, whatever zones are written', shows, ['until=2024-01-31T23:30:00Z'], [debian, nameless]);
test('an id, with its algorithm or not', shows, ['id=sha256:bb'], [debian]);
test('in use by containers', shows, ['containers=true'], [debian]);
test('no image of the store is read-only', shows, ['readonly=true'], []);
test('lists of images', shows, ['manifest=true'], [app, team]);
test('single images', shows, ['manifest=false'], [debian, nameless]);
test('a digest, or its beginning', shows, ['digest=sha256:bb', 'digest=aaaa'], [debian, nameless]);
test('different filters must all fit', shows, ['label=stage', 'dangling=false'], [debian]);

test('wrong filters are named', (t) => {
  for (const [text, message] of [
    ['dangling=maybe', /dangling=maybe.*true or false/],
    ['colour=red', /colour=red.*no such filter: colour$/],
    ['dangling', /dangling.*FILTER=VALUE/],
    ['before=nothing', /no such image/],
    ['until=soon', /soon/],
  ] as const) {
    t.throws(() => imageFilter([text], { all, containers }), { instanceOf: CoracleError, message }, text);
  }
});

test('orders are those of podman', (t) => {
  const order = (key: string): string[] => sortImages(rows, key).map(({ name }) => name ?? '');
  t.deepEqual(order('size'), ['', app, team, debian]);
  t.deepEqual(order('repository'), ['', debian, app, team]);
  t.deepEqual(order('id'), ['', debian, app, team]);
  t.deepEqual(order('created'), [app, team, debian, '']);
  t.throws(() => order('age'), { message: /age.*created, id/ });
});
