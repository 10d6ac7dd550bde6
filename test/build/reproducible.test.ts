/** The same context, arguments and bases give the same digest on any machine; who wants the clock gets it. */
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { BuildOptions } from '../../lib/build/options.js';
import { readLayerTar } from '../../lib/image/layer-reader.js';
import { openStores } from '../../lib/image/stores.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { loadImages } from '../../lib/transfer/load.js';
import { saveImages } from '../../lib/transfer/save.js';
import { plainEnvironment, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { Builder, type Built, drivers, type Files, missingForBuilds, writeFiles } from './builder.js';

const dockerfile = `FROM localhost/busybox AS made
WORKDIR /made/deep
RUN mkdir -p out && echo made >out/f && ln out/f out/a && ln out/f out/z
RUN rm -r /var/www && mkdir /var/www && echo new >/var/www/page && echo home >/home/x
FROM localhost/busybox
ARG who
COPY --chown=33 . /c/
COPY --from=made /made /w
COPY <<EOF /etc/said
hello
EOF
ADD some.tar /unpacked/
RUN mkfifo /pipe && rm /etc/group && chmod 700 /srv && touch /c/b/new && ln -s new /c/link && echo "$who" >/who
ENV a=b
`;

const files: Files = {
  Dockerfile: dockerfile,
  'b/x': 'x',
  'b/a': 'a',
  'é/f': 'accent',
  z: 'last',
  'A/upper': '',
  'some.tar': makeTar([
    { name: 't/late', content: 'x', mtime: 4_000_000_000 },
    { name: 't/early', mtime: 5 },
  ]),
};

/** A store with the base image, and what a process that builds in it said. */
class Machine {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Loads the archive `base` into a new store. */
  static async open(t: ExecutionContext<unknown>, base: string): Promise<Machine> {
    const directory = temporaryDirectory(t);
    const stores = openStores({ root: join(directory, 'root'), env: { XDG_RUNTIME_DIR: directory } });
    await loadImages(stores, base);
    await stores.close();
    return new Machine(directory);
  }

  /** Builds and gives the manifest's digest. */
  async build(
    context: string,
    driver: string,
    how: readonly string[] = [],
    node: readonly string[] = [],
  ): Promise<string> {
    const program = join(import.meta.dirname, 'build-process.js');
    const [command = process.execPath, ...args] = [
      ...how,
      process.execPath,
      ...node,
      program,
      this.directory,
      context,
      driver,
    ];
    const env = {
      ...plainEnvironment(),
      HOME: this.directory,
      CORACLE_NATIVE_DIR: process.env.CORACLE_NATIVE_DIR,
    };
    const { stdout, stderr } = await runProgram(command, args, { env });
    const digest = /^built \S+ \d+ (\S+)$/m.exec(stdout)?.[1];
    if (digest === undefined) throw new Error(`build in ${this.directory}: ${stdout}${stderr}`);
    return digest;
  }
}

/** An archive of the base image, and the digest that a first machine makes of the context. */
async function prepare(
  t: ExecutionContext<unknown>,
): Promise<{ readonly base: string; readonly digest: string }> {
  const builder = await Builder.open(t);
  const base = join(builder.directory, 'base.oci');
  await saveImages(builder.stores, ['localhost/busybox:latest'], base, { format: 'oci-archive' });
  const first = await Machine.open(t, base);
  return { base, digest: await first.build(builder.context(files), 'overlay') };
}

/** Waits until the clock shows another second than at the call. */
async function nextSecond(): Promise<void> {
  const now = Math.floor(Date.now() / 1000);
  while (Math.floor(Date.now() / 1000) === now) await sleep(20);
}

testWith(
  [...missingForBuilds, missingProgram('unshare')],
  'another store, clock, user, umask, place and order of files give the same digest',
  async (t) => {
    const { base, digest } = await prepare(t);
    await nextSecond();
    const copy = join(temporaryDirectory(t), 'elsewhere');
    // New times, new inodes, made in another order.
    writeFiles(copy, Object.fromEntries(Object.entries(files).reverse()));
    utimesSync(join(copy, 'b'), 1, 1);
    utimesSync(join(copy, 'z'), 4_000_000_000, 4_000_000_000);
    const root = ['unshare', '--user', '--map-root-user', '--map-auto'];
    const other = ['--import', join(import.meta.dirname, 'other-machine.js')];
    const machine = await Machine.open(t, base);
    t.is(await machine.build(copy, 'overlay', root, other), digest);
  },
);

for (const { name, missing } of drivers.filter((driver) => driver.name !== 'overlay')) {
  testWith(
    [...missingForBuilds, ...missing],
    `the driver ${name} gives the digest that overlay gives`,
    async (t) => {
      const { base, digest } = await prepare(t);
      const context = join(temporaryDirectory(t), 'context');
      writeFiles(context, files);
      t.is(await (await Machine.open(t, base)).build(context, name), digest);
    },
  );
}

testWith(
  missingForBuilds,
  'an image built here and its copy from an archive are the same base',
  async (t) => {
    const first = await Builder.open(t);
    const made = 'FROM localhost/busybox\nRUN echo made >/made && mkdir /d && echo f >/d/f\n';
    const { image } = await first.make(made, {}, { tags: ['localhost/made'] });
    const archive = join(first.directory, 'made.oci');
    await saveImages(first.stores, ['localhost/made'], archive, { format: 'oci-archive' });
    const again = 'FROM localhost/made\nCOPY --from=localhost/made /d /e\nRUN cp -a /made /copied\n';
    const here = await first.make(again);
    const second = await Builder.open(t);
    const [loaded] = await loadImages(second.stores, archive);
    t.is(loaded?.id, image.id);
    // The manifests differ in how the layers below are compressed.
    t.is((await second.make(again)).image.id, here.image.id);
  },
);

/** Times of the files in the uppermost layer, by path. */
async function times(builder: Builder, { image }: Built): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  const top = image.config.rootfs.diff_ids.length - 1;
  for await (const entry of readTar(readLayerTar(image, top, builder.stores), defaultTarLimits))
    if (entry.type === 'file') found[entry.path.toString()] = entry.mtime.s;
  return found;
}

/** What a COPY of a file from 2001 and one from 2096 gives. */
async function copied(
  t: ExecutionContext<unknown>,
  options: Partial<BuildOptions>,
): Promise<Built & { at: object; base: number }> {
  const builder = await Builder.open(t);
  const context = builder.context({
    Dockerfile: 'FROM localhost/busybox\nCOPY old late /\n',
    old: '',
    late: '',
  });
  utimesSync(join(context, 'old'), 1_000_000_000, 1_000_000_000);
  utimesSync(join(context, 'late'), 4_000_000_000, 4_000_000_000);
  const built = await builder.build(context, options);
  const created = builder.stores.images.resolve('localhost/busybox').config.created ?? '';
  return { ...built, at: await times(builder, built), base: Math.floor(Date.parse(created) / 1000) };
}

testWith(
  missingForBuilds,
  'files from the context, the image and its history have the time of the base image',
  async (t) => {
    const { at, image, base } = await copied(t, {});
    const created = new Date(base * 1000).toISOString();
    t.deepEqual(at, { old: base, late: base });
    t.is(image.config.created, created);
    t.is(image.config.history?.at(-1)?.created, created);
  },
);

testWith(
  missingForBuilds,
  'SOURCE_DATE_EPOCH as option, build argument or global ARG is the time of all',
  async (t) => {
    for (const options of [{ sourceDateEpoch: 77 }, { buildArgs: { SOURCE_DATE_EPOCH: '77' } }]) {
      const { at, image } = await copied(t, options);
      t.deepEqual(at, { old: 77, late: 77 });
      t.is(image.config.created, '1970-01-01T00:01:17.000Z');
    }
    const builder = await Builder.open(t);
    const text =
      'ARG SOURCE_DATE_EPOCH=78\nFROM localhost/busybox\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH\n';
    const { image, output } = await builder.make(text);
    t.deepEqual([image.config.created, output], ['1970-01-01T00:01:18.000Z', '78\n']);
  },
);

testWith(
  missingForBuilds,
  'SOURCE_DATE_EPOCH may be the time of a stage, and an unknown name is refused',
  async (t) => {
    const builder = await Builder.open(t);
    await builder.make('FROM scratch\nLABEL a=b\n', {}, { tags: ['localhost/old'], sourceDateEpoch: 99 });
    const text = 'FROM localhost/old AS old\nFROM localhost/busybox\nRUN echo x >/x\n';
    const { image } = await builder.make(text, {}, { sourceDateEpoch: 'old' });
    t.is(image.config.created, '1970-01-01T00:01:39.000Z');
    const error = await builder.fails(t, text, {}, { sourceDateEpoch: 'new' });
    t.deepEqual(
      [error.code, error.message],
      ['USAGE', 'read SOURCE_DATE_EPOCH "new": neither seconds since 1970 nor a stage'],
    );
  },
);

testWith(missingForBuilds, 'who opts out gets the clock and the times of the files', async (t) => {
  const began = Date.now();
  const { at, image } = await copied(t, { reproducible: false });
  t.deepEqual(at, { old: 1_000_000_000, late: 4_000_000_000 });
  t.true(Date.parse(image.config.created ?? '') >= began - 1000);
});

testWith(missingForBuilds, 'images tells when the image was built here', async (t) => {
  const builder = await Builder.open(t);
  const began = Date.now();
  const { image } = await builder.make('FROM scratch\nLABEL a=b\n', {}, { tags: ['localhost/plain'] });
  builder.stores.images.tag(image, 'localhost/other');
  t.is(image.config.created, '1970-01-01T00:00:00.000Z');
  const [listed] = builder.stores.images.list().filter(({ id }) => id === image.id);
  t.is(listed?.references.length, 2);
  t.true(Date.parse(listed?.created ?? '') >= began - 1000);
});
