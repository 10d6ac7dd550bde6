/** What every container start does with the store, timed. Arguments: root, image. */
import { openStores } from '../../lib/image/stores.js';

const [root = '', name = ''] = process.argv.slice(2);
const start = performance.now();
const { images, snapshots } = openStores({ root, env: process.env });
const top = images.topSnapshot(images.resolve(name));
const layers = top === undefined ? [] : snapshots.layerPaths(top);
const milliseconds = performance.now() - start;
const heavy = ['crypto', 'child_process', 'http', 'zlib', 'fs/promises'];
const list: unknown = Reflect.get(process, 'moduleLoadList');
const loaded = (Array.isArray(list) ? list : []).filter((entry) =>
  heavy.some((module) => entry === `NativeModule ${module}`),
);
process.stdout.write(JSON.stringify({ milliseconds, layers, loaded }));
