/** Documents that a registry or an archive could serve to be misread; the numbers are those of the requirements. */
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { loadImages } from '../../lib/transfer/load.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { type HostileServer, startHostile } from '../registry/hostile-server.js';
import { baseTar, failsWith, streamOf } from './transfer-fixture.js';

const missing = [missingAgent()];
const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  foreign: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};
type Entry = { mediaType: string; digest: string; size: number; [name: string]: unknown };

/** Blobs by digest, with the media type they are served as. */
class Documents {
  readonly blobs = new Map<string, { mediaType: string; bytes: Buffer }>();

  add(mediaType: string, content: Buffer | object): Entry {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.blobs.set(digest, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  image(layers: readonly Entry[]): Entry {
    const config = this.add(types.config, {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    });
    return this.add(types.manifest, { schemaVersion: 2, mediaType: types.manifest, config, layers });
  }

  /** An index in an index and so on, `depth` of them, around an image. */
  nest(depth: number): Entry {
    if (depth === 0) return this.image([this.add(types.layer, baseTar)]);
    const inner = this.nest(depth - 1);
    return this.add(types.index, { schemaVersion: 2, mediaType: types.index, manifests: [inner] });
  }

  serve(t: ExecutionContext<unknown>, top: Entry): Promise<HostileServer> {
    return startHostile(t, ({ path }, response) => {
      const name = decodeURIComponent(path.split('/').at(-1) ?? '');
      const found = this.blobs.get(name === 'latest' ? top.digest : name);
      if (path === '/v2/') response.writeHead(200).end();
      else if (found === undefined) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': found.mediaType }).end(found.bytes);
    });
  }

  archive(top: Entry): Buffer {
    return makeTar([
      { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
      { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: [top] }) },
      ...[...this.blobs].map(([digest, { bytes }]) => ({
        name: `blobs/${digest.replace(':', '/')}`,
        content: bytes,
      })),
    ]);
  }
}

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
