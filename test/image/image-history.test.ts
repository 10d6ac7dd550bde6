/** Steps and layers joined, also where configs do not tell the truth. */
import test from 'ava';
import { joinHistory, type LayerSize } from '../../lib/image/image-history.js';
import { makeDigest } from '../../lib/oci/digest.js';

const layer = (digit: string, size: number): LayerSize => ({
  digest: makeDigest('sha256', digit.repeat(64)),
  size,
});
const said = (steps: Parameters<typeof joinHistory>[0], layers: readonly LayerSize[]): unknown =>
  joinHistory(steps, layers).map(({ createdBy, size, layer: digest }) => [createdBy, size, digest?.at(-1)]);

test('steps come newest first, each with the layer it left', (t) => {
  const steps = [{ created_by: 'a' }, { created_by: 'b', empty_layer: true }, { created_by: 'c' }];
  t.deepEqual(said(steps, [layer('1', 10), layer('2', 20)]), [
    ['c', 20, '2'],
    ['b', 0, undefined],
    ['a', 10, '1'],
  ]);
});

test('layers that no step tells of have lines of their own', (t) => {
  t.deepEqual(said([{ created_by: 'a' }], [layer('1', 10), layer('2', 20)]), [
    ['', 20, '2'],
    ['a', 10, '1'],
  ]);
  t.deepEqual(said([], [layer('1', 10)]), [['', 10, '1']]);
});

test('steps that claim layers which are not there have none', (t) => {
  t.deepEqual(said([{ created_by: 'a' }, { created_by: 'b' }], [layer('1', 10)]), [
    ['b', 0, undefined],
    ['a', 10, '1'],
  ]);
});
