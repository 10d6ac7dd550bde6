/** Documents that a registry or an archive could serve to be misread; the numbers are those of the requirements. */
import { gzipSync } from 'node:zlib';
import { loadImages } from '../../lib/transfer/load.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { testWith } from '../helpers/declare.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { startHostile } from '../registry/hostile-server.js';
import { Documents, types } from './hostile-documents.js';
import { baseTar, failsWith, streamOf } from './transfer-fixture.js';

const missing = [missingAgent()];
testWith(
  missing,
  'S22: indexes in indexes are followed a little way, in registries and archives',
  async (t) => {
    for (const depth of [0, 1, 2, 3, 4, 50]) {
      const documents = new Documents();
      const top = documents.nest(depth);
      const { host, asked } = await documents.serve(t, top);
      const stores = testStores(t);
      const pulled = pullImage(stores, `${host}/a`, { retry: 0 });
      const loaded = loadImages(stores, streamOf(documents.archive(top)));
      if (depth <= 2) {
        await t.notThrowsAsync(pulled, `${depth}`);
        await t.notThrowsAsync(loaded, `${depth}`);
      } else {
        await failsWith(t, pulled, 'INVALID', /nested too deeply/);
        await failsWith(t, loaded, 'INVALID', /nested too deeply/);
        t.deepEqual(stores.images.entries(), []);
        t.true(asked.length < 8);
      }
    }
  },
);

testWith(missing, 'S38: the addresses that a layer names are never asked', async (t) => {
  const elsewhere = await startHostile(t, (_, response) => void response.writeHead(200).end(baseTar));
  const documents = new Documents();
  const layer = documents.add(types.foreign, baseTar);
  documents.blobs.delete(layer.digest);
  const urls = [`http://${elsewhere.host}/layer`];
  const { host } = await documents.serve(t, documents.image([{ ...layer, urls }]));
  await failsWith(t, pullImage(testStores(t), `${host}/a`, { retry: 0 }), 'NOT_FOUND', /blob|layer|not/);
  t.deepEqual(elsewhere.asked, []);
});

testWith(missing, 'S22: foreign layers come from the registry alone, like others', async (t) => {
  const documents = new Documents();
  const layer = documents.add(types.foreign, gzipSync(baseTar));
  const top = documents.manifest(documents.config([documents.add(types.layer, baseTar).digest]), [
    { ...layer, urls: ['file:///etc/passwd'] },
  ]);
  const { host } = await documents.serve(t, top);
  const stores = testStores(t);
  await pullImage(stores, `${host}/a`, { retry: 0 });
  t.is(stores.images.entries().length, 1);
});

testWith(missing, 'S22: what has a config of another kind is no image, by pull or by load', async (t) => {
  const documents = new Documents();
  const top = documents.manifest({ ...documents.config([]), mediaType: 'application/x.y' }, []);
  const { host } = await documents.serve(t, top);
  const stores = testStores(t);
  await failsWith(t, pullImage(stores, `${host}/a`, { retry: 0 }), 'UNSUPPORTED', /is no image/);
  await failsWith(t, loadImages(stores, streamOf(documents.archive(top))), 'INVALID', /names no image/);
});
