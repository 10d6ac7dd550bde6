import test from 'ava';
import { readVolumeFilters, volumePruneFilters } from '../../cmd/volume-filters.js';
import { CoracleError, type VolumeView } from '../../lib/index.js';

function volume(name: string, more: Partial<VolumeView> = {}): VolumeView {
  return {
    version: 1,
    name,
    created: '2026-01-01T00:00:00.000Z',
    anonymous: false,
    directory: `/v/${name}`,
    data: `/v/${name}/_data`,
    backing: { kind: 'directory' },
    mountpoint: `/v/${name}/_data`,
    containers: [],
    mounts: 0,
    ...more,
  };
}

const all: readonly VolumeView[] = [
  volume('data', { labels: { app: 'shop', keep: '' }, options: { uid: '5' } }),
  volume('used', { containers: ['web'], labels: { app: 'mail' }, created: '2026-02-01T00:00:00.000Z' }),
  volume('f00d', { anonymous: true, created: '2026-03-01T00:00:00.000Z' }),
];

const chooses = test.macro((t, texts: readonly string[], expected: readonly string[]) => {
  const fits = readVolumeFilters(texts, all);
  t.deepEqual(
    all.filter(fits).map(({ name }) => name),
    expected,
  );
});

test('without filters all fit', chooses, [], ['data', 'used', 'f00d']);
test('a name is a pattern', chooses, ['name=^[du]'], ['data', 'used']);
test('names are alternatives', chooses, ['name=data', 'name=f00'], ['data', 'f00d']);
test('labels must all be there', chooses, ['label=app=shop', 'label=keep'], ['data']);
test('and may not be there', chooses, ['label!=app=shop', 'label!=keep'], ['used', 'f00d']);
test('different filters must all fit', chooses, ['label=app', 'dangling=false'], ['used']);
test('nothing has it', chooses, ['dangling=1'], ['data', 'f00d']);
test('options', chooses, ['opt=uid=5'], ['data']);
test('without a name of its own', chooses, ['anonymous=true'], ['f00d']);
test('this host is the only driver', chooses, ['driver=local', 'scope=local'], ['data', 'used', 'f00d']);
test('other drivers have none', chooses, ['driver=nfs'], []);
test('until a time', chooses, ['until=2026-02-15'], ['data', 'used']);
test('after a volume', chooses, ['after=data'], ['used', 'f00d']);
test('since a time', chooses, ['since=2026-02-15'], ['f00d']);

const refuses = test.macro((t, text: string, known: Parameters<typeof readVolumeFilters>[2]) => {
  const error = t.throws(() => readVolumeFilters([text], all, known), { instanceOf: CoracleError });
  t.is(error?.code, 'USAGE');
});

test('an unknown filter is refused', refuses, 'colour=red', undefined);
test('one without a value is refused', refuses, 'name', undefined);
test('a pattern that is none is refused', refuses, 'name=[', undefined);
test('neither true nor false is refused', refuses, 'dangling=maybe', undefined);
test('prune knows fewer', refuses, 'name=data', volumePruneFilters);
