/** Layers with tables of contents: files that the store holds stay at the registry. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pullImage } from '../../lib/transfer/pull.js';
import { pushImage } from '../../lib/transfer/push.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { fetchedBytes, fileOf, noise, publishVersions as publish, versionTar } from './chunked-fixture.js';
import { baseImage, EventLog } from './transfer-fixture.js';

const missing = [missingAgent(), missingRegistry()];

testWith(missing, 'the next version of an image costs what changed in it', async (t) => {
  const { host } = await startRegistry(t);
  const [one, two] = await publish(t, host, ['1', '2']);
  if (one === undefined || two === undefined) return t.fail();
  const stores = testStores(t);
  await pullImage(stores, one.name);
  const log = new EventLog();
  const image = await pullImage(stores, two.name, {}, log.take);
  t.is(image.descriptor.digest, two.digest);
  t.is(image.id, two.image.id);
  t.true((fetchedBytes(log) ?? 1e9) < 100_000, log.texts().join('\n'));
  t.deepEqual(fileOf(stores, image, 'etc/version'), noise('2', 50_000));
  t.deepEqual(fileOf(stores, image, 'lib/big'), noise('big', 9_000_000));
  t.deepEqual(fileOf(stores, image, 'etc/empty'), Buffer.alloc(0));

  const again = new EventLog();
  await pullImage(stores, two.name, {}, again.take);
  t.true(again.statuses().has('exists'));
  t.false(again.statuses().has('downloading'));
});

testWith(missing, 'a layer that was pulled in parts keeps its digest wherever it goes', async (t) => {
  const [first, second] = [await startRegistry(t), await startRegistry(t)];
  const [one, two] = await publish(t, first.host, ['1', '2']);
  if (one === undefined || two === undefined) return t.fail();
  const stores = testStores(t);
  await pullImage(stores, one.name);
  const image = await pullImage(stores, two.name);
  const layer = image.manifest.layers[0];
  if (layer === undefined) return t.fail();
  t.false(stores.content.has(layer.digest));

  // the archive is uncompressed: made of the files
  const archive = join(temporaryDirectory(t), 'image.tar');
  await saveImages(stores, [two.name], archive);
  t.false(stores.content.has(layer.digest));
  // mounted at the registry it came from
  t.is((await pushImage(stores, image, `${first.host}/copy:2`)).descriptor.digest, two.digest);
  t.false(stores.content.has(layer.digest));
  // fetched whole for another one
  t.is((await pushImage(stores, image, `${second.host}/copy:2`)).descriptor.digest, two.digest);
  t.true(stores.content.has(layer.digest));
});

testWith(
  missing,
  'a file of the store that was changed is found out, and the layer fetched whole',
  async (t) => {
    const { host } = await startRegistry(t);
    const [one, two] = await publish(t, host, ['1', '2']);
    if (one === undefined || two === undefined) return t.fail();
    const stores = testStores(t);
    const base = await pullImage(stores, one.name);
    const top = stores.images.topSnapshot(base);
    const file = join(top === undefined ? '' : (stores.snapshots.layerPaths(top)[0] ?? ''), 'lib/file-07');
    chmodSync(file, 0o644);
    writeFileSync(file, randomBytes(70_000));
    const log = new EventLog();
    const image = await pullImage(stores, two.name, {}, log.take);
    t.regex(log.texts().join('\n'), /is fetched whole: read lib\/file-07 of the store: it was changed/);
    t.deepEqual(fileOf(stores, image, 'lib/file-07'), noise('7', 70_000));
  },
);

testWith(
  [...missing, missingProgram('skopeo')],
  'skopeo reads what is pushed as zstd:chunked, and what it writes is pulled in parts',
  async (t) => {
    const { host } = await startRegistry(t);
    const [one] = await publish(t, host, ['1']);
    if (one === undefined) return t.fail();
    const directory = temporaryDirectory(t);
    const skopeo = (...args: string[]): string => {
      const { status, stderr, stdout } = spawnSync('skopeo', ['--tmpdir', directory, ...args], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: directory },
      });
      t.is(status, 0, stderr);
      return stdout;
    };
    const plain = ['--src-tls-verify=false', '--insecure-policy'];
    skopeo('copy', '-q', ...plain, `docker://${one.name}`, `oci:${directory}/oci:1`);
    t.is(skopeo('inspect', '--format', '{{.Digest}}', `oci:${directory}/oci:1`).trim(), one.digest);

    const made = testStores(t);
    for (const version of ['3', '4']) {
      const name = `${host}/made:${version}`;
      const archive = join(directory, `${version}.tar`);
      await baseImage(made, name, versionTar(version));
      await saveImages(made, [name], archive);
      const options = [
        '--dest-tls-verify=false',
        '--insecure-policy',
        '--dest-compress-format',
        'zstd:chunked',
      ];
      skopeo('copy', '-q', ...options, `docker-archive:${archive}`, `docker://${name}`);
    }
    const stores = testStores(t);
    await pullImage(stores, `${host}/made:3`);
    const log = new EventLog();
    const image = await pullImage(stores, `${host}/made:4`, {}, log.take);
    t.true((fetchedBytes(log) ?? 1e9) < 1_000_000, log.texts().join('\n'));
    t.deepEqual(fileOf(stores, image, 'etc/version'), noise('4', 50_000));
  },
);
