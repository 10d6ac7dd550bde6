/** Artifacts: files in and out of the store and a registry, beside images. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli } from '../helpers/host.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry()];

function files(cli: Cli, contents: Readonly<Record<string, string | Uint8Array>>): { readonly cwd: string } {
  for (const [name, content] of Object.entries(contents)) writeFileSync(join(cli.directory, name), content);
  return { cwd: cli.directory };
}

testWith(needs, 'files go to a registry and come back, and are no images', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t, { password: true });
  const { username, password } = registryUser;
  await cli.ok(['login', '-u', username, '--password-stdin', host], { input: password });
  const large = Buffer.alloc(3_000_000, 'coracle');
  const at = files(cli, { 'a.txt': 'first', 'b.bin': large });
  const name = `${host}/team/data:1`;
  const add = ['artifact', 'add', '--type', 'application/x-data', '--annotation', 'k=v', name, 'a.txt'];
  const first = (await cli.ok(add, at)).trim();
  t.regex((await cli.run(add, at)).stderr, /the name is taken/);
  const twice = await cli.run(['artifact', 'add', '--append', name, 'a.txt'], at);
  t.regex(twice.stderr, /has a file "a\.txt" already/);
  const digest = (
    await cli.ok(['artifact', 'add', '--append', '--file-type', 'x/y', name, 'b.bin'], at)
  ).trim();
  t.not(digest, first);
  t.is(
    await cli.ok([
      'artifact',
      'ls',
      '--no-trunc',
      '--format',
      '{{.Repository}} {{.Tag}} {{.Digest}} {{.Type}}',
    ]),
    `${host}/team/data 1 ${digest} application/x-data\n`,
  );
  t.is((await cli.ok(['images', '-q'])).trim().split('\n').length, 1, 'images lists images');
  await cli.ok(['image', 'prune', '-f']);
  const { Manifest: manifest } = JSON.parse(await cli.ok(['artifact', 'inspect', name]));
  t.is(manifest.artifactType, 'application/x-data');
  t.deepEqual(
    manifest.layers.map((layer: { mediaType: string; size: number }) => [layer.mediaType, layer.size]),
    [
      ['text/plain; charset=utf-8', 5],
      ['x/y', large.length],
    ],
  );
  t.is((await cli.ok(['artifact', 'push', '-q', name])).trim(), digest);
  t.is((await cli.ok(['artifact', 'push', '-q', name, `${host}/other:2`])).trim(), digest);
  t.is(await cli.ok(['artifact', 'rm', name]), `${digest}\n`);
  t.is(await cli.ok(['artifact', 'ls', '-q']), '');
  t.is((await cli.ok(['artifact', 'pull', '-q', `${host}/other:2`])).trim(), digest);
  mkdirSync(join(cli.directory, 'out'));
  await cli.ok(['artifact', 'extract', digest.slice(7, 21), 'out'], at);
  t.deepEqual(readdirSync(join(cli.directory, 'out')).sort(), ['a.txt', 'b.bin']);
  t.true(readFileSync(join(cli.directory, 'out', 'b.bin')).equals(large));
  t.is(await cli.ok(['artifact', 'extract', '--title', 'a.txt', `${host}/other:2`, '-'], at), 'first');
  const several = await cli.run(['artifact', 'extract', `${host}/other:2`, 'one-file'], at);
  t.regex(several.stderr, /2 files need a directory/);
  const none = await cli.run(['artifact', 'extract', '--title', 'c', `${host}/other:2`, 'c'], at);
  t.regex(none.stderr, /it has no file c\n.*"a\.txt", "b\.bin"/);
  const run = await cli.run(['run', '--rm', `${host}/other:2`, 'true']);
  t.is(run.code, 125);
  t.regex(run.stderr, /another kind of artifact/);
  await cli.ok(['push', '-q', 'busybox', `${host}/busybox`]);
  const image = await cli.run(['artifact', 'pull', `${host}/busybox`]);
  t.regex(image.stderr, /it is a container image/);
  await cli.ok(['artifact', 'rm', '--all']);
  await cli.ok(['artifact', 'rm', '--ignore', 'nothing']);
  t.is((await cli.run(['artifact', 'rm', 'nothing'])).code, 1);
});

testWith([missingCli()], 'an artifact cannot take the name of an image, nor directories', async (t) => {
  const cli = openCli(t);
  const at = files(cli, { f: 'x' });
  t.regex((await cli.run(['artifact', 'add', 'one', '.'], at)).stderr, /it is no file/);
  t.regex((await cli.run(['artifact', 'add', 'one', 'none'], at)).stderr, /no such file/);
  await cli.ok(['artifact', 'add', 'one', 'f'], at);
  t.is(
    await cli.ok(['artifact', 'ls', '-n', '--format', '{{.Repository}}:{{.Tag}}']),
    'localhost/one:latest\n',
  );
  await cli.ok(['artifact', 'add', '--replace', 'one', 'f'], at);
  t.is((await cli.run(['artifact', 'add', '--append', '--replace', 'one', 'f'], at)).code, 125);
  t.is((await cli.run(['artifact', 'rm'])).code, 125);
  t.regex((await cli.run(['inspect', 'one'])).stderr, /another kind of artifact|no such/);
  t.is((await cli.run(['image', 'exists', 'one'])).code, 1);
  await cli.ok(['rmi', 'one']);
  t.deepEqual(readdirSync(join(cli.root, 'blobs', 'sha256')), []);
});

testWith([missingCli()], 'names of files from outside lead nowhere', async (t) => {
  const cli = openCli(t);
  const at = files(cli, { f: 'safe' });
  const layout = join(cli.directory, 'layout');
  const blobs = join(layout, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: string): { digest: string; size: number } => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const hostile = (title: string): void => {
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const layer = {
      mediaType: 'text/plain',
      ...put('evil'),
      annotations: { 'org.opencontainers.image.title': title },
    };
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', ...put('{}') };
    const manifest = put(
      JSON.stringify({ schemaVersion: 2, mediaType, artifactType: 'a/b', config, layers: [layer] }),
    );
    writeFileSync(
      join(layout, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...manifest }] }),
    );
  };
  mkdirSync(join(cli.directory, 'out'));
  for (const title of ['../escaped', '/tmp/coracle-escaped', '..', 'a/../../b']) {
    hostile(title);
    await cli.ok(['copy', '-q', 'oci:layout', 'store:hostile'], at);
    const refused = await cli.run(['artifact', 'extract', 'hostile', 'out'], at);
    t.is(refused.code, 125, title);
    t.regex(refused.stderr, /no name of a file/);
  }
  hostile('link');
  symlinkSync('../f', join(cli.directory, 'out', 'link'));
  await cli.ok(['copy', '-q', 'oci:layout', 'store:hostile'], at);
  t.regex(
    (await cli.run(['artifact', 'extract', 'hostile', 'out'], at)).stderr,
    /something else than a file/,
  );
  t.is(readFileSync(join(cli.directory, 'f'), 'utf8'), 'safe');
  t.false(existsSync(join(cli.directory, 'escaped')));
  t.is(spawnSync('test', ['-e', '/tmp/coracle-escaped']).status, 1);
});
