/** Stores blobs as fast as it can until it is killed. Argument: the store's root. */
import { ContentStore } from '../../lib/content/content-store.js';
import { storePaths } from '../../lib/host/paths.js';
import { StagingArea } from '../../lib/host/staging.js';
import { fileLocks } from '../../lib/native/lock.js';

const paths = storePaths(process.argv[2] ?? '');
const content = new ContentStore(paths, new StagingArea(paths, fileLocks), fileLocks);
for (let count = 0; ; count++) {
  await content.put(Buffer.alloc(20_000 + count, `${process.pid} ${count}`));
  if (count === 0) process.stdout.write('ready');
}
