/** Which images share layers. */
import test from 'ava';
import { type LayeredImage, type LayerNode, layerLine, layersAbove } from '../../lib/image/layer-tree.js';
import { type DiffId, parseDiffId } from '../../lib/oci/chain-id.js';

const ids = (digits: string): DiffId[] =>
  [...digits].map((digit) => parseDiffId(`sha256:${digit.repeat(64)}`, 'test'));
const image = (digits: string, ...names: string[]): LayeredImage => ({
  names,
  diffIds: ids(digits),
  sizes: [...digits].map((digit) => Number.parseInt(digit, 16)),
});
const images = [
  image('1', 'base', 'base:2'),
  image('12', 'app'),
  image('123', 'web'),
  image('14', 'job'),
  image('21', 'x'),
];

const shown = ({ diffId, size, topOf, children }: LayerNode): unknown => [
  diffId.at(-1),
  size,
  topOf.join(),
  children.map(shown),
];

test('the layers of an image name the images that end with them', (t) => {
  t.deepEqual(layerLine(image('123'), images).map(shown), [
    ['1', 1, 'base,base:2', []],
    ['2', 2, 'app', []],
    ['3', 3, 'web', []],
  ]);
});

test('above a layer lie those of the images that begin with the same ones', (t) => {
  t.deepEqual(layersAbove(ids('1'), images).map(shown), [
    ['2', 2, 'app', [['3', 3, 'web', []]]],
    ['4', 4, 'job', []],
  ]);
  t.deepEqual(layersAbove(ids('123'), images), []);
});
