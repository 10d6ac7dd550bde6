/** Lists of images for several platforms: made, changed, pushed, read by skopeo, and run from. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const oracleNeeds = [...journeyNeeds, missingRegistry(), missingProgram('skopeo')];

type Entry = {
  readonly digest: string;
  readonly artifactType?: string;
  readonly platform?: { readonly architecture: string; readonly os: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
};

async function entries(cli: Cli, list: string): Promise<readonly Entry[]> {
  return JSON.parse(await cli.ok(['manifest', 'inspect', list])).manifests;
}

function raw(cli: Cli, ...args: string[]): { mediaType: string; manifests: Entry[] } {
  const done = spawnSync('skopeo', ['inspect', '--raw', '--tls-verify=false', ...args], {
    encoding: 'utf8',
    env: cli.env,
    cwd: cli.directory,
  });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}

/** busybox for this machine, and an image with one file for another. */
async function withImages(t: Parameters<typeof openCliWithBusybox>[0]): Promise<Cli> {
  const cli = await openCliWithBusybox(t);
  const input = makeTar([{ name: 'other', content: 'x' }]);
  await cli.ok(['import', '--platform', 'linux/arm/v6', '-', 'other'], { input });
  return cli;
}

testWith(oracleNeeds, 'a list is made, changed, pushed and removed', async (t) => {
  const cli = await withImages(t);
  const { host } = await startRegistry(t);
  t.is((await cli.run(['manifest', 'exists', 'app:1'])).code, 1);
  t.regex(await cli.ok(['manifest', 'create', 'app:1']), /^sha256:[0-9a-f]{64}\n$/);
  t.is((await cli.run(['manifest', 'exists', 'app:1'])).code, 0);
  t.deepEqual(await entries(cli, 'app:1'), []);
  const taken = await cli.run(['manifest', 'create', 'app:1']);
  t.is(taken.code, 125);
  t.regex(taken.stderr, /the name is taken/);
  await cli.ok(['manifest', 'add', 'app:1', 'busybox']);
  await cli.ok([
    'manifest',
    'add',
    '--variant',
    'v7',
    '--annotation',
    'a=b',
    '--os-features',
    'x,y',
    'app:1',
    'other',
  ]);
  const [own, other] = await entries(cli, 'app:1');
  t.is(own?.platform?.os, 'linux');
  t.deepEqual(other?.platform as unknown, {
    architecture: 'arm',
    os: 'linux',
    'os.features': ['x', 'y'],
    variant: 'v7',
  });
  t.deepEqual(other?.annotations, { a: 'b' });
  await cli.ok(['manifest', 'annotate', '--arch', 'arm64', '--variant', 'v8', 'app:1', 'other']);
  await cli.ok(['manifest', 'annotate', '--annotation', 'c=d', 'app:1', other?.digest ?? '']);
  await cli.ok(['manifest', 'annotate', '--index', '--annotation', 'of=list', 'app:1']);
  const changed = JSON.parse(await cli.ok(['manifest', 'inspect', 'app:1']));
  t.deepEqual(changed.manifests[1].annotations, { a: 'b', c: 'd' });
  t.deepEqual(changed.annotations, { of: 'list' });
  t.is(
    await cli.ok(['run', '--rm', '--network', 'none', 'app:1', 'echo', 'from the list']),
    'from the list\n',
  );
  const digest = (await cli.ok(['manifest', 'push', '-q', 'app:1', `${host}/app:1`])).trim();
  const pushed = raw(cli, `docker://${host}/app:1`);
  t.deepEqual(
    pushed.manifests.map(({ platform }) => platform?.architecture),
    [own?.platform?.architecture ?? '', 'arm64'],
  );
  await cli.ok(['pull', '-q', '--platform', 'linux/arm64', `${host}/app:1`]);
  t.is(await cli.ok(['inspect', '-f', '{{.Digest}}', `${host}/app:1`]), `${digest}\n`);
  await cli.ok(['manifest', 'push', '-q', '-f', 'v2s2', 'app:1', 'oci:layout:x'], { cwd: cli.directory });
  // By name this skopeo finds only manifests of OCI's own types in a layout.
  t.is(raw(cli, 'oci:layout').mediaType, 'application/vnd.docker.distribution.manifest.list.v2+json');
  await cli.ok(['manifest', 'remove', 'app:1', 'other']);
  t.is((await entries(cli, 'app:1')).length, 1);
  t.is((await cli.run(['manifest', 'remove', 'app:1', other?.digest ?? ''])).code, 125);
  const file = join(cli.directory, 'digest');
  await cli.ok(['manifest', 'push', '-q', '--rm', '--digestfile', file, 'app:1', `docker://${host}/app:2`]);
  t.regex(readFileSync(file, 'utf8'), /^sha256:[0-9a-f]{64}$/);
  t.is((await cli.run(['manifest', 'exists', 'app:1'])).code, 1);
  t.is((await cli.run(['image', 'exists', 'busybox'])).code, 0, 'an image with a name stays');
  t.is(await cli.ok(['images', '-q', '--filter', 'dangling=true']), '', 'former lists are gone');
});

testWith(
  oracleNeeds,
  'a list takes images from registries and layouts, one or all, and goes on whole',
  async (t) => {
    const cli = await withImages(t);
    const { host } = await startRegistry(t);
    await cli.ok(['manifest', 'create', 'app', 'busybox', 'other']);
    const digest = (await cli.ok(['manifest', 'push', '-q', 'app', `${host}/app`])).trim();
    await cli.ok(['copy', '-q', '--all', `docker://${host}/app`, 'oci:layout:app'], { cwd: cli.directory });
    await cli.ok(['manifest', 'rm', 'app']);
    await cli.ok(['rmi', '-af']);
    t.is((await cli.run(['manifest', 'rm', 'app'])).code, 1);
    await cli.ok(['manifest', 'rm', '--ignore', 'app']);
    await cli.ok(['manifest', 'create', '--all', 'mirror', `docker://${host}/app`]);
    t.is((await entries(cli, 'mirror')).length, 2);
    await cli.ok(['manifest', 'create', 'one', `${host}/app`]);
    t.is((await entries(cli, 'one')).length, 1);
    await cli.ok(['manifest', 'create', '--amend', 'one', '--all', 'oci:layout:app'], { cwd: cli.directory });
    t.deepEqual(
      (await entries(cli, 'one')).map((entry) => entry.digest).sort(),
      (await entries(cli, 'mirror')).map((entry) => entry.digest).sort(),
    );
    await cli.ok(['manifest', 'add', '--arch', 'arm', '--variant', 'v6', 'one', `docker://${host}/app`]);
    await cli.ok(['image', 'prune', '-f']);
    t.is(
      (await cli.ok(['manifest', 'push', '-q', 'mirror', `${host}/again`])).trim(),
      digest,
      'nothing was changed',
    );
    const shown = await cli.ok(['manifest', 'inspect', '--raw', `docker://${host}/again`]);
    t.is(spawnSync('sha256sum', { input: shown, encoding: 'utf8' }).stdout.slice(0, 64), digest.slice(7));
    const nothing = await cli.run(['manifest', 'add', '--arch', 's390x', 'one', `docker://${host}/app`]);
    t.regex(nothing.stderr, /nothing for linux\/s390x/);
    const lost = await cli.run(['manifest', 'add', 'one', `${host}/none`]);
    t.is(lost.code, 125);
    t.is((await entries(cli, 'one')).length, 2, 'a failure changes nothing');
    await cli.ok(['rmi', 'one', 'mirror']);
    t.deepEqual(readdirSync(join(cli.root, 'blobs', 'sha256')), []);
  },
);

testWith(oracleNeeds, 'files become artifacts of a list', async (t) => {
  const cli = await withImages(t);
  const { host } = await startRegistry(t);
  writeFileSync(join(cli.directory, 'notes.txt'), 'read me');
  writeFileSync(join(cli.directory, 'config.json'), '{"a":1}');
  const at = { cwd: cli.directory };
  await cli.ok(['manifest', 'create', 'app', 'busybox']);
  const type = ['--artifact', '--artifact-type', 'application/x-notes', '--artifact-annotation', 'k=v'];
  const config = ['--artifact-config', 'config.json', '--artifact-config-type', 'application/json'];
  await cli.ok(
    ['manifest', 'add', ...type, ...config, '--artifact-subject', 'busybox', 'app', 'notes.txt'],
    at,
  );
  const [, entry] = await entries(cli, 'app');
  t.is(entry?.artifactType, 'application/x-notes');
  await cli.ok(['manifest', 'push', '-q', 'app', `${host}/app`]);
  const [image, artifact] = raw(cli, `docker://${host}/app`).manifests;
  t.is(artifact?.digest, entry?.digest);
  const shown = JSON.parse(await cli.ok(['manifest', 'inspect', `docker://${host}/app@${artifact?.digest}`]));
  t.like(shown, { artifactType: 'application/x-notes', annotations: { k: 'v' } });
  t.is(shown.config.mediaType, 'application/json');
  t.is(shown.layers[0].annotations['org.opencontainers.image.title'], 'notes.txt');
  t.is(typeof shown.subject.digest, 'string');
  t.truthy(image);
  t.is((await cli.run(['manifest', 'add', '--artifact-type', 'x/y', 'app', 'busybox'])).code, 125);
  t.is((await cli.run(['manifest', 'add', '--artifact', 'app', '/nowhere'])).code, 125);
});

testWith(oracleNeeds, 'changes at once are all kept', async (t) => {
  const cli = await withImages(t);
  await cli.ok(['manifest', 'create', 'app', 'busybox']);
  const names = Array.from({ length: 6 }, (_, index) => `k${index}=v`);
  await Promise.all(
    names.map((name) => cli.ok(['manifest', 'annotate', '--index', '--annotation', name, 'app'])),
  );
  const { annotations } = JSON.parse(await cli.ok(['manifest', 'inspect', 'app']));
  t.is(Object.keys(annotations).length, 6);
});
