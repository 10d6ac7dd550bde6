/** Every kind of content from every kind of place to every other: digests stay, and skopeo agrees. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Coracle, openCoracle } from '../../lib/index.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [missingCli(), missingUserNamespaces(), missingRegistry(), missingProgram('skopeo')];

const contents = ['schema2', 'gzip', 'zstd', 'multi', 'artifact'] as const;
type Content = (typeof contents)[number];
const kinds = ['docker', 'oci', 'oci-archive', 'docker-archive', 'dir', 'store'] as const;
type Kind = (typeof kinds)[number];

/** Gives the place for a content that `name` stands for, a new one each time. */
type Placer = (kind: Kind, name: string) => string;

function placer(cli: Cli, registry: string): Placer {
  return (kind, name) => {
    if (kind === 'docker') return `docker://${registry}/${name}:1`;
    if (kind === 'store') return `store:${name}:1`;
    const path = join(cli.directory, `${kind}-${name}`);
    return kind === 'dir' ? `dir:${path}` : `${kind}:${path}:${name}:1`;
  };
}

/** Whether a kind of place can hold a content at all. */
function takes(kind: Kind, content: Content): boolean {
  return kind !== 'docker-archive' || (content !== 'multi' && content !== 'artifact');
}

async function copy(coracle: Coracle, from: string, to: string, content: Content): Promise<string> {
  const multiArch = content === 'multi' ? 'all' : 'system';
  return (await coracle.copyImage(from, to, { multiArch })).digest;
}

/** Puts each content at the place `kind` is given for it. Resolves with the digests. */
async function makeContents(cli: Cli, coracle: Coracle, place: Placer): Promise<Record<Content, string>> {
  const at = (content: Content): string => place('oci', content);
  for (const architecture of ['amd64', 'arm64']) {
    const input = makeTar([{ name: 'f', content: architecture }]);
    await cli.ok(['import', '-q', '--platform', `linux/${architecture}`, '-', architecture], { input });
    await coracle.copyImage(`store:${architecture}`, `store:${architecture}`, { compress: true });
  }
  await cli.ok(['manifest', 'create', 'list:1', 'amd64', 'arm64']);
  const file = join(cli.directory, 'notes.txt');
  writeFileSync(file, 'notes\n');
  await cli.ok(['artifact', 'add', 'notes:1', file]);
  const gzip = await coracle.copyImage('store:amd64', at('gzip'));
  const schema2 = await coracle.copyImage('store:amd64', at('schema2'), { format: 'v2s2' });
  const zstd = await coracle.copyImage('store:amd64', at('zstd'), {
    recompress: true,
    encoding: { kind: 'zstd' },
  });
  const multi = await copy(coracle, 'store:list:1', at('multi'), 'multi');
  const artifact = await copy(coracle, 'store:notes:1', at('artifact'), 'artifact');
  return { schema2: schema2.digest, gzip: gzip.digest, zstd: zstd.digest, multi, artifact };
}

/** skopeo's standard output; undefined where it refuses. */
function skopeo(cli: Cli, ...args: readonly string[]): Buffer | undefined {
  const env = { ...cli.env, TMPDIR: cli.directory };
  const done = spawnSync('skopeo', ['--insecure-policy', ...args], { env, cwd: cli.directory });
  return done.status === 0 ? done.stdout : undefined;
}

function digestBySkopeo(cli: Cli, place: string): string | undefined {
  const raw = skopeo(cli, 'inspect', '--raw', '--tls-verify=false', place);
  return raw === undefined ? undefined : `sha256:${createHash('sha256').update(raw).digest('hex')}`;
}

testWith(needs, 'digests stay between all places, and skopeo reads each', async (t) => {
  t.timeout(240_000);
  const cli = openCli(t);
  const { host } = await startRegistry(t);
  const place = placer(cli, host);
  const coracle = openCoracle({ root: cli.root, env: cli.env });
  t.teardown(() => coracle.close());
  const digests = await makeContents(cli, coracle, place);
  let pairs = 0;
  for (const content of contents) {
    for (const kind of kinds.filter((one) => one !== 'oci' && takes(one, content))) {
      await copy(coracle, place('oci', content), place(kind, content), content);
    }
    for (const from of kinds.filter((kind) => takes(kind, content))) {
      for (const to of kinds) {
        const pair = `${content}: ${from} -> ${to}`;
        const target = place(to, `${content}-from-${from}`);
        const copied = copy(coracle, place(from, content), target, content);
        if (!takes(to, content)) {
          await t.throwsAsync(copied, { message: /takes one image, not an index|holds no artifact/ }, pair);
          continue;
        }
        const digest = await copied;
        // An archive of docker's has no manifest: there the id stays.
        if (from !== 'docker-archive') t.is(digest, digests[content], pair);
        // One in three is read: each kind of place comes often enough.
        if (to === 'docker-archive' || to === 'store' || pairs++ % 3 !== 0) continue;
        // It finds manifests of docker's types in layouts by no name.
        const read = content === 'schema2' ? target.replace(/(?<=^oci.*):[^:]+:1$/, '') : target;
        t.is(digestBySkopeo(cli, read), digest, pair);
      }
    }
  }
  const ids = contents
    .filter((content) => takes('docker-archive', content))
    .map((content) => {
      const text = skopeo(cli, 'inspect', '--config', place('docker-archive', content)) ?? '{}';
      return JSON.parse(String(text)).rootfs.diff_ids;
    });
  t.is(new Set(ids.map((one) => JSON.stringify(one))).size, 1, 'the same layers in each');
  const converted = place('oci', 'converted');
  const { digest } = await coracle.copyImage(place('docker', 'schema2'), converted, { format: 'oci' });
  t.is(digestBySkopeo(cli, converted), digest);
  await t.throwsAsync(
    coracle.copyImage(place('oci', 'gzip'), place('docker-archive', 'kept'), { preserveDigests: true }),
    { message: /it keeps no manifest, so no digest/ },
  );
});
