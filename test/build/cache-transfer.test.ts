/** Caches that go to directories and registries and come back, honest and hostile ones. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { sha256 } from '../../lib/build/cache-key.js';
import { inlineCacheAnnotation } from '../../lib/build/cache-manifest.js';
import { CoracleError } from '../../lib/errors.js';
import { loadImages } from '../../lib/transfer/load.js';
import { saveImages } from '../../lib/transfer/save.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { temporaryDirectory } from '../helpers/host.js';
import { Builder, type Built, missingForBuilds } from './builder.js';

/** Two runs of it never give the same. */
const unique = 'cat /proc/sys/kernel/random/uuid';
const text = `FROM localhost/busybox AS made\nRUN ${unique} >/made\nFROM localhost/busybox\nCOPY f /f\nRUN ${unique} >/id\nCOPY --from=made /made /made\nWORKDIR /d\n`;
const files = { f: 'content' };

type Machines = { readonly first: Builder; readonly second: Builder; readonly cache: string };

/** Two stores with the same base image, and a directory for a cache. */
async function machines(t: ExecutionContext<unknown>): Promise<Machines> {
  const first = await Builder.open(t);
  const base = join(first.directory, 'base.oci');
  await saveImages(first.stores, ['localhost/busybox:latest'], base, { format: 'oci-archive' });
  const second = await Builder.open(t);
  second.stores.images.remove('localhost/busybox', { force: true });
  await loadImages(second.stores, base);
  return { first, second, cache: join(temporaryDirectory(t), 'cache') };
}

function warnings({ events }: Built): readonly string[] {
  return events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
}

for (const compression of ['gzip', 'zstd', 'uncompressed']) {
  testWith(missingForBuilds, `a cache in a directory serves another store (${compression})`, async (t) => {
    const { first, second, cache } = await machines(t);
    const cacheTo = [`type=local,dest=${cache},mode=max,compression=${compression}`];
    const made = await first.make(text, files, { cacheTo });
    const there = await second.make(text, files, { cacheFrom: [`type=local,src=${cache}`] });
    t.deepEqual([there.cached, there.image.id], [5, made.image.id]);
    t.deepEqual(await second.tree(there.image), await first.tree(made.image));
  });
}

testWith(
  missingForBuilds,
  'mode=min has the steps of the image, mode=max those of other stages too',
  async (t) => {
    const { first, second, cache } = await machines(t);
    const made = await first.make(text, files, {
      cacheTo: [`type=local,dest=${cache},tag=min`, `type=local,dest=${cache},tag=max,mode=max`],
    });
    const target = { target: 'made' };
    const min = await second.make(text, files, { ...target, cacheFrom: [`type=local,src=${cache},tag=min`] });
    t.is(min.cached, 0);
    const whole = await second.make(text, files, {
      cacheFrom: [`type=local,src=${cache},tag=min`],
      noCacheFilter: ['made'],
    });
    t.is(whole.image.id, made.image.id);
    const max = await second.make(text, files, {
      ...target,
      noCacheFilter: [],
      cacheFrom: [`type=local,src=${cache},tag=max`],
    });
    t.is(max.cached, 1);
  },
);

testWith(
  missingForBuilds,
  'what is built on an imported step is exported again and found again',
  async (t) => {
    const { first, second, cache } = await machines(t);
    await first.make(text, files, { cacheTo: [`type=local,dest=${cache},mode=max`] });
    const further = `${text}RUN ${unique} >/d/further\n`;
    const cacheFrom = [`type=local,src=${cache}`];
    const there = await second.make(further, files, {
      cacheFrom,
      cacheTo: [`type=local,dest=${cache},mode=max`],
    });
    t.is(there.cached, 5);
    const back = await first.make(further, files, { cacheFrom });
    t.deepEqual([back.cached, back.image.id], [6, there.image.id]);
  },
);

testWith(
  missingForBuilds,
  'an exported cache is an OCI image that other tools list, the same each time',
  async (t) => {
    const { first, cache } = await machines(t);
    await first.make(text, files, { cacheTo: [`type=local,dest=${cache},mode=max`] });
    const before = readFileSync(join(cache, 'index.json'), 'utf8');
    await first.make(text, files, { cacheTo: [`type=local,dest=${cache},mode=max`] });
    t.is(readFileSync(join(cache, 'index.json'), 'utf8'), before);
    const inspected = await runProgram('skopeo', ['inspect', '--raw', `oci:${cache}:latest`], {});
    if (inspected.code === 0) t.regex(inspected.stdout, /vnd\.coracle\.build\.cache\.v1\+json/);
  },
);

testWith(missingForBuilds, 'an inline cache travels with its image', async (t) => {
  const { first, second } = await machines(t);
  const made = await first.make(text, files, { cacheTo: ['type=inline'], tags: ['localhost/it:1'] });
  t.truthy(made.image.manifest.annotations?.[inlineCacheAnnotation]);
  const archive = join(first.directory, 'it.oci');
  await saveImages(first.stores, ['localhost/it:1'], archive, { format: 'oci-archive' });
  const layout = temporaryDirectory(t);
  await runProgram('tar', ['-xf', archive, '-C', layout]);
  const index: { manifests: { digest: string }[] } = JSON.parse(
    readFileSync(join(layout, 'index.json'), 'utf8'),
  );
  const digest = index.manifests[0]?.digest;
  const there = await second.make(text, files, { cacheFrom: [`type=local,src=${layout},digest=${digest}`] });
  t.deepEqual(warnings(there), []);
  // The other stage is not in the image, and its step runs; that the COPY from it is known needs no look at it.
  t.is(await second.text(there.image, 'id'), await first.text(made.image, 'id'));
});

testWith(missingForBuilds, 'a place without a cache is told of, and the build goes on', async (t) => {
  const builder = await Builder.open(t);
  const built = await builder.make(
    'FROM localhost/busybox\nRUN true\n',
    {},
    { cacheFrom: ['type=local,src=/nothing'] },
  );
  t.deepEqual(warnings(built), ['import cache /nothing: there is none']);
});

/** Replaces text in the config of the only cache in a layout, and everything that names it. */
function forge(
  cache: string,
  change: (config: { records: Record<string, unknown>[]; diffIds: string[] }) => void,
): void {
  const path = (digest: string): string => join(cache, 'blobs', 'sha256', digest.slice(7));
  const put = (value: unknown): { digest: string; size: number } => {
    const bytes = JSON.stringify(value);
    const digest = `sha256:${sha256(bytes)}`;
    writeFileSync(path(digest), bytes);
    return { digest, size: bytes.length };
  };
  const index = JSON.parse(readFileSync(join(cache, 'index.json'), 'utf8'));
  const manifest = JSON.parse(readFileSync(path(index.manifests[0].digest), 'utf8'));
  const config = JSON.parse(readFileSync(path(manifest.config.digest), 'utf8'));
  change(config);
  Object.assign(manifest.config, put(config));
  Object.assign(index.manifests[0], put(manifest));
  writeFileSync(join(cache, 'index.json'), JSON.stringify(index));
}

/** The records of the cache in a layout, those of the first step first. */
function claimsOf(cache: string): readonly { readonly claims: readonly string[]; readonly result: string }[] {
  for (const name of readdirSync(join(cache, 'blobs', 'sha256'))) {
    const bytes = readFileSync(join(cache, 'blobs', 'sha256', name));
    if (bytes.subarray(0, 12).toString() !== '{"version":1') continue;
    const { records }: { records: { claims: string[]; result: string; layers: number[] }[] } = JSON.parse(
      bytes.toString(),
    );
    const byHeight = [...records].sort((one, other) => one.layers.length - other.layers.length);
    return byHeight.map(({ claims, result }) => ({ claims, result }));
  }
  throw new Error(`no cache in ${cache}`);
}

testWith(
  missingForBuilds,
  'S33: a forged record gives what it says to builds that ask for it, and is not believed by any other',
  async (t) => {
    const { first, second, cache } = await machines(t);
    const honest = 'FROM localhost/busybox\nRUN echo honest >/word\nRUN cp /word /copied\n';
    const evil = 'FROM localhost/busybox\nRUN echo evil >/word\n';
    await first.make(evil, {}, { cacheTo: [`type=local,dest=${cache}`] });
    const probe = join(temporaryDirectory(t), 'probe');
    await first.make(honest, {}, { cacheTo: [`type=local,dest=${probe}`] });
    const claims = claimsOf(probe);
    // The evil layer under the names of the honest build's first step.
    forge(cache, (config) => {
      for (const record of config.records) Object.assign(record, claims[0]);
    });
    const fooled = await second.make(honest, {}, { cacheFrom: [`type=local,src=${cache}`] });
    t.is(await second.text(fooled.image, 'copied'), 'evil\n');
    const own = await second.make(honest);
    t.is(own.cached, 0);
    t.is(await second.text(own.image, 'copied'), 'honest\n');
    t.is((await first.make(honest)).image.id, own.image.id);
  },
);

testWith(
  missingForBuilds,
  'S33: layers that are not what the cache says are refused, and nothing of them stays',
  async (t) => {
    const { first, second, cache } = await machines(t);
    const plain = 'FROM localhost/busybox\nRUN echo one >/one\nRUN cat /one\n';
    await first.make(plain, {}, { cacheTo: [`type=local,dest=${cache}`] });
    const cacheFrom = [`type=local,src=${cache}`];
    const refused = async (): Promise<string> => {
      const error = await second.fails(t, plain, {}, { cacheFrom });
      t.true(error instanceof CoracleError);
      return error.code;
    };
    forge(cache, (config) => {
      config.diffIds = config.diffIds.map(() => `sha256:${'0'.repeat(64)}`);
    });
    t.is(await refused(), 'INTEGRITY');
    t.deepEqual(second.stores.snapshots.list().length, 1);
    const own = await second.make(plain);
    t.is(own.cached, 0);
  },
);

const malformed: readonly (readonly [
  string,
  (config: { records: Record<string, unknown>[]; diffIds: string[] }) => void,
])[] = [
  ['a key that is none', (config) => Object.assign(config.records[0] ?? {}, { result: '../../x' })],
  ['a layer that is not there', (config) => Object.assign(config.records[0] ?? {}, { layers: [7] })],
  ['records that are no list', (config) => Object.assign(config, { records: {} })],
  ['another version', (config) => Object.assign(config, { version: 2 })],
  ['fewer diffIds than layers', (config) => Object.assign(config, { diffIds: [] })],
];

for (const [what, change] of malformed) {
  testWith(missingForBuilds, `a cache with ${what} is passed over with a warning`, async (t) => {
    const builder = await Builder.open(t);
    const cache = join(temporaryDirectory(t), 'cache');
    await builder.make('FROM localhost/busybox\nRUN echo x\n', {}, { cacheTo: [`type=local,dest=${cache}`] });
    forge(cache, change);
    const built = await builder.make(
      'FROM localhost/busybox\nRUN echo y\n',
      {},
      { cacheFrom: [`type=local,src=${cache}`] },
    );
    t.regex(warnings(built).join('\n'), /^import cache .*: parse cache /);
    t.is(built.output, 'y\n');
  });
}
