/** Commits snapshots, each above the one before, until it is killed. Argument: the store's root. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { storePaths } from '../../lib/host/paths.js';
import { randomHex } from '../../lib/host/random.js';
import { StagingArea } from '../../lib/host/staging.js';
import { fileLocks } from '../../lib/native/lock.js';
import { syncFileSystem } from '../../lib/native/sync.js';
import { parseChainId } from '../../lib/oci/chain-id.js';
import type { SnapshotRecord } from '../../lib/snapshot/record.js';
import { SnapshotStore } from '../../lib/snapshot/snapshot-store.js';

const paths = storePaths(process.argv[2] ?? '');
const snapshots = new SnapshotStore(paths, new StagingArea(paths, fileLocks), syncFileSystem);
let parent: SnapshotRecord | undefined;
for (let count = 0; count < 400; count++) {
  const active = snapshots.prepare(parent);
  writeFileSync(join(active.fs, 'file'), 'content');
  parent = snapshots.commit(active, { chainId: parseChainId(`sha256:${randomHex(32)}`, 'chain') });
  if (count === 0) process.stdout.write('ready');
}
