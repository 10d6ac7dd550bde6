/** Tags one descriptor many times. Arguments: root, name, digest, size, count. */
import { openStores } from '../../lib/image/stores.js';
import { parseDigest } from '../../lib/oci/digest.js';
import { ociTypes } from '../../lib/oci/media-types.js';

const [root = '', name = '', digest, size, count] = process.argv.slice(2);
const stores = openStores({ root, env: process.env });
const descriptor = {
  mediaType: ociTypes.manifest,
  digest: parseDigest(digest, 'digest'),
  size: Number(size),
};
for (let tag = 0; tag < Number(count); tag++) {
  stores.images.tag(descriptor, `${name}:${tag}`);
  if (tag === 0) process.stdout.write('ready');
}
