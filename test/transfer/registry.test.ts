import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { ImageRecord } from '../../lib/image/image-record.js';
import { openStores, type Stores } from '../../lib/image/stores.js';
import { digestHex } from '../../lib/oci/digest.js';
import { loadImages } from '../../lib/transfer/load.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { pushImage } from '../../lib/transfer/push.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';
import { putImage, putIndex, testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { attestedIndex, baseImage, baseTar, derivedImage, EventLog, failsWith } from './transfer-fixture.js';

const missing = [missingAgent(), missingRegistry()];

function layerFile(stores: Stores, image: ImageRecord, path: string): string {
  const [top] = stores.snapshots.layerPaths(stores.images.topSnapshot(image) ?? fail());
  return readFileSync(join(top ?? '', path), 'utf8');
}

function fail(): never {
  throw new Error('the image is not unpacked');
}

testWith(
  missing,
  'a pushed image is pulled into an empty store under the same digest, with all its files',
  async (t) => {
    const { host } = await startRegistry(t);
    const [one, two] = [testStores(t), testStores(t)];
    const base = await baseImage(one, `${host}/team/base:1`);
    const image = await derivedImage(one, base, `${host}/team/app:1`);
    const { descriptor } = await pushImage(one, image, `${host}/team/app:1`);
    const log = new EventLog();
    const pulled = await pullImage(two, `${host}/team/app:1`, {}, log.take);
    t.is(pulled.descriptor.digest, descriptor.digest);
    t.is(pulled.id, image.id);
    t.deepEqual(
      pulled.manifest.layers.map(({ mediaType }) => mediaType.endsWith('tar+gzip')),
      [true, true],
    );
    t.is(layerFile(two, pulled, 'added'), `added to ${host}/team/app:1`);
    t.deepEqual([...log.statuses()].sort(), ['done', 'downloading', 'extracting', 'waiting']);
    t.deepEqual(readdirSync(join(two.paths.staging, 'partial')), []);
  },
);

testWith(missing, 'a second push and a second pull transfer no layer', async (t) => {
  const { host } = await startRegistry(t);
  const stores = testStores(t);
  const name = `${host}/base:1`;
  await baseImage(stores, name);
  const first = await pushImage(stores, name, name);
  const log = new EventLog();
  const second = await pushImage(stores, name, name, {}, log.take);
  t.deepEqual(second, first);
  t.deepEqual([...log.statuses()], ['exists']);
  const other = testStores(t);
  await pullImage(other, name);
  const again = new EventLog();
  await pullImage(other, name, {}, again.take);
  t.deepEqual([...again.statuses()].sort(), ['done', 'exists', 'waiting']);
});

testWith(missing, 'a pulled image is pushed elsewhere with every digest kept', async (t) => {
  const [from, to] = [await startRegistry(t), await startRegistry(t)];
  const [one, two] = [testStores(t), testStores(t)];
  await baseImage(one, `${from.host}/base`);
  const { descriptor } = await pushImage(one, `${from.host}/base`, `${from.host}/base`);
  await pullImage(two, `${from.host}/base`);
  const copied = await pushImage(two, `${from.host}/base`, `${to.host}/copy:2`);
  t.is(copied.descriptor.digest, descriptor.digest);
});

testWith(missing, 'layers go as zstd when asked', async (t) => {
  const { host } = await startRegistry(t);
  const [one, two] = [testStores(t), testStores(t)];
  const image = await baseImage(one, `${host}/base`);
  await pushImage(one, image, `${host}/base`, { compression: 'zstd' });
  const pulled = await pullImage(two, `${host}/base`);
  t.true(pulled.manifest.layers[0]?.mediaType.endsWith('tar+zstd'));
  t.is(pulled.id, image.id);
});

testWith(missing, 'a layer another repository of the registry has is mounted, not sent', async (t) => {
  const { host } = await startRegistry(t);
  const stores = testStores(t);
  const source = testStores(t);
  await baseImage(source, `${host}/one`);
  await pushImage(source, `${host}/one`, `${host}/one`);
  await pullImage(stores, `${host}/one`);
  const log = new EventLog();
  await pushImage(stores, `${host}/one`, `${host}/two`, {}, log.take);
  t.false(
    log.statuses().has('pushing') &&
      log.events.some(
        (event) =>
          event.kind === 'layer' &&
          event.status === 'pushing' &&
          event.total !== undefined &&
          event.total > 2000,
      ),
  );
  await pullImage(testStores(t), `${host}/two`);
});

testWith(missing, 'an index goes whole, and each platform gets its image', async (t) => {
  const { host } = await startRegistry(t);
  const stores = testStores(t);
  const index = await putIndex(stores, [
    { author: 'amd', platform: { os: 'linux', architecture: 'amd64' } },
    { author: 'arm', platform: { os: 'linux', architecture: 'arm64' } },
  ]);
  stores.images.tag(index, `${host}/multi:1`);
  const { descriptor } = await pushImage(stores, `${host}/multi:1`, `${host}/multi:1`);
  t.is(descriptor.digest, index.digest);
  for (const [architecture, author] of [
    ['amd64', 'amd'],
    ['arm64', 'arm'],
  ] as const) {
    const other = testStores(t);
    const pulled = await pullImage(other, `${host}/multi:1`, { platform: { os: 'linux', architecture } });
    t.deepEqual([pulled.config.author, pulled.descriptor.digest], [author, index.digest]);
    const log = new EventLog();
    const alone = await pushImage(other, pulled, `${host}/single:${architecture}`, {}, log.take);
    t.is(alone.descriptor.digest, pulled.manifestDescriptor.digest);
    t.regex(log.texts()[0] ?? '', /only some of the index/);
  }
  const error = await failsWith(
    t,
    pullImage(testStores(t), `${host}/multi:1`, { platform: { os: 'linux', architecture: 's390x' } }),
    'NOT_FOUND',
    /nothing for linux\/s390x/,
  );
  t.regex(error?.hint ?? '', /linux\/amd64, linux\/arm64/);
});

testWith(missing, 'attestations in an index go with it, to registries and archives', async (t) => {
  const { host } = await startRegistry(t);
  const stores = testStores(t);
  const index = await attestedIndex(stores, await putImage(stores, { author: 'x', layers: [baseTar] }));
  stores.images.tag(index, `${host}/attested`);
  const { descriptor } = await pushImage(stores, `${host}/attested`, `${host}/attested`);
  t.is(descriptor.digest, index.digest);
  t.is((await pullImage(testStores(t), `${host}/attested`)).config.author, 'x');
  const file = join(temporaryDirectory(t), 'attested.tar');
  await saveImages(stores, [`${host}/attested`], file, { format: 'oci-archive' });
  const other = testStores(t);
  const [loaded] = await loadImages(other, file);
  t.is(loaded?.descriptor.digest, index.digest);
  t.is((await pushImage(other, `${host}/attested`, `${host}/again`)).descriptor.digest, index.digest);
});

testWith(
  missing,
  'an image of another platform is pulled with a message, and refused when a platform was asked for',
  async (t) => {
    const { host } = await startRegistry(t);
    const stores = testStores(t);
    const descriptor = await putImage(stores, {
      author: 'x',
      platform: { os: 'linux', architecture: 's390x' },
    });
    stores.images.tag(descriptor, `${host}/odd`);
    await pushImage(stores, `${host}/odd`, `${host}/odd`);
    const log = new EventLog();
    await pullImage(testStores(t), `${host}/odd`, {}, log.take);
    t.regex(log.texts().join(), /the image is for linux\/s390x/);
    await failsWith(
      t,
      pullImage(testStores(t), `${host}/odd`, { platform: { os: 'linux', architecture: 'arm64' } }),
      'NOT_FOUND',
      /it is for linux\/s390x, not linux\/arm64/,
    );
  },
);

testWith(missing, 'pull policies decide whether the registry is asked', async (t) => {
  const registry = await startRegistry(t);
  const name = `${registry.host}/base`;
  const [one, two] = [testStores(t), testStores(t)];
  await baseImage(one, name);
  await failsWith(t, pullImage(two, name, { policy: 'never' }), 'NOT_FOUND', /not in the store/);
  await pushImage(one, name, name);
  await pullImage(two, name, { policy: 'missing' });
  await registry.stop();
  const { id } = await pullImage(two, name, { policy: 'missing' });
  t.is((await pullImage(two, name, { policy: 'never' })).id, id);
  const log = new EventLog();
  t.is((await pullImage(two, name, { policy: 'newer', retry: 0 }, log.take)).id, id);
  t.regex(log.texts().join(), /using the image in the store/);
  await failsWith(t, pullImage(two, name, { retry: 0 }), 'NETWORK', /127\.0\.0\.1/);
  await failsWith(t, pushImage(one, name, name, { retry: 0 }), 'NETWORK', /127\.0\.0\.1/);
});

testWith(
  [...missing, missingRegistry({ tls: true })],
  'certificates and passwords are checked',
  async (t) => {
    const { host, certDir } = await startRegistry(t, { tls: true, password: true });
    const stores = testStores(t);
    const name = `${host}/base`;
    await baseImage(stores, name);
    const creds = `${registryUser.username}:${registryUser.password}`;
    const env = { HOME: temporaryDirectory(t) };
    await failsWith(
      t,
      pushImage(stores, name, name, { creds, env, tlsVerify: true, retry: 0 }),
      'NETWORK',
      /certificate/,
    );
    await failsWith(
      t,
      pushImage(stores, name, name, { creds: 'captain:wrong', env, certDir }),
      'UNAUTHORIZED',
      /./,
    );
    await failsWith(t, pushImage(stores, name, name, { env, certDir }), 'UNAUTHORIZED', /./);
    await pushImage(stores, name, name, { creds, env, certDir });
    const pulled = await pullImage(testStores(t), name, { creds, env, certDir });
    t.is(pulled.references.length, 1);
  },
);

testWith(missing, 'what is not there is said to be not there', async (t) => {
  const { host } = await startRegistry(t);
  const stores = testStores(t);
  await failsWith(t, pullImage(stores, `${host}/nothing:1`), 'NOT_FOUND', /nothing/);
  await failsWith(t, pushImage(stores, 'nothing', `${host}/nothing:1`), 'NOT_FOUND', /not in the store/);
  t.deepEqual(stores.content.list(), []);
});

testWith(
  [...missing, missingProgram('skopeo'), missingProgram('umoci')],
  'skopeo and umoci read what was pushed as valid',
  async (t) => {
    const { host } = await startRegistry(t);
    const stores = testStores(t);
    const base = await baseImage(stores, `${host}/base`);
    const image = await derivedImage(stores, base, `${host}/app:1`);
    const { descriptor } = await pushImage(stores, image, `${host}/app:1`);
    const directory = temporaryDirectory(t);
    const env = { ...process.env, HOME: directory };
    const run = (program: string, ...args: string[]): string =>
      execFileSync(program, args, {
        cwd: directory,
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    const seen: Record<string, unknown> = JSON.parse(
      run('skopeo', 'inspect', '--tls-verify=false', `docker://${host}/app:1`),
    );
    t.is(seen.Digest, descriptor.digest);
    run(
      'skopeo',
      '--insecure-policy',
      'copy',
      '--src-tls-verify=false',
      `docker://${host}/app:1`,
      'oci:layout:app',
    );
    run('umoci', 'unpack', '--rootless', '--image', 'layout:app', 'bundle');
    t.is(readFileSync(join(directory, 'bundle/rootfs/added'), 'utf8'), `added to ${host}/app:1`);
    t.is(readFileSync(join(directory, 'bundle/rootfs/etc/name'), 'utf8'), 'base');
  },
);

/** A proxy before a registry that changes some answers. */
async function tampering(
  t: ExecutionContext<unknown>,
  upstream: string,
  change: (request: IncomingMessage, body: Buffer) => Buffer | 'cut' | 'stall' | undefined,
): Promise<string> {
  const server = createServer((request, response) => void answer(request, response));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const headers = request.headers.range === undefined ? {} : { range: request.headers.range };
    const found = await fetch(`${upstream}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { ...headers, accept: request.headers.accept ?? '*/*' },
    });
    const body = Buffer.from(await found.arrayBuffer());
    const changed = request.method === 'GET' ? change(request, body) : undefined;
    const names = ['content-type', 'docker-content-digest', 'content-range', 'content-length'];
    const kept = names.flatMap((name) => {
      const value = found.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(found.status, Object.fromEntries(kept));
    if (changed !== 'cut' && changed !== 'stall') return void response.end(changed ?? body);
    response.write(
      body.subarray(0, Math.floor(body.length / 2)),
      () => changed === 'cut' && response.destroy(),
    );
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address() as AddressInfo;
  return `127.0.0.1:${address.port}`;
}

async function pushedImage(
  t: ExecutionContext<unknown>,
): Promise<{ url: string; host: string; layer: string; size: number; digest: string }> {
  const { host, url } = await startRegistry(t);
  const stores = testStores(t);
  // incompressible, so that layers are large enough to break in the middle
  const noise = randomBytes(3_000_000);
  await baseImage(stores, `${host}/base`, makeTar([{ name: 'noise', content: noise }]));
  const { descriptor } = await pushImage(stores, `${host}/base`, `${host}/base`);
  const manifest = (await (
    await fetch(`${url}/v2/base/manifests/latest`, { headers: { accept: descriptor.mediaType } })
  ).json()) as { layers: { digest: string; size: number }[] };
  const [layer] = manifest.layers;
  return { url, host, layer: layer?.digest ?? '', size: layer?.size ?? 0, digest: descriptor.digest };
}

function leftovers(stores: Stores): unknown {
  const names = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
  return {
    partials: names(join(stores.paths.staging, 'partial')),
    snapshots: stores.snapshots.ids(),
    images: stores.images.entries().length,
  };
}
const nothing = { partials: [], snapshots: [], images: 0 };

testWith(missing, 'S21: a layer with other bytes is refused and nothing of it stays', async (t) => {
  const { url, layer } = await pushedImage(t);
  const host = await tampering(t, url, (request, body) => {
    if (!request.url?.includes(layer)) return undefined;
    const flipped = Buffer.from(body);
    flipped[body.length >> 1] = (flipped[body.length >> 1] ?? 0) ^ 0xff;
    return flipped;
  });
  const stores = testStores(t);
  await failsWith(t, pullImage(stores, `${host}/base`, { retry: 0 }), 'INTEGRITY', /blob/);
  t.deepEqual(leftovers(stores), nothing);
  t.false(stores.content.list().map(String).includes(layer));
});

testWith(missing, 'S21: a manifest with other bytes is refused', async (t) => {
  const { url, digest } = await pushedImage(t);
  const host = await tampering(t, url, (request, body) =>
    request.url?.includes('manifests') ? Buffer.from(body.toString().replace('layers', 'LAYERS')) : undefined,
  );
  const stores = testStores(t);
  await failsWith(t, pullImage(stores, `${host}/base@${digest}`, { retry: 0 }), 'INTEGRITY', /digest/);
  t.deepEqual(leftovers(stores), nothing);
});

testWith(
  missing,
  'S21: a config that belongs to other layers is refused and no snapshot stays',
  async (t) => {
    const { host } = await startRegistry(t);
    const source = testStores(t);
    const honest = await putImage(source, { author: 'x', layers: [Buffer.alloc(1024)] });
    const bytes = (await source.content.read(honest.digest)).toString();
    const manifest: { config: { digest: string; size: number } } = JSON.parse(bytes);
    const lying = await source.content.put(
      Buffer.from(
        `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:${'0'.repeat(64)}"]}}`,
      ),
    );
    const text = bytes
      .replace(manifest.config.digest, lying.digest)
      .replace(`"size":${manifest.config.size}`, `"size":${lying.size}`);
    const descriptor = { ...honest, ...(await source.content.put(Buffer.from(text))) };
    source.images.tag(descriptor, `${host}/lie`);
    await pushImage(source, `${host}/lie`, `${host}/lie`);
    const stores = testStores(t);
    await failsWith(t, pullImage(stores, `${host}/lie`), 'INTEGRITY', /diffID/);
    t.deepEqual(leftovers(stores), nothing);
  },
);

testWith(missing, 'a connection that breaks is taken up again where it broke', async (t) => {
  const { url, layer } = await pushedImage(t);
  const ranges: (string | undefined)[] = [];
  const host = await tampering(t, url, (request) => {
    if (!request.url?.includes(layer)) return undefined;
    ranges.push(request.headers.range);
    return ranges.length < 3 ? 'cut' : undefined;
  });
  const log = new EventLog();
  const image = await pullImage(testStores(t), `${host}/base`, { retryDelay: 10 }, log.take);
  t.is(ranges.length, 3);
  t.regex(ranges[2] ?? '', /^bytes=\d{3,}-/);
  t.is(String(image.manifest.layers[0]?.digest), layer);
  t.true(log.texts().some((text) => text.includes('trying again')));
});

testWith(missing, 'a pull that gives up keeps what came, and the next one goes on from there', async (t) => {
  const { url, layer, size } = await pushedImage(t);
  let broken = true;
  const ranges: (string | undefined)[] = [];
  const host = await tampering(t, url, (request) => {
    if (!request.url?.includes(layer)) return undefined;
    ranges.push(request.headers.range);
    return broken ? 'cut' : undefined;
  });
  const stores = testStores(t);
  await failsWith(t, pullImage(stores, `${host}/base`, { retry: 0 }), 'NETWORK', /./);
  const partial = join(stores.paths.staging, 'partial', layer.replace(':', '-'));
  t.is(statSync(partial).size, Math.floor(size / 2));
  broken = false;
  await pullImage(stores, `${host}/base`);
  t.is(ranges.at(-1), `bytes=${Math.floor(size / 2)}-${size - 1}`);
  t.false(existsSync(partial));
});

testWith(missing, 'an aborted pull keeps what came and leaves no snapshot', async (t) => {
  const { url, layer } = await pushedImage(t);
  const host = await tampering(t, url, () => undefined);
  const stores = testStores(t);
  const abort = new AbortController();
  const onEvent = (event: { kind: string; status?: string; current?: number }): void => {
    if (event.status === 'downloading' && (event.current ?? 0) > 0) abort.abort();
  };
  await failsWith(
    t,
    pullImage(stores, `${host}/base`, { signal: abort.signal }, onEvent),
    'ABORTED',
    /abort/,
  );
  t.deepEqual(stores.snapshots.ids(), []);
  const partial = join(stores.paths.staging, 'partial', layer.replace(':', '-'));
  t.true(existsSync(partial) || stores.content.list().map(String).includes(layer));
});

testWith(missing, 'two pulls of one image at once do the work once and both succeed', async (t) => {
  const { host } = await pushedImage(t);
  const stores = testStores(t);
  const [one, two] = await Promise.all([
    pullImage(stores, `${host}/base`),
    pullImage(stores, `${host}/base`),
  ]);
  t.is(one.id, two.id);
  t.is(stores.snapshots.ids().length, 1);
});

testWith(missing, 'files of the store that somebody changed do not reach the registry', async (t) => {
  const { host, storage } = await startRegistry(t);
  const stores = testStores(t);
  const image = await baseImage(stores, `${host}/base`);
  const [layer] = stores.snapshots.layerPaths(stores.images.topSnapshot(image) ?? fail());
  writeFileSync(join(layer ?? '', 'bin/tool'), 'changed');
  await failsWith(t, pushImage(stores, image, `${host}/base`), 'INTEGRITY', /diffID/);
  t.false(existsSync(join(storage, 'docker/registry/v2/repositories/base/_manifests/tags/latest')));
  t.is(digestHex(image.configDigest), image.id);
});

testWith(
  missing,
  'a pull that is killed leaves what the next one goes on with, and no half snapshot',
  async (t) => {
    const { url, layer, size } = await pushedImage(t);
    let stalls = true;
    const ranges: (string | undefined)[] = [];
    const host = await tampering(t, url, (request) => {
      if (!request.url?.includes(layer)) return undefined;
      ranges.push(request.headers.range);
      return stalls ? 'stall' : undefined;
    });
    const directory = temporaryDirectory(t);
    const program = join(import.meta.dirname, 'pull-process.js');
    const child = spawn(process.execPath, [program, join(directory, 'store'), `${host}/base`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    await once(child.stdout, 'data');
    // bytes are gathered before they are written
    await delay(200);
    child.kill('SIGKILL');
    await ended;
    stalls = false;
    const stores = openStores({
      root: join(directory, 'store'),
      env: { ...process.env, XDG_RUNTIME_DIR: directory },
    });
    t.teardown(() => stores.close());
    t.deepEqual([stores.snapshots.ids(), stores.images.entries()], [[], []]);
    const image = await pullImage(stores, `${host}/base`);
    t.is(stores.snapshots.ids().length, 1);
    t.is(stores.content.size(image.manifest.layers[0]?.digest ?? image.configDigest), size);
    t.regex(ranges[1] ?? '', /^bytes=[1-9]\d*-/);
  },
);

testWith(
  [...missing, missingProgram('unshare')],
  'a pull into a full disk says so and leaves nothing half done',
  async (t) => {
    const { host } = await pushedImage(t);
    const directory = temporaryDirectory(t);
    const program = join(import.meta.dirname, 'pull-process.js');
    const script = `mount -t tmpfs -o size=2m,mode=700 none ${directory} && exec ${process.execPath} ${program} ${directory}/store ${host}/base`;
    const { stdout, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', script], { encoding: 'utf8' });
    t.is(stderr, '');
    t.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''), { outcome: 'NO_SPACE', left: [] });
  },
);
