/** Layers fetched in parts: what an ended pull had is not fetched again, and servers differ in the ranges they give. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { sweepPartials } from '../../lib/content/partials.js';
import { openStores, type Stores } from '../../lib/image/stores.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { testWith } from '../helpers/declare.js';
import { type Front, startFront } from '../helpers/front.js';
import { temporaryDirectory } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { fetchedBytes, fileOf, noise, publishVersions } from './chunked-fixture.js';
import { EventLog } from './transfer-fixture.js';

const missing = [missingAgent(), missingRegistry()];

/** What differs between the versions. */
const changed = 9 * 70_000 + 50_000;

type Scene = { readonly front: Front; readonly one: string; readonly two: string };

/** Two versions of an image behind a server that can be made to stall. */
async function scene(t: ExecutionContext<unknown>): Promise<Scene> {
  const { host, url } = await startRegistry(t);
  await publishVersions(t, host, ['1', '2'], true);
  const front = await startFront(t, url);
  return { front, one: `${front.host}/app:1`, two: `${front.host}/app:2` };
}

function partials({ paths }: Stores): readonly string[] {
  return readdirSync(join(paths.staging, 'partial')).sort();
}

/** Waits for what another process writes. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 500) throw new Error('it did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function abortedPull(stores: Stores, { front, two }: Scene): Promise<void> {
  const abort = new AbortController();
  front.bytes = 0;
  front.stallAfter = changed / 2;
  const pulled = pullImage(stores, two, { signal: abort.signal });
  await until(() => front.bytes >= front.stallAfter);
  await new Promise((resolve) => setTimeout(resolve, 200));
  abort.abort();
  await pulled.catch(() => undefined);
  front.stallAfter = Number.POSITIVE_INFINITY;
  front.bytes = 0;
}

testWith(missing, 'a pull in parts that was interrupted is taken up by the next one', async (t) => {
  const stage = await scene(t);
  const { front, one, two } = stage;
  const stores = testStores(t);
  await pullImage(stores, one);
  await abortedPull(stores, stage);
  t.is(partials(stores).length, 2, 'bytes and their places');
  const log = new EventLog();
  const image = await pullImage(stores, two, {}, log.take);
  t.true(front.bytes < changed * 0.7, `${front.bytes} of ${changed}`);
  t.true((fetchedBytes(log) ?? 1e9) < changed * 0.7, log.texts().join('\n'));
  t.deepEqual(fileOf(stores, image, 'etc/version'), noise('2', 50_000));
  t.deepEqual(fileOf(stores, image, 'lib/file-35'), noise('35 of 2', 70_000));
  t.deepEqual(partials(stores), []);
});

testWith(missing, 'a killed pull in parts, too, leaves what the next one uses', async (t) => {
  const { front, one, two } = await scene(t);
  const directory = temporaryDirectory(t);
  const root = join(directory, 'store');
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const first = openStores({ root, env });
  await pullImage(first, one);
  await first.close();
  front.bytes = 0;
  front.stallAfter = changed / 2;
  const program = join(import.meta.dirname, 'pull-process.js');
  const child = spawn(process.execPath, [program, root, two], { stdio: 'ignore' });
  await until(() => front.bytes >= front.stallAfter);
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill('SIGKILL');
  await once(child, 'close');
  front.stallAfter = Number.POSITIVE_INFINITY;
  front.bytes = 0;
  const stores = openStores({ root, env });
  t.teardown(() => stores.close());
  const image = await pullImage(stores, two);
  // each of four requests may have bytes that were not noted yet
  t.true(front.bytes < changed * 0.95, `${front.bytes} of ${changed}`);
  t.deepEqual(fileOf(stores, image, 'etc/version'), noise('2', 50_000));
});

testWith(missing, 'what was kept of a pull in parts is not believed', async (t) => {
  const stage = await scene(t);
  const stores = testStores(t);
  await pullImage(stores, stage.one);
  await abortedPull(stores, stage);
  const directory = join(stores.paths.staging, 'partial');
  const record = readdirSync(directory).find((name) => name.endsWith('.places')) ?? '';
  const [start = '0'] =
    readFileSync(join(directory, record), 'utf8').trim().split('\n').at(-1)?.split('-') ?? [];
  const file = openSync(join(directory, record.replace('.places', '.ranges')), 'r+');
  writeSync(file, Buffer.alloc(4096, 0x55), 0, 4096, Number(start));
  const log = new EventLog();
  const image = await pullImage(stores, stage.two, {}, log.take);
  t.notRegex(log.texts().join('\n'), /fetched whole/);
  t.deepEqual(fileOf(stores, image, 'lib/file-35'), noise('35 of 2', 70_000));
  t.deepEqual(partials(stores), []);
});

testWith(missing, 'parts that nobody took up are collected by their age', async (t) => {
  const stage = await scene(t);
  const stores = testStores(t);
  await pullImage(stores, stage.one);
  await abortedPull(stores, stage);
  t.is(sweepPartials(stores.paths, 3_600_000, Date.now()), 0);
  const freed = sweepPartials(stores.paths, 0, Date.now() + 1000);
  t.true(freed > 0 && freed < 2_000_000, `${freed} bytes; the holes are none of them`);
  t.deepEqual(partials(stores), []);
});

testWith(missing, 'several ranges are one request where the server gives several', async (t) => {
  const { front, one, two } = await scene(t);
  const stores = testStores(t);
  await pullImage(stores, one);
  front.ranges.length = 0;
  await pullImage(stores, two);
  t.true(
    front.ranges.some((range) => range.split(',').length > 1),
    front.ranges.join('\n'),
  );
  t.true(front.ranges.length <= 8, front.ranges.join('\n'));
});

for (const kind of ['single', 'first'] as const) {
  testWith(missing, `a server that gives one range at a time is asked so: ${kind}`, async (t) => {
    const { front, one, two } = await scene(t);
    const stores = testStores(t);
    await pullImage(stores, one);
    front.kind = kind;
    front.ranges.length = 0;
    const log = new EventLog();
    const image = await pullImage(stores, two, {}, log.take);
    t.true((fetchedBytes(log) ?? 1e9) < changed * 1.2, log.texts().join('\n'));
    t.true(front.ranges.filter((range) => range.includes(',')).length <= 4, 'learned from the first answers');
    t.deepEqual(fileOf(stores, image, 'lib/file-35'), noise('35 of 2', 70_000));
  });
}

testWith(missing, 'from a server that ignores ranges the whole layer comes', async (t) => {
  const { front, one, two } = await scene(t);
  const stores = testStores(t);
  await pullImage(stores, one);
  front.kind = 'whole';
  const log = new EventLog();
  const image = await pullImage(stores, two, {}, log.take);
  t.regex(log.texts().join('\n'), /fetched whole: .*whole blobs only/);
  t.deepEqual(fileOf(stores, image, 'etc/version'), noise('2', 50_000));
});

testWith(
  missing,
  'a table of contents is found at the end of a layer whose manifest does not speak of it',
  async (t) => {
    const { host, url } = await startRegistry(t);
    const bare = testStores(t);
    for (const { name } of await publishVersions(t, host, ['1', '2'], true)) {
      const { manifest } = await pullImage(bare, name);
      const layers = manifest.layers.map(({ annotations: _annotations, ...layer }) => layer);
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...manifest, kind: undefined, layers }));
      await fetch(`${url}/v2/app/manifests/${name.split(':').at(-1)}`, {
        method: 'PUT',
        headers: { 'content-type': manifest.mediaType },
        body: bytes,
      });
    }
    const stores = testStores(t);
    await pullImage(stores, `${host}/app:1`);
    const log = new EventLog();
    const image = await pullImage(stores, `${host}/app:2`, {}, log.take);
    t.true(image.manifest.layers.every(({ annotations }) => annotations === undefined));
    t.true((fetchedBytes(log) ?? 1e9) < changed * 1.2, log.texts().join('\n'));
  },
);
