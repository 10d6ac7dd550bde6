/** Pulls an image, tells on standard output when bytes of a layer came and how it ended. Arguments: root, reference. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../../lib/errors.js';
import { openStores } from '../../lib/image/stores.js';
import { pullImage } from '../../lib/transfer/pull.js';

const [root = '', reference = ''] = process.argv.slice(2);
const stores = openStores({ root, env: { ...process.env, XDG_RUNTIME_DIR: join(root, '..') } });
let outcome = 'done';
try {
  await pullImage(stores, reference, { retry: 0 }, (event) => {
    if (event.kind === 'layer' && (event.current ?? 0) > 0) process.stdout.write('came\n');
  });
} catch (error) {
  outcome = error instanceof CoracleError ? error.code : String(error);
}
await stores.close();
const { paths, snapshots, images } = stores;
const left = [...readdirSync(paths.trash), ...snapshots.ids(), ...images.entries()];
process.stdout.write(`${JSON.stringify({ outcome, left })}\n`);
