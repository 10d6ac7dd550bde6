import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import type { ImageRecord } from '../../lib/image/image-record.js';
import type { Stores } from '../../lib/image/stores.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { importImage } from '../../lib/transfer/import.js';
import { loadImages } from '../../lib/transfer/load.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeTar, type TarEntry } from '../helpers/image.js';
import { putIndex, testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { chunked, collect } from '../layer/tar-builder.js';
import { baseImage, baseTar, derivedImage, failsWith, streamOf } from './transfer-fixture.js';

const missing = [missingAgent()];
const appName = 'registry.example/team/app:1';
const baseName = 'docker.io/library/base:latest';

async function twoImages(
  t: ExecutionContext<unknown>,
): Promise<{ stores: Stores; base: ImageRecord; app: ImageRecord; directory: string }> {
  const stores = testStores(t);
  const base = await baseImage(stores, 'base');
  const app = await derivedImage(stores, base, appName);
  return { stores, base, app, directory: temporaryDirectory(t) };
}

async function entryNames(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of readTar(chunked(readFileSync(path)))) names.push(entry.path.toString());
  return names;
}

function topFile(stores: Stores, image: ImageRecord, path: string): string {
  const record = stores.images.topSnapshot(image);
  const [top = ''] = record === undefined ? [] : stores.snapshots.layerPaths(record);
  return readFileSync(join(top, path), 'utf8');
}

for (const format of ['docker-archive', 'oci-archive'] as const) {
  testWith(missing, `images saved as ${format} are loaded with the same ids, names and files`, async (t) => {
    const { stores, base, app, directory } = await twoImages(t);
    const file = join(directory, 'images.tar');
    await saveImages(stores, ['base', appName], file, { format });
    const other = testStores(t);
    const loaded = await loadImages(other, file);
    t.deepEqual(
      loaded.map(({ id }) => id),
      [base.id, app.id],
    );
    t.deepEqual(
      loaded.map(({ reference }) => reference),
      [baseName, appName],
    );
    t.is(topFile(other, other.images.resolve(appName), 'added'), `added to ${appName}`);
    t.deepEqual(other.images.topSnapshot(app)?.lowers.length, 2);
    t.deepEqual(readdirSync(directory), ['images.tar']);
  });

  testWith(missing, `saving as ${format} twice gives the same bytes`, async (t) => {
    const { stores, directory } = await twoImages(t);
    const files = ['one.tar', 'two.tar'].map((name) => join(directory, name));
    for (const file of files) await saveImages(stores, [appName], file, { format });
    const [one, two] = files.map((file) => readFileSync(file));
    t.true(one?.equals(two ?? Buffer.alloc(0)));
  });

  testWith(missing, `${format}: what was loaded is saved again from blobs or snapshots alike`, async (t) => {
    const { stores, app, directory } = await twoImages(t);
    const first = join(directory, 'first.tar');
    await saveImages(stores, [appName], first, { format });
    const other = testStores(t);
    await loadImages(other, first);
    const second = join(directory, 'second.tar');
    await saveImages(other, [appName], second, { format });
    const third = testStores(t);
    t.is((await loadImages(third, second))[0]?.id, app.id);
  });
}

testWith(missing, 'shared layers are saved once, an image named by its id has no name', async (t) => {
  const { stores, base, app, directory } = await twoImages(t);
  const file = join(directory, 'images.tar');
  await saveImages(stores, [base.id, appName], file);
  const [lower, upper] = app.config.rootfs.diff_ids.map((diffId) => `${diffId.slice(7)}.tar`);
  t.deepEqual(await entryNames(file), [
    lower,
    upper,
    `${base.id}.json`,
    `${app.id}.json`,
    'manifest.json',
    'repositories',
  ]);
  const [untagged] = await loadImages(testStores(t), file);
  t.is(untagged?.reference, undefined);
});

testWith(missing, 'an index that is there whole is saved and loaded whole', async (t) => {
  const stores = testStores(t);
  const index = await putIndex(stores, [
    { author: 'amd', platform: { os: 'linux', architecture: 'amd64' } },
    { author: 'arm', platform: { os: 'linux', architecture: 'arm64' } },
  ]);
  stores.images.tag(index, 'multi');
  const file = join(temporaryDirectory(t), 'multi.tar');
  await saveImages(stores, ['multi'], file, { format: 'oci-archive' });
  const other = testStores(t);
  const [loaded] = await loadImages(other, file);
  t.is(loaded?.descriptor.digest, index.digest);
  const arm = other.images.resolve('multi', { platform: { os: 'linux', architecture: 'arm64' } });
  t.is(arm.config.author, 'arm');
});

testWith(missing, 'compressed archives, streams and unpacked layouts are loaded alike', async (t) => {
  const { stores, app, directory } = await twoImages(t);
  const file = join(directory, 'oci.tar');
  await saveImages(stores, [appName], file, { format: 'oci-archive' });
  const packed = join(directory, 'oci.tar.gz');
  writeFileSync(packed, gzipSync(readFileSync(file)));
  const layout = join(directory, 'layout');
  mkdirSync(layout);
  execFileSync('tar', ['-xf', file, '-C', layout]);
  for (const source of [packed, layout, streamOf(readFileSync(file)), streamOf(readFileSync(packed))]) {
    const other = testStores(t);
    t.is((await loadImages(other, source))[0]?.id, app.id);
    t.is(topFile(other, other.images.resolve(appName), 'added'), `added to ${appName}`);
  }
});

testWith(missing, 'loading again adds nothing', async (t) => {
  const { stores, directory } = await twoImages(t);
  const file = join(directory, 'images.tar');
  await saveImages(stores, [appName], file);
  const other = testStores(t);
  await loadImages(other, file);
  const before = [other.snapshots.ids().length, other.content.list().length, other.images.entries().length];
  await loadImages(other, file);
  t.deepEqual(
    [other.snapshots.ids().length, other.content.list().length, other.images.entries().length],
    before,
  );
});

testWith(missing, 'a file that is replaced stays until the new one is complete', async (t) => {
  const { stores, app, directory } = await twoImages(t);
  const file = join(directory, 'images.tar');
  writeFileSync(file, 'precious');
  const record = stores.images.topSnapshot(app);
  const [top = ''] = record === undefined ? [] : stores.snapshots.layerPaths(record);
  writeFileSync(join(top, 'added'), 'changed behind our back');
  await failsWith(t, saveImages(stores, [appName], file), 'INTEGRITY', /diffID/);
  t.is(readFileSync(file, 'utf8'), 'precious');
  t.deepEqual(readdirSync(directory), ['images.tar']);
  await failsWith(t, saveImages(stores, ['base'], directory), 'USAGE', /it is a directory/);
  await failsWith(t, saveImages(stores, ['base'], join(directory, 'no/such.tar')), 'IO', /no such file/);
  await failsWith(t, saveImages(stores, ['nothing'], file), 'NOT_FOUND', /not in the store/);
});

function run(t: ExecutionContext<unknown>, program: string, args: readonly string[], cwd: string): string {
  const home = temporaryDirectory(t);
  const env = { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, XDG_DATA_HOME: join(home, 'data') };
  return execFileSync(program, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

testWith(
  [...missing, missingProgram('skopeo'), missingProgram('umoci')],
  'skopeo and umoci read what we save',
  async (t) => {
    const { stores, app, directory } = await twoImages(t);
    for (const format of ['docker-archive', 'oci-archive'] as const) {
      await saveImages(stores, [appName], join(directory, `${format}.tar`), { format });
      const config = run(t, 'skopeo', ['inspect', '--config', '--raw', `${format}:${format}.tar`], directory);
      t.is(createHash('sha256').update(config).digest('hex'), app.id);
      run(
        t,
        'skopeo',
        ['--insecure-policy', 'copy', `${format}:${format}.tar`, `oci:${format}:app`],
        directory,
      );
      run(t, 'umoci', ['unpack', '--rootless', '--image', `${format}:app`, `bundle-${format}`], directory);
      t.is(readFileSync(join(directory, `bundle-${format}/rootfs/added`), 'utf8'), `added to ${appName}`);
    }
  },
);

testWith(
  [...missing, missingProgram('podman')],
  'podman loads what we save, and we load what podman saves',
  async (t) => {
    const { stores, app, directory } = await twoImages(t);
    const podman = (...args: string[]): string =>
      run(
        t,
        'podman',
        [
          '--storage-driver',
          'vfs',
          '--root',
          join(directory, 'r'),
          '--runroot',
          join(directory, 'rr'),
          ...args,
        ],
        directory,
      );
    for (const format of ['docker-archive', 'oci-archive'] as const) {
      const file = join(directory, `${format}.tar`);
      await saveImages(stores, [appName], file, { format });
      t.regex(podman('load', '-q', '-i', file), /registry\.example\/team\/app:1/);
      t.is(podman('images', '-q', '--no-trunc', appName).trim(), `sha256:${app.id}`);
      const back = join(directory, `podman-${format}.tar`);
      podman('save', '-q', '--format', format, '-o', back, appName);
      const other = testStores(t);
      const [loaded] = await loadImages(other, back);
      t.is(loaded?.reference, appName);
      t.deepEqual(other.images.resolve(appName).config.rootfs, app.config.rootfs);
      podman('rmi', '-f', appName);
    }
  },
);

const config = (diffIds: readonly string[]): string =>
  JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } });
const layerDigest = `sha256:${createHash('sha256').update(baseTar).digest('hex')}`;

function dockerArchive(manifest: unknown, files: readonly TarEntry[] = []): Buffer {
  const good: readonly TarEntry[] = [
    { name: 'config.json', content: config([layerDigest]) },
    { name: 'layer.tar', content: baseTar },
  ];
  return makeTar([...good, ...files, { name: 'manifest.json', content: JSON.stringify(manifest) }]);
}
const good = { Config: 'config.json', Layers: ['layer.tar'], RepoTags: ['x:1'] };

testWith(missing, 'layers may be links, as Docker shares them, and compressed', async (t) => {
  const linked = dockerArchive(
    [{ ...good, Layers: ['b/layer.tar'] }],
    [{ name: 'b/layer.tar', type: 'symlink', link: '../layer.tar' }],
  );
  t.is((await loadImages(testStores(t), streamOf(linked)))[0]?.reference, 'docker.io/library/x:1');
  const packed = dockerArchive(
    [{ ...good, Layers: ['layer.gz'] }],
    [{ name: 'layer.gz', content: gzipSync(baseTar) }],
  );
  t.is((await loadImages(testStores(t), streamOf(packed))).length, 1);
});

testWith(missing, 'archives from before manifest.json are loaded', async (t) => {
  const [lower, upper] = ['a'.repeat(64), 'b'.repeat(64)];
  const second = makeTar([{ name: 'more', content: 'more' }]);
  const bytes = makeTar([
    { name: `${lower}/json`, content: JSON.stringify({ id: lower, created: '2014-01-01T00:00:00Z' }) },
    { name: `${lower}/layer.tar`, content: baseTar },
    {
      name: `${upper}/json`,
      content: JSON.stringify({
        id: upper,
        parent: lower,
        architecture: 'amd64',
        os: 'linux',
        config: { Cmd: ['sh'] },
      }),
    },
    { name: `${upper}/layer.tar`, content: second },
    { name: 'repositories', content: JSON.stringify({ old: { latest: upper } }) },
  ]);
  const stores = testStores(t);
  const [loaded] = await loadImages(stores, streamOf(bytes));
  t.is(loaded?.reference, 'docker.io/library/old:latest');
  const image = stores.images.resolve('old');
  t.deepEqual(image.config.config?.Cmd, ['sh']);
  t.is(topFile(stores, image, 'more'), 'more');
});

const hostile: readonly (readonly [string, () => Buffer, 'INVALID' | 'NOT_FOUND' | 'INTEGRITY', RegExp])[] = [
  ['text', () => Buffer.from('hello '.repeat(200)), 'INVALID', /checksum/],
  ['an empty tar', () => makeTar([]), 'INVALID', /neither manifest\.json nor an OCI layout/],
  ['a root file system', () => baseTar, 'INVALID', /neither manifest\.json nor an OCI layout/],
  ['an empty manifest.json', () => dockerArchive([]), 'INVALID', /names no image/],
  [
    'a manifest.json that is no JSON',
    () => makeTar([{ name: 'manifest.json', content: '{' }]),
    'INVALID',
    /manifest\.json/,
  ],
  [
    'a config outside of the archive',
    () => dockerArchive([{ ...good, Config: '../../../etc/passwd' }]),
    'INVALID',
    /\.\. component/,
  ],
  [
    'an absolute config',
    () => dockerArchive([{ ...good, Config: '/etc/passwd' }]),
    'NOT_FOUND',
    /not in the archive/,
  ],
  [
    'a config that is a link to the host',
    () => dockerArchive([{ ...good, Config: 'l' }], [{ name: 'l', type: 'symlink', link: '/etc/passwd' }]),
    'NOT_FOUND',
    /not in the archive/,
  ],
  [
    'a config that is a link out',
    () =>
      dockerArchive([{ ...good, Config: 'l' }], [{ name: 'l', type: 'symlink', link: '../../etc/passwd' }]),
    'INVALID',
    /\.\. component/,
  ],
  [
    'a link to itself',
    () => dockerArchive([{ ...good, Config: 'l' }], [{ name: 'l', type: 'symlink', link: 'l' }]),
    'INVALID',
    /too many links/,
  ],
  [
    'a missing layer',
    () => dockerArchive([{ ...good, Layers: ['no.tar'] }]),
    'NOT_FOUND',
    /no\.tar: not in the archive/,
  ],
  [
    'fewer layers than diff_ids',
    () => dockerArchive([{ ...good, Layers: [] }]),
    'INVALID',
    /0 layers, but its config has 1 diff_ids/,
  ],
  [
    'a layer that is another',
    () =>
      dockerArchive([{ ...good, Layers: ['o.tar'] }], [{ name: 'o.tar', content: makeTar([{ name: 'x' }]) }]),
    'INTEGRITY',
    /diffID/,
  ],
  [
    'a tag that is no reference',
    () => dockerArchive([{ ...good, RepoTags: ['../../evil'] }]),
    'INVALID',
    /\.\.\/\.\.\/evil/,
  ],
  [
    'a tag with control characters',
    () => dockerArchive([{ ...good, RepoTags: ['a\u001b[31m:1'] }]),
    'INVALID',
    /reference|name/,
  ],
  [
    'a layout of a future version',
    () =>
      makeTar([
        { name: 'oci-layout', content: '{"imageLayoutVersion":"9.0.0"}' },
        { name: 'index.json', content: '{}' },
      ]),
    'INVALID',
    /imageLayoutVersion/,
  ],
  [
    'an index that names nothing',
    () => makeTar([{ name: 'index.json', content: '{"schemaVersion":2,"manifests":[]}' }]),
    'INVALID',
    /names no image/,
  ],
  [
    'a digest that is a path',
    () =>
      makeTar([
        {
          name: 'index.json',
          content:
            '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:../../x"}]}',
        },
      ]),
    'INVALID',
    /no digest/,
  ],
  [
    'a repositories file that leads out',
    () => makeTar([{ name: 'repositories', content: '{"a":{"b":"../../etc"}}' }]),
    'INVALID',
    /no layer id/,
  ],
];
for (const [title, make, code, message] of hostile) {
  testWith(missing, `S29: a bad archive leaves nothing: ${title}`, async (t) => {
    const stores = testStores(t);
    await failsWith(t, loadImages(stores, streamOf(make())), code, message);
    t.deepEqual([stores.snapshots.ids(), stores.images.entries()], [[], []]);
  });
}

testWith(missing, 'S21: a blob of a layout that is not what its name says is refused', async (t) => {
  const { stores, directory } = await twoImages(t);
  const file = join(directory, 'oci.tar');
  await saveImages(stores, ['base'], file, { format: 'oci-archive' });
  const layout = join(directory, 'layout');
  mkdirSync(layout);
  execFileSync('tar', ['-xf', file, '-C', layout]);
  const layer = join(
    layout,
    'blobs/sha256',
    readdirSync(join(layout, 'blobs/sha256')).find(
      (name) => readFileSync(join(layout, 'blobs/sha256', name))[0] === 0x1f,
    ) ?? '',
  );
  const bytes = readFileSync(layer);
  bytes[50] = (bytes[50] ?? 0) ^ 1;
  writeFileSync(layer, bytes);
  const other = testStores(t);
  await failsWith(t, loadImages(other, layout), 'INTEGRITY', /blob/);
  t.deepEqual(other.images.entries(), []);
  const linked = join(directory, 'linked');
  mkdirSync(linked);
  symlinkSync('/etc/passwd', join(linked, 'manifest.json'));
  await failsWith(t, loadImages(testStores(t), linked), 'INVALID', /leads out of the archive/);
  await failsWith(t, loadImages(testStores(t), join(directory, 'nothing')), 'NOT_FOUND', /no such file/);
});

testWith(missing, 'a root file system becomes an image with the changes asked for', async (t) => {
  const stores = testStores(t);
  const image = await importImage(stores, streamOf(gzipSync(baseTar)), {
    reference: 'imported:1',
    message: 'from a tar',
    changes: ['ENV A=1', 'WORKDIR /srv', 'ENTRYPOINT ["/bin/tool"]'],
    created: '2024-01-01T00:00:00Z',
  });
  t.is(image.reference, 'docker.io/library/imported:1');
  t.deepEqual(image.config.config, { Env: ['A=1'], WorkingDir: '/srv', Entrypoint: ['/bin/tool'] });
  t.deepEqual(image.config.history, [
    { created: '2024-01-01T00:00:00Z', created_by: 'coracle import', comment: 'from a tar' },
  ]);
  t.is(topFile(stores, image, 'etc/name'), 'base');
  t.deepEqual(stores.content.list().length, 2);
  await failsWith(
    t,
    importImage(stores, streamOf(Buffer.from('not a tar '.repeat(100)))),
    'INVALID',
    /checksum/,
  );
  await failsWith(
    t,
    importImage(stores, streamOf(baseTar), { changes: ['RUN true'] }),
    'USAGE',
    /RUN cannot change/,
  );
  t.deepEqual(stores.snapshots.ids().length, 1);
  t.true((await collect(chunked(baseTar))).equals(baseTar));
});
