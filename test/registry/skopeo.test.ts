/** Skopeo as the oracle: it reads what we push and the logins we write, and we read what it pushes and writes. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Digest, makeDigest } from '../../lib/oci/digest.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { dockerTypes, ociTypes } from '../../lib/oci/media-types.js';
import { parseReference } from '../../lib/oci/reference.js';
import { fetchBlob } from '../../lib/registry/blobs.js';
import { createRegistryClient, type RegistryClient } from '../../lib/registry/client.js';
import { type CredentialSources, storedCredentials } from '../../lib/registry/credentials.js';
import { storeLogin } from '../../lib/registry/login.js';
import { getManifest, putManifest, resolve } from '../../lib/registry/manifests.js';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';
import { collector } from './hostile-fixtures.js';

const missing = [missingRegistry(), missingProgram('skopeo')];

function skopeo(directory: string, ...args: readonly string[]): string {
  const env = { PATH: process.env.PATH, HOME: directory, XDG_RUNTIME_DIR: directory, TMPDIR: directory };
  const done = spawnSync('skopeo', ['--insecure-policy', ...args], { encoding: 'utf8', env });
  if (done.status !== 0) throw new Error(`skopeo ${args.join(' ')}: ${done.error?.message ?? done.stderr}`);
  return done.stdout;
}

function digestOf(bytes: Uint8Array): Digest {
  return makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
}

function connect(
  t: ExecutionContext<unknown>,
  registry: string,
  sources?: CredentialSources,
): RegistryClient {
  const credentials = sources === undefined ? {} : { credentials: storedCredentials(sources) };
  const client = createRegistryClient({ registry, env: {}, ...credentials });
  t.teardown(() => client.close());
  return client;
}

const layer = makeTar([{ name: 'hello', content: 'world' }]);
const layerDigest = digestOf(layer);

/** An image of one layer, and an index over it. */
async function pushImages(client: RegistryClient): Promise<Digest> {
  const rootfs = { type: 'layers', diff_ids: [layerDigest] };
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: {}, rootfs }));
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    serializeManifest({
      kind: 'manifest',
      mediaType: ociTypes.manifest,
      config: describe(ociTypes.config, config),
      layers: [describe(ociTypes.layer, layer)],
    }),
  );
  const platform = { architecture: 'amd64', os: 'linux' };
  const manifests = [{ ...describe(ociTypes.manifest, manifest), platform }];
  const index = Buffer.from(serializeManifest({ kind: 'index', mediaType: ociTypes.index, manifests }));
  for (const bytes of [layer, config]) {
    await uploadBlob(client, 'team/app', describe('', bytes), async function* () {
      yield bytes;
    });
  }
  const name = parseReference(`${client.registry}/team/app:one`);
  await putManifest(client, name, { bytes: manifest, mediaType: ociTypes.manifest });
  await putManifest(client, { ...name, tag: 'all' }, { bytes: index, mediaType: ociTypes.index });
  return digestOf(manifest);
}

testWith(missing, 'skopeo reads what we push, and we read what it pushes, in both formats', async (t) => {
  const { host } = await startRegistry(t);
  const directory = temporaryDirectory(t);
  const client = connect(t, host);
  const digest = await pushImages(client);
  const inspected: unknown = JSON.parse(
    skopeo(directory, 'inspect', '--tls-verify=false', `docker://${host}/team/app:all`),
  );
  t.like(inspected, { Architecture: 'amd64', Layers: [layerDigest] });
  const copy = (how: readonly string[], name: string): string =>
    skopeo(
      directory,
      'copy',
      ...how,
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      `docker://${host}/team/app:one`,
      `docker://${host}/${name}`,
    );
  copy(['--preserve-digests'], 'team/same:one');
  t.is((await resolve(client, parseReference(`${host}/team/same:one`))).digest, digest);
  copy(['--format', 'v2s2'], 'team/docker:one');
  const { manifest } = await getManifest(client, parseReference(`${host}/team/docker:one`));
  t.is(manifest.mediaType, dockerTypes.manifest);
  const layers = manifest.kind === 'manifest' ? manifest.layers : [];
  t.is(layers.length, 1);
  for (const descriptor of layers) {
    const sink = collector();
    await fetchBlob(client, 'team/docker', descriptor, sink);
    t.is(digestOf(Buffer.concat(sink.chunks)), descriptor.digest);
  }
});

testWith(missing, 'skopeo uses our login, and we use its', async (t) => {
  const { host } = await startRegistry(t, { password: true });
  const directory = temporaryDirectory(t);
  const { username, password } = registryUser;
  const sources = { registry: host, env: {}, uid: 0 };
  const ours = { ...sources, authfile: join(directory, 'ours.json') };
  await storeLogin(ours, { kind: 'password', username, password });
  await pushImages(connect(t, host, ours));
  const name = `docker://${host}/team/app:one`;
  t.truthy(skopeo(directory, 'inspect', '--tls-verify=false', '--authfile', ours.authfile, name));
  const theirs = { ...sources, authfile: join(directory, 'theirs.json') };
  skopeo(
    directory,
    'login',
    '--tls-verify=false',
    '--authfile',
    theirs.authfile,
    '-u',
    username,
    '-p',
    password,
    host,
  );
  await connect(t, host, theirs).ping();
});
