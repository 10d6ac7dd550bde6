/** What every container start does with the store, timed. Arguments: root, image. */

import { ContentStore } from '../../lib/content/content-store.js';
import { storePaths } from '../../lib/host/paths.js';
import { StagingArea } from '../../lib/host/staging.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import { ImageStore } from '../../lib/image/image-store.js';
import { fileLocks } from '../../lib/native/lock.js';
import { syncFileSystem } from '../../lib/native/sync.js';
import { SnapshotStore } from '../../lib/snapshot/snapshot-store.js';

const [root = '', name = ''] = process.argv.slice(2);
const start = performance.now();
const paths = storePaths(root);
openStoreRoot(paths);
const staging = new StagingArea(paths, fileLocks);
const content = new ContentStore(paths, staging, fileLocks);
const snapshots = new SnapshotStore(paths, staging, syncFileSystem);
const images = new ImageStore({ paths, content, snapshots, locks: fileLocks });
const top = images.topSnapshot(images.resolve(name));
const layers = top === undefined ? [] : snapshots.layerPaths(top);
const milliseconds = performance.now() - start;
const heavy = ['crypto', 'child_process', 'http', 'zlib'];
const list: unknown = Reflect.get(process, 'moduleLoadList');
const loaded = (Array.isArray(list) ? list : []).filter((entry) =>
  heavy.some((module) => entry === `NativeModule ${module}`),
);
process.stdout.write(JSON.stringify({ milliseconds, layers, loaded }));
