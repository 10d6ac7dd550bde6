import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Descriptor } from '../../lib/oci/descriptor.js';
import { type Digest, makeDigest } from '../../lib/oci/digest.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { parseReference } from '../../lib/oci/reference.js';
import { fetchBlob, getBlob, hasBlob } from '../../lib/registry/blobs.js';
import {
  createRegistryClient,
  type RegistryClient,
  type RegistryOptions,
} from '../../lib/registry/client.js';
import type { Credentials } from '../../lib/registry/credentials.js';
import { verifyLogin } from '../../lib/registry/login.js';
import { getManifest, hasManifest, listTags, putManifest, resolve } from '../../lib/registry/manifests.js';
import { mountBlob, uploadBlob, uploadStream } from '../../lib/registry/uploads.js';
import { testWith } from '../helpers/declare.js';
import { temporaryDirectory } from '../helpers/host.js';
import { missingRegistry, registryUser, startRegistry, type TestRegistry } from '../helpers/registry.js';

const captain: Credentials = { kind: 'password', ...registryUser };
const once = { retries: 0 };

function connect(
  t: ExecutionContext<unknown>,
  registry: TestRegistry,
  options: Partial<RegistryOptions> = {},
): RegistryClient {
  const client = createRegistryClient({ registry: registry.host, retry: once, env: {}, ...options });
  t.teardown(() => client.close());
  return client;
}

function digestOf(bytes: Uint8Array): Digest {
  return makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
}

async function* pieces(bytes: Buffer, size = 65_536): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

function collector(): { offset: number; chunks: Buffer[]; append(chunk: Uint8Array): void } {
  return {
    offset: 0,
    chunks: [],
    append(chunk) {
      this.chunks.push(Buffer.from(chunk));
      this.offset += chunk.length;
    },
  };
}

/** Pushes an image of one layer; returns its manifest's descriptor and the layer. */
async function pushImage(client: RegistryClient, repository: string, tag: string) {
  const layer = randomBytes(300_000);
  const config = Buffer.from(
    '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
  );
  const layerDescriptor = { mediaType: ociTypes.layer, digest: digestOf(layer), size: layer.length };
  const configDescriptor = { mediaType: ociTypes.config, digest: digestOf(config), size: config.length };
  await uploadBlob(client, repository, layerDescriptor, () => pieces(layer));
  await uploadBlob(client, repository, configDescriptor, () => pieces(config));
  const bytes = Buffer.from(
    serializeManifest({
      kind: 'manifest',
      mediaType: ociTypes.manifest,
      config: configDescriptor,
      layers: [layerDescriptor],
    }),
  );
  const reference = parseReference(`${client.registry}/${repository}:${tag}`);
  await putManifest(client, reference, { bytes, mediaType: ociTypes.manifest });
  const descriptor: Descriptor = {
    mediaType: ociTypes.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
  };
  return { reference, descriptor, layer, layerDescriptor, bytes };
}

async function roundTrip(t: ExecutionContext<unknown>, client: RegistryClient): Promise<void> {
  const pushed = await pushImage(client, 'team/app', 'one');
  t.deepEqual(await resolve(client, pushed.reference), pushed.descriptor);
  const fetched = await getManifest(client, pushed.reference);
  t.deepEqual(fetched.bytes, pushed.bytes);
  t.deepEqual(fetched.descriptor, pushed.descriptor);
  const sink = collector();
  await fetchBlob(client, 'team/app', pushed.layerDescriptor, sink);
  t.true(Buffer.concat(sink.chunks).equals(pushed.layer));
}

testWith(
  [missingRegistry()],
  'an image goes to a plain loopback registry and comes back the same',
  async (t) => {
    const client = connect(t, await startRegistry(t));
    await roundTrip(t, client);
    t.is((await client.base()).protocol, 'http:');
  },
);

testWith(
  [missingRegistry({ tls: true })],
  'a self-signed registry is refused until its certificate is named',
  async (t) => {
    const registry = await startRegistry(t, { tls: true });
    const error = await t.throwsAsync(connect(t, registry).ping(), { code: 'NETWORK' });
    t.regex(error?.message ?? '', /certificate of 127\.0\.0\.1:\d+ is not trusted/);
    t.regex(String(Reflect.get(error ?? {}, 'hint')), /--cert-dir.*--tls-verify=false/);
    await roundTrip(t, connect(t, registry, { certDir: registry.certDir }));
    await connect(t, registry, { caFiles: [registry.certFile], tlsVerify: true }).ping();
    await connect(t, registry, { env: { NODE_EXTRA_CA_CERTS: registry.certFile } }).ping();
    await connect(t, registry, { env: { CORACLE_EXTRA_CA_CERTS: registry.certFile } }).ping();
    await connect(t, registry, { tlsVerify: false }).ping();
  },
);

testWith([missingRegistry()], 'a plain registry is refused when verification is demanded', async (t) => {
  const registry = await startRegistry(t);
  const error = await t.throwsAsync(connect(t, registry, { tlsVerify: true }).ping(), { code: 'NETWORK' });
  t.regex(error?.message ?? '', /does not speak TLS/);
});

testWith([missingRegistry({ tls: true })], 'a registry with a password lets in who knows it', async (t) => {
  const registry = await startRegistry(t, { tls: true, password: true });
  const trust = { certDir: registry.certDir };
  await roundTrip(t, connect(t, registry, { ...trust, credentials: () => Promise.resolve(captain) }));
  const stranger = await t.throwsAsync(connect(t, registry, trust).ping(), { code: 'UNAUTHORIZED' });
  t.is(String(Reflect.get(stranger ?? {}, 'hint')).includes(`coracle login ${registry.host}`), true);
  const options = { registry: registry.host, retry: once, env: {}, ...trust };
  await verifyLogin(captain, options);
  const wrong = await t.throwsAsync(verifyLogin({ ...captain, password: 'no' }, options), {
    code: 'UNAUTHORIZED',
  });
  t.regex(wrong?.message ?? '', /wrong user name or password/);
});

testWith(
  [missingRegistry()],
  'a stream of unknown digest is uploaded, and one that fails leaves the registry usable',
  async (t) => {
    const client = connect(t, await startRegistry(t));
    const bytes = randomBytes(1_000_000);
    const descriptor = { digest: digestOf(bytes), size: bytes.length };
    const uploaded = await uploadStream(client, 'team/app', () => ({
      chunks: pieces(bytes, 10_000),
      finish: () => descriptor,
    }));
    t.deepEqual(uploaded, descriptor);
    t.true(await hasBlob(client, 'team/app', descriptor));
    async function* broken(): AsyncGenerator<Buffer> {
      yield bytes;
      throw new TypeError('disk on fire');
    }
    const source = { chunks: broken(), finish: () => descriptor };
    await t.throwsAsync(
      uploadStream(client, 'team/app', () => source),
      { code: 'IO', message: /disk on fire/ },
    );
    const wrong = { digest: digestOf(Buffer.from('other')), size: bytes.length };
    await t.throwsAsync(
      uploadBlob(client, 'team/app', wrong, () => pieces(bytes)),
      { code: 'REGISTRY', message: /digest did not match/ },
    );
    await t.throwsAsync(
      uploadBlob(client, 'team/app', { ...wrong, size: 5 }, () => pieces(bytes)),
      { code: 'INTEGRITY' },
    );
    t.false(await hasBlob(client, 'team/app', wrong));
  },
);

testWith(
  [missingRegistry()],
  'a blob is mounted from another repository, or reported as not mounted',
  async (t) => {
    const client = connect(t, await startRegistry(t));
    const { layerDescriptor } = await pushImage(client, 'team/app', 'one');
    t.true(await mountBlob(client, 'team/other', layerDescriptor.digest, 'team/app'));
    t.true(await hasBlob(client, 'team/other', layerDescriptor));
    t.false(await mountBlob(client, 'team/other', digestOf(Buffer.from('nothing')), 'team/app'));
  },
);

testWith([missingRegistry()], 'fetching goes on where a sink stands', async (t) => {
  const client = connect(t, await startRegistry(t));
  const { layer, layerDescriptor } = await pushImage(client, 'team/app', 'one');
  const opened = await getBlob(client, 'team/app', layerDescriptor, { offset: 299_990 });
  const rest: Buffer[] = [];
  for await (const chunk of opened.chunks) rest.push(chunk);
  t.is(opened.offset, 299_990);
  t.true(Buffer.concat(rest).equals(layer.subarray(299_990)));
});

testWith([missingRegistry()], 'tags are listed, and what is not there is said to be not found', async (t) => {
  const client = connect(t, await startRegistry(t));
  await pushImage(client, 'team/app', 'one');
  await pushImage(client, 'team/app', 'two');
  t.deepEqual([...(await listTags(client, 'team/app'))].sort(), ['one', 'two']);
  const absent = parseReference(`${client.registry}/team/app:three`);
  await t.throwsAsync(resolve(client, absent), { code: 'NOT_FOUND' });
  await t.throwsAsync(getManifest(client, absent), { code: 'NOT_FOUND', message: /manifest unknown/ });
  t.false(await hasManifest(client, absent));
  await t.throwsAsync(listTags(client, 'team/nobody'), { code: 'NOT_FOUND' });
});

testWith([missingRegistry()], 'a registry that vanished is named', async (t) => {
  const registry = await startRegistry(t);
  const { host } = registry;
  const client = connect(t, registry);
  await client.ping();
  await registry.stop();
  const gone = await t.throwsAsync(client.ping(), { code: 'NETWORK' });
  t.regex(gone?.message ?? '', new RegExp(`${host} (refused the connection|broke off)`));
  const never = await t.throwsAsync(connect(t, registry).ping(), { code: 'NETWORK' });
  t.is(never?.message, `connect to ${host}: ${host} refused the connection`);
});

testWith(
  [missingRegistry({ tls: true })],
  'a bad certificate file or directory is an error that names it',
  async (t) => {
    const registry = await startRegistry(t, { tls: true });
    const directory = temporaryDirectory(t);
    await t.throwsAsync(connect(t, registry, { certDir: join(directory, 'no') }).ping(), {
      code: 'NOT_FOUND',
    });
    writeFileSync(join(directory, 'me.cert'), 'x');
    await t.throwsAsync(connect(t, registry, { certDir: directory }).ping(), {
      code: 'NOT_FOUND',
      message: /no me\.key beside it/,
    });
    const env = { NODE_EXTRA_CA_CERTS: join(directory, 'absent.pem') };
    await t.throwsAsync(connect(t, registry, { env }).ping(), { code: 'IO', message: /absent\.pem/ });
  },
);
