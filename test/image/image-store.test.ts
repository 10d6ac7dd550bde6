import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { openStoreRoot } from '../../lib/host/store-version.js';
import type { Stores } from '../../lib/image/stores.js';
import { annotationNames } from '../../lib/oci/layout.js';
import { testWith } from '../helpers/declare.js';
import { findProgram, missingProgram } from '../helpers/host.js';
import { putImage, putIndex, testStores } from './store-fixture.js';

function throwsCode(
  t: ExecutionContext<unknown>,
  action: () => unknown,
  code: ErrorCode,
  message: RegExp,
): CoracleError | undefined {
  const error = t.throws(action, { instanceOf: CoracleError, message });
  t.is(error?.code, code);
  return error;
}

const latest = (name: string): string => `docker.io/library/${name}:latest`;

test('a tagged image is found by every form of its name', async (t) => {
  const { images, ...stores } = testStores(t);
  const descriptor = await putImage({ images, ...stores }, { author: 'a' });
  t.is(images.tag(descriptor, 'alpine'), latest('alpine'));
  const { id } = images.resolve('alpine');
  for (const text of [
    'alpine:latest',
    'library/alpine',
    latest('alpine'),
    id,
    `sha256:${id}`,
    descriptor.digest,
    id.slice(0, 2),
    `sha256:${id.slice(0, 12)}`,
    `alpine@${descriptor.digest}`,
  ]) {
    const record = images.resolve(text);
    t.is(record.id, id, text);
    t.deepEqual(record.references, [latest('alpine')]);
    t.deepEqual(record.descriptor, descriptor);
  }
  throwsCode(t, () => images.resolve('debian'), 'NOT_FOUND', /open image debian: not in the store/);
  throwsCode(t, () => images.resolve(`debian@${descriptor.digest}`), 'NOT_FOUND', /debian@/);
  throwsCode(t, () => images.resolve(id.slice(0, 1)), 'NOT_FOUND', /not in the store/);
  t.is(images.find('Not A Name'), undefined);
});

test('one image may have several names; a moved name leaves the old image untagged', async (t) => {
  const stores = testStores(t);
  const { images } = stores;
  const one = await putImage(stores, { author: 'one' });
  const two = await putImage(stores, { author: 'two' });
  images.tag(one, 'app:1');
  images.tag(images.resolve('app:1'), 'app');
  t.deepEqual([...images.resolve('app:1').references].sort(), [
    latest('app').replace('latest', '1'),
    latest('app'),
  ]);
  images.tag(two, 'app');
  images.tag(two, 'app:1');
  t.deepEqual(
    images
      .list()
      .map(({ names }) => names.join(' '))
      .sort(),
    ['', 'app:latest app:1'],
  );
  images.untag('app:1');
  throwsCode(t, () => images.untag('app:1'), 'NOT_FOUND', /untag app:1/);
  images.tag(one, 'again');
  t.is(images.list().length, 2);
});

test('the beginning of several ids is ambiguous', async (t) => {
  const stores = testStores(t);
  const ids: string[] = [];
  for (let count = 0; count < 40; count++) {
    const descriptor = await putImage(stores, { author: `${count}` });
    stores.images.tag(descriptor, `app:${count}`);
    ids.push(stores.images.resolve(`app:${count}`).id);
  }
  const digit =
    [...'0123456789abcdef'].find((first) => ids.filter((id) => id.startsWith(first)).length > 1) ?? '';
  const [one = '', other = ''] = ids.filter((id) => id.startsWith(digit));
  let length = 2;
  while (one.slice(0, length) === other.slice(0, length)) length++;
  t.is(stores.images.resolve(one.slice(0, Math.max(length, 6))).id, one);
  const shared = ids.map((id) => id.slice(0, 2)).find((prefix, index, all) => all.indexOf(prefix) !== index);
  if (shared === undefined) t.pass('no two ids begin alike');
  else throwsCode(t, () => stores.images.resolve(shared), 'USAGE', /image ids begin so/);
});

test('a name wins over the beginning of an id', async (t) => {
  const stores = testStores(t);
  stores.images.tag(await putImage(stores, { author: 'one' }), 'one');
  const prefix = stores.images.resolve('one').id.slice(0, 4);
  stores.images.tag(await putImage(stores, { author: 'two' }), prefix);
  t.not(stores.images.resolve(prefix).id, stores.images.resolve('one').id);
});

test('an index means the image of this platform, or of the one asked for', async (t) => {
  const stores = testStores(t);
  const platforms = [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
    { os: 'linux', architecture: 's390x' },
  ];
  const index = await putIndex(
    stores,
    platforms.map((platform) => ({ author: platform.architecture, platform })),
  );
  stores.images.tag(index, 'multi');
  for (const platform of platforms) {
    const record = stores.images.resolve('multi', { platform });
    t.is(record.config.author, platform.architecture);
    t.deepEqual(record.descriptor, index);
  }
  const missing = { platform: { os: 'linux', architecture: 'riscv64' } };
  const error = throwsCode(
    t,
    () => stores.images.resolve('multi', missing),
    'NOT_FOUND',
    /no image for linux\/riscv64/,
  );
  t.regex(error?.hint ?? '', /--platform linux\/riscv64/);
  t.is(stores.images.find('multi', missing), undefined);
  stores.images.tag(
    await putImage(stores, { author: 'x', platform: { os: 'linux', architecture: 's390x' } }),
    'single',
  );
  throwsCode(
    t,
    () => stores.images.resolve('single', missing),
    'NOT_FOUND',
    /it is for linux\/s390x, not linux\/riscv64/,
  );
});

test('removing one of several names keeps the image; the last name takes it', async (t) => {
  const stores = testStores(t);
  const { images } = stores;
  const descriptor = await putImage(stores, { author: 'a' });
  images.tag(descriptor, 'one');
  images.tag(descriptor, 'two');
  const { id } = images.resolve('one');
  throwsCode(t, () => images.remove(id), 'CONFLICT', /it has 2 names: one:latest, two:latest/);
  t.deepEqual(images.remove('one'), { untagged: [latest('one')], deleted: [] });
  t.deepEqual(images.remove('two'), { untagged: [latest('two')], deleted: [id] });
  throwsCode(t, () => images.remove('two'), 'NOT_FOUND', /remove image two/);
  images.tag(descriptor, 'one');
  images.tag(descriptor, 'two');
  t.deepEqual(images.remove(id, { force: true }), {
    untagged: [latest('one'), latest('two')],
    deleted: [id],
  });
  t.deepEqual(images.list(), []);
});

test('an image a container uses is not removed, unless by force; its name alone is', async (t) => {
  const stores = testStores(t);
  const { images, paths } = stores;
  const descriptor = await putImage(stores, { author: 'a' });
  images.tag(descriptor, 'app');
  const { id } = images.resolve('app');
  mkdirSync(join(paths.containers, 'c'.repeat(64)));
  writeFileSync(join(paths.containers, 'c'.repeat(64), 'container.json'), JSON.stringify({ imageId: id }));
  throwsCode(t, () => images.remove('app'), 'IN_USE', /used by container cccccccccccc/);
  images.tag(descriptor, 'other');
  t.deepEqual(images.remove('other').deleted, []);
  t.deepEqual(images.remove('app', { force: true }).deleted, [id]);
});

test('an image with a missing blob is listed as broken and can be removed', async (t) => {
  const stores = testStores(t);
  const descriptor = await putImage(stores, { author: 'a' });
  stores.images.tag(descriptor, 'app');
  stores.content.remove(descriptor.digest);
  throwsCode(t, () => stores.images.resolve('app'), 'NOT_FOUND', /open blob/);
  t.regex(stores.images.list()[0]?.broken ?? '', /not in the store/);
  t.is(stores.images.remove('app').deleted.length, 1);
});

test('an index.json of another tool, in one line and without ids, serves as well', async (t) => {
  const stores = testStores(t);
  const { images, paths } = stores;
  const descriptor = await putImage(stores, { author: 'a' });
  const foreign = {
    ...descriptor,
    annotations: { [annotationNames.refName]: latest('app'), custom: 'kept' },
  };
  writeFileSync(paths.index, JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
  const record = images.resolve('app');
  t.is(images.resolve(record.id.slice(0, 8)).id, record.id);
  images.tag(record, 'app:2');
  const { manifests } = JSON.parse(readFileSync(paths.index, 'utf8'));
  t.is(manifests[0].annotations.custom, 'kept');
  t.is(images.resolve('app:2').id, record.id);
});

test('a name that skopeo gave is found as it stands, and may be removed', async (t) => {
  const stores = testStores(t);
  const { images, paths } = stores;
  const descriptor = await putImage(stores, { author: 'a' });
  const foreign = ['mine', 'not a reference'].map((name) => ({
    ...descriptor,
    annotations: { [annotationNames.refName]: name },
  }));
  writeFileSync(paths.index, JSON.stringify({ schemaVersion: 2, manifests: foreign }));
  t.is(images.resolve('mine').config.author, 'a');
  t.deepEqual(images.list()[0]?.names, ['mine', 'not a reference']);
  t.is(images.resolve(`mine@${descriptor.digest}`).config.author, 'a');
  t.deepEqual(images.remove('mine'), { untagged: ['mine'], deleted: [] });
  images.tag(images.resolve(images.list()[0]?.id ?? ''), 'mine');
  t.deepEqual([...(images.list()[0]?.names ?? [])].sort(), ['mine:latest', 'not a reference']);
});

const damaged = test.macro((t, text: string, message: RegExp) => {
  const { images, paths } = testStores(t);
  writeFileSync(paths.index, text);
  throwsCode(t, () => images.resolve('app'), 'INVALID', message);
  throwsCode(
    t,
    () => images.setTag('app', { mediaType: 'x', digest: 'sha256:0' as never, size: 1 }),
    'INVALID',
    message,
  );
  t.is(readFileSync(paths.index, 'utf8'), text);
});
test(
  'an index.json that is no JSON is refused and not overwritten',
  damaged,
  '{"schemaVersion":2,',
  /not JSON/,
);
test(
  'an index.json of another schema is refused',
  damaged,
  '{"schemaVersion":1,"manifests":[]}',
  /schemaVersion 1/,
);
test(
  'S21: an index.json with a digest that is a path is refused',
  damaged,
  '{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:../../etc","size":1}]}',
  /no digest/,
);
test(
  'an index.json with entries of wrong types is refused',
  damaged,
  '{"schemaVersion":2,"manifests":[7]}',
  /expected an object/,
);

test('S21: a config with other layers than the manifest is refused', async (t) => {
  const stores = testStores(t);
  const descriptor = await putImage(stores, { author: 'a', layers: [Buffer.alloc(1024)] });
  const manifest = JSON.parse(stores.content.readTrusted(descriptor.digest).toString());
  const changed = Buffer.from(JSON.stringify({ ...manifest, layers: [] }));
  stores.images.tag({ mediaType: descriptor.mediaType, ...(await stores.content.put(changed)) }, 'app');
  throwsCode(t, () => stores.images.resolve('app'), 'INVALID', /1 diff_ids, but the manifest has 0 layers/);
});

test('what is no image is named as such', async (t) => {
  const stores = testStores(t);
  const blob = await stores.content.put(Buffer.from('{}'));
  stores.images.tag({ mediaType: 'application/vnd.example.thing', ...blob }, 'thing');
  throwsCode(t, () => stores.images.resolve('thing'), 'UNSUPPORTED', /is no image/);
});

test('what a container was made of is kept, unless it was the image of another store', async (t) => {
  const [own, other] = [testStores(t), testStores(t)];
  const descriptor = await putImage(own, { author: 'a' });
  own.images.tag(descriptor, 'app');
  const image = own.images.resolve('app');
  own.images.remove('app');
  for (const stores of [own, other]) stores.images.keepUsed(image);
  t.deepEqual(
    own.images.entries().map((entry) => [entry.descriptor.digest, entry.reference]),
    [[descriptor.digest, undefined]],
  );
  t.deepEqual(other.images.entries(), []);
});

test('two processes tagging at once lose nothing', async (t) => {
  const stores = testStores(t);
  const descriptor = await putImage(stores, { author: 'a' });
  const children = ['one', 'two'].map((name) =>
    tagger(stores, [name, descriptor.digest, `${descriptor.size}`, '100']),
  );
  const exits = await Promise.all(children.map((child) => once(child, 'exit')));
  t.deepEqual(exits, [
    [0, null],
    [0, null],
  ]);
  const names = stores.images.entries().map(({ reference }) => reference);
  t.is(new Set(names).size, 200);
});

test('a tagger killed at any moment leaves an index that is whole', async (t) => {
  const stores = testStores(t);
  const descriptor = await putImage(stores, { author: 'a' });
  for (const delay of [20, 60, 100]) {
    const child = tagger(stores, [`n${delay}`, descriptor.digest, `${descriptor.size}`, '100000']);
    await once(child.stdout ?? child, 'data');
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill('SIGKILL');
    await once(child, 'exit');
    openStoreRoot(stores.paths);
    const count = stores.images.entries().length;
    stores.images.tag(descriptor, `after:${delay}`);
    t.is(stores.images.entries().length, count + 1);
  }
});

function tagger(stores: Stores, args: readonly string[]): ReturnType<typeof spawn> {
  const program = join(import.meta.dirname, 'tagger-process.js');
  return spawn(process.execPath, [program, stores.paths.root, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('a start finds its image among a thousand within milliseconds, without cryptography', async (t) => {
  const stores = testStores(t);
  const descriptor = await putImage(stores, { author: 'a' });
  const top = stores.snapshots.commit(stores.snapshots.prepare());
  stores.images.tag(descriptor, 'wanted');
  stores.snapshots.setTopOfImage(stores.images.resolve('wanted').configDigest, top.id);
  const [own] = stores.images.entries();
  const line = JSON.stringify({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.size,
    annotations: {},
  });
  const others = Array.from({ length: 1000 }, (_, index) =>
    line.replace(
      '{}',
      `{"${annotationNames.refName}":"${latest(`other${index}`)}","dev.coracle.image.id":"sha256:${`${index}`.padStart(64, 'f')}"}`,
    ),
  );
  t.truthy(own);
  const mine = readFileSync(stores.paths.index, 'utf8').split('\n')[1];
  writeFileSync(
    stores.paths.index,
    `{"schemaVersion":2,"manifests":[\n${[...others, mine].join(',\n')}\n]}\n`,
  );
  const child = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'hot-path-process.js'), stores.paths.root, 'wanted'],
    { encoding: 'utf8' },
  );
  t.is(child.stderr, '');
  const { milliseconds, layers, loaded } = JSON.parse(child.stdout);
  t.deepEqual(layers, stores.snapshots.layerPaths(top));
  t.deepEqual(loaded, []);
  t.log(`${milliseconds} ms`);
  t.true(milliseconds < 100);
});

testWith(
  [missingProgram('skopeo'), missingProgram('umoci')],
  'skopeo and umoci read the store in place',
  async (t) => {
    const stores = testStores(t);
    const layer = Buffer.alloc(1024);
    stores.images.tag(await putImage(stores, { author: 'ann', layers: [layer] }), 'quay.io/org/app:1.0');
    const reference = 'quay.io/org/app:1.0';
    const inspected = spawnSync(
      findProgram('skopeo') ?? '',
      ['inspect', '--config', `oci:${stores.paths.root}:${reference}`],
      { encoding: 'utf8' },
    );
    t.is(inspected.status, 0, inspected.stderr);
    t.is(JSON.parse(inspected.stdout).author, 'ann');
    const listed = spawnSync(findProgram('umoci') ?? '', ['ls', '--layout', stores.paths.root], {
      encoding: 'utf8',
    });
    t.is(listed.stdout.trim(), reference, listed.stderr);
    const stat = spawnSync(
      findProgram('umoci') ?? '',
      ['stat', '--image', `${stores.paths.root}:${reference}`],
      { encoding: 'utf8' },
    );
    t.is(stat.status, 0, stat.stderr);
    const target = join(stores.paths.root, '..', 'copy');
    const copied = spawnSync(
      findProgram('skopeo') ?? '',
      ['copy', '--insecure-policy', `oci:${stores.paths.root}:${reference}`, `oci:${target}:x`],
      { encoding: 'utf8' },
    );
    t.is(copied.status, 0, copied.stderr);
    rmSync(target, { recursive: true });
  },
);
