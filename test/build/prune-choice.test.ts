/** What a prune takes: a decision over plain data. */
import test from 'ava';
import type { CacheUnit } from '../../lib/build/cache-unit.js';
import { choosePruned, type PrunePolicy } from '../../lib/build/prune-choice.js';

const unit = (id: string, fields: Partial<CacheUnit> = {}): CacheUnit => ({
  id,
  kind: 'regular',
  description: '',
  bytes: 100,
  created: 0,
  lastUsed: 0,
  depth: 1,
  reclaimable: true,
  ...fields,
});

/** A chain of three layers used at 10, a mount used at 20, a layer of an image used at 5. */
const units: readonly CacheUnit[] = [
  unit('low', { lastUsed: 10 }),
  unit('middle', { lastUsed: 10, depth: 2 }),
  unit('high', { lastUsed: 10, depth: 3 }),
  unit('mount', { kind: 'exec.cachemount', lastUsed: 20, depth: 0 }),
  unit('image', { lastUsed: 5, reclaimable: false }),
];

const chooses = test.macro((t, policy: PrunePolicy, free: number, expected: readonly string[]) => {
  t.deepEqual(
    choosePruned(units, policy, free).map(({ id }) => id),
    expected,
  );
});

test('without bounds all that nothing else needs goes, what lies on top first', chooses, {}, 0, [
  'high',
  'middle',
  'low',
  'mount',
]);
test('all takes what images keep too', chooses, { all: true }, 0, [
  'image',
  'high',
  'middle',
  'low',
  'mount',
]);
test('an age spares what was used since', chooses, { unusedSince: 20 }, 0, ['high', 'middle', 'low']);
test('a kind spares the others', chooses, { kinds: ['exec.cachemount'] }, 0, ['mount']);
test('ids are given by their beginning', chooses, { ids: ['mi', 'mo'] }, 0, ['middle', 'mount']);
test('a cap on space takes the longest unused until it holds', chooses, { maxUsedSpace: 250 }, 0, [
  'high',
  'middle',
]);
test('a cap that holds takes nothing', chooses, { maxUsedSpace: 400 }, 0, []);
test('reserved space stays whatever the cap', chooses, { maxUsedSpace: 100, reservedSpace: 300 }, 0, [
  'high',
]);
test('reserved space alone is what stays', chooses, { reservedSpace: 200 }, 0, ['high', 'middle']);
test('space to free on the disk that is there takes nothing', chooses, { minFreeSpace: 50 }, 60, []);
test('space to free on the disk takes what is missing', chooses, { minFreeSpace: 150 }, 0, [
  'high',
  'middle',
]);
test('space to free never touches what is reserved', chooses, { minFreeSpace: 900, reservedSpace: 300 }, 0, [
  'high',
]);
