/** Unpacks an image. Arguments: root, image. */
import { openStores } from '../../lib/image/stores.js';
import { unpackImage } from '../../lib/image/unpack.js';

const [root = '', name = ''] = process.argv.slice(2);
const stores = openStores({ root, env: process.env });
process.stdout.write('ready');
await unpackImage(stores.images.resolve(name), stores);
await stores.close();
