/** Layers with tables of contents: files that the store holds stay at the registry. */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { ImageRecord } from '../../lib/image/image-record.js';
import type { Stores } from '../../lib/image/stores.js';
import type { Digest } from '../../lib/oci/digest.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { pushImage } from '../../lib/transfer/push.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { baseImage, EventLog } from './transfer-fixture.js';

const missing = [missingAgent(), missingRegistry()];

/** Bytes that do not compress, the same for the same seed. */
function noise(seed: string, size: number): Buffer {
  const parts = Array.from({ length: Math.ceil(size / 64) }, (_, at) =>
    createHash('sha512').update(`${seed}/${at}`).digest(),
  );
  return Buffer.concat(parts).subarray(0, size);
}

/** Files of some 3 MB that are alike in every version but one. */
function versionTar(version: string): Buffer {
  const files = Array.from({ length: 40 }, (_, at) => ({
    name: `lib/file-${String(at).padStart(2, '0')}`,
    content: noise(`${at}`, 70_000),
  }));
  return makeTar([
    { name: 'etc', type: 'directory' },
    { name: 'etc/empty', content: '' },
    { name: 'etc/version', content: noise(version, 50_000) },
    { name: 'lib', type: 'directory' },
    { name: 'lib/big', content: noise('big', 9_000_000) },
    ...files,
  ]);
}

type Published = { readonly name: string; readonly image: ImageRecord; readonly digest: Digest };

async function publish(
  t: ExecutionContext<unknown>,
  host: string,
  versions: readonly string[],
): Promise<readonly Published[]> {
  const stores = testStores(t);
  const published: Published[] = [];
  for (const version of versions) {
    const name = `${host}/app:${version}`;
    const image = await baseImage(stores, name, versionTar(version));
    const { descriptor } = await pushImage(stores, image, name, { compression: 'zstd:chunked' });
    published.push({ name, image, digest: descriptor.digest });
  }
  return published;
}

function fetchedBytes(log: EventLog): number | undefined {
  const text = log.texts().join('\n');
  const found = /: ([\d.]+) MB of [\d.]+ MB fetched, the rest is here already/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found) * 1e6;
}

function fileOf(stores: Stores, image: ImageRecord, path: string): Buffer {
  const top = stores.images.topSnapshot(image);
  const [layer = ''] = top === undefined ? [] : stores.snapshots.layerPaths(top);
  return readFileSync(join(layer, path));
}

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
