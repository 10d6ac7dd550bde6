/** Copies between registries, layouts, archives, directories and the store: digests kept, other tools read what came out. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry()];
const oracleNeeds = [...needs, missingProgram('skopeo')];

function skopeo(cli: Cli, ...args: string[]): string {
  const env = { ...cli.env, TMPDIR: cli.directory };
  const done = spawnSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    env,
    cwd: cli.directory,
  });
  if (done.status !== 0) throw new Error(`skopeo ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

/** An image of three layers of which one was made here. */
async function build(cli: Cli): Promise<void> {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nRUN echo deep > /f\nENV A=b\n');
  await cli.ok(['build', '-q', '-t', 'made', directory]);
}

/** An index of two platforms in the layout `multi`. */
async function multiPlatform(cli: Cli): Promise<string> {
  const manifests: unknown[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const tar = makeTar([{ name: `only-${architecture}`, content: architecture }]);
    await cli.ok(['import', '--platform', `linux/${architecture}`, '-', `part-${architecture}`], {
      input: tar,
    });
    await cli.ok(['copy', `store:part-${architecture}`, `oci:multi:${architecture}`], { cwd: cli.directory });
  }
  const path = join(cli.directory, 'multi', 'index.json');
  for (const { annotations: _annotations, ...entry } of JSON.parse(readFileSync(path, 'utf8')).manifests) {
    const architecture = manifests.length === 0 ? 'amd64' : 'arm64';
    manifests.push({ ...entry, platform: { architecture, os: 'linux' } });
  }
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
  const digest = spawnSync('sha256sum', { input: index, encoding: 'utf8' }).stdout.slice(0, 64);
  writeFileSync(join(cli.directory, 'multi', 'blobs', 'sha256', digest), index);
  const entry = { mediaType, digest: `sha256:${digest}`, size: index.length };
  writeFileSync(path, JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return `sha256:${digest}`;
}

testWith(oracleNeeds, 'a digest is kept around all places, and skopeo reads each of them', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  const { host: other } = await startRegistry(t);
  await build(cli);
  const copy = async (from: string, to: string, ...flags: string[]): Promise<string> =>
    (await cli.ok(['copy', '-q', ...flags, from, to], { cwd: cli.directory })).trim();
  const digest = await copy('store:made', `docker://${host}/team/made:1`);
  t.is(
    JSON.parse(skopeo(cli, 'inspect', '--tls-verify=false', `docker://${host}/team/made:1`)).Digest,
    digest,
  );
  const pushed = await cli.ok(['push', '-q', 'made', `${host}/pushed`]);
  t.is(pushed.trim(), digest, 'copy and push make the same');
  const again = await cli.run(['copy', 'store:made', `docker://${host}/pushed`]);
  t.is(again.stdout.trim(), digest);
  t.notRegex(again.stderr, /pushed|pushing/, 'what a layer is when it is compressed is remembered');
  const stations = [
    'oci:layout:one',
    'oci-archive:layout.tar:one',
    'dir:plain',
    'store:back',
    `docker://${other}/made`,
  ];
  let from = `docker://${host}/team/made:1`;
  for (const to of stations) {
    t.is(await copy(from, to, '--preserve-digests'), digest, `${from} -> ${to}`);
    if (!to.startsWith('store:')) {
      t.is(JSON.parse(skopeo(cli, 'inspect', '--tls-verify=false', to)).Digest, digest, to);
    }
    from = to;
  }
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'back', 'cat', '/f']), 'deep\n');
  await copy('dir:plain', 'docker-archive:docker.tar:team/made:2', '--additional-tag', 'made:3');
  const archived = JSON.parse(skopeo(cli, 'inspect', '--config', 'docker-archive:docker.tar:team/made:2'));
  t.deepEqual(archived.config.Env?.at(-1), 'A=b');
  await cli.ok(['rmi', '-af']);
  t.regex(await cli.ok(['load', '-q', '-i', join(cli.directory, 'docker.tar')]), /team\/made:2\n.*made:3/);
  await copy('docker-archive:docker.tar:made:3', 'store:again');
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'again', 'cat', '/f']), 'deep\n');
  const exists = await cli.run(['copy', 'store:again', 'docker-archive:docker.tar:x'], {
    cwd: cli.directory,
  });
  t.is(exists.code, 125);
  t.regex(exists.stderr, /docker\.tar: the file exists/);
});

testWith(oracleNeeds, 'what skopeo writes is read, and its digests are kept', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  await build(cli);
  await cli.ok(['push', '-q', 'made', `${host}/made`]);
  const from = `docker://${host}/made`;
  for (const [to, flags] of [
    ['dir:plain', ['--format', 'v2s2']],
    ['oci:layout:tag', []],
    ['oci-archive:layout.tar', []],
  ] as const) {
    skopeo(cli, 'copy', '-q', '--src-tls-verify=false', ...flags, from, to);
    const { Digest: digest } = JSON.parse(skopeo(cli, 'inspect', to));
    const copied = await cli.ok(['copy', '-q', to, 'store:read'], { cwd: cli.directory });
    t.is(copied.trim(), digest, to);
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'read', 'cat', '/f']), 'deep\n');
  }
  skopeo(cli, 'copy', '-q', '--src-tls-verify=false', from, 'docker-archive:docker.tar:made:1');
  await cli.ok(['copy', '-q', 'docker-archive:docker.tar', 'store:archived'], { cwd: cli.directory });
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'archived', 'cat', '/f']), 'deep\n');
});

testWith(oracleNeeds, 'an index goes whole with --all, as one image without, or alone', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t, { password: true });
  const digest = await multiPlatform(cli);
  const { username, password } = registryUser;
  const creds = `${username}:${password}`;
  const place = `docker://${host}/multi:1`;
  const refused = await cli.run(['copy', '-q', '--all', 'oci:multi', place], { cwd: cli.directory });
  t.is(refused.code, 125);
  const to = ['copy', '-q', '--dest-creds', creds];
  t.is((await cli.ok([...to, '--all', 'oci:multi', place], { cwd: cli.directory })).trim(), digest);
  const raw = skopeo(cli, 'inspect', '--raw', '--tls-verify=false', '--creds', creds, place);
  t.deepEqual(
    JSON.parse(raw).manifests.map(
      (entry: { platform: { architecture: string } }) => entry.platform.architecture,
    ),
    ['amd64', 'arm64'],
  );
  const from = ['copy', '-q', '--src-creds', creds];
  const digestfile = join(cli.directory, 'digest');
  const one = await cli.ok([
    ...from,
    '--platform',
    'linux/arm64',
    '--digestfile',
    digestfile,
    place,
    'store:arm',
  ]);
  t.is(readFileSync(digestfile, 'utf8'), one.trim());
  t.is(await cli.ok(['inspect', '-f', '{{.Architecture}} {{.Digest}}', 'arm']), `arm64 ${one}`);
  t.is((await cli.ok([...from, '--multi-arch=all', place, 'store:both'])).trim(), digest);
  t.is(
    (await cli.ok(['copy', '-q', '--all', 'store:both', 'dir:all'], { cwd: cli.directory })).trim(),
    digest,
  );
  t.is(readdirSync(join(cli.directory, 'all')).filter((name) => name.endsWith('.manifest.json')).length, 2);
  t.is((await cli.ok(['copy', '-q', '-a', 'dir:all', 'oci:again:x'], { cwd: cli.directory })).trim(), digest);
  const none = await cli.run(['copy', '--override-arch', 's390x', 'oci:again', 'store:x'], {
    cwd: cli.directory,
  });
  t.regex(none.stderr, /nothing for linux\/s390x(.|\n)*linux\/amd64, linux\/arm64/);
  const whole = await cli.run(['copy', '--all', 'oci:again', 'docker-archive:x.tar'], { cwd: cli.directory });
  t.regex(whole.stderr, /takes one image, not an index/);
  const alone = await cli.ok(
    [...to, '--multi-arch', 'index-only', 'oci:again', `docker://${host}/multi:alone`],
    { cwd: cli.directory },
  );
  t.is(alone.trim(), digest, 'its images are in the repository already');
});

testWith(oracleNeeds, 'formats and compressions are changed where that is asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  await build(cli);
  const at = { cwd: cli.directory };
  const types = (path: string): string[] => {
    const manifest = JSON.parse(readFileSync(join(cli.directory, path, 'manifest.json'), 'utf8'));
    return [manifest.mediaType, ...manifest.layers.map((layer: { mediaType: string }) => layer.mediaType)];
  };
  await cli.ok(['copy', '-q', 'store:made', 'dir:kept'], at);
  const oci = 'application/vnd.oci.image';
  t.deepEqual(types('kept'), [`${oci}.manifest.v1+json`, `${oci}.layer.v1.tar`, `${oci}.layer.v1.tar`]);
  await cli.ok(['copy', '-q', '--dest-compress', '--format', 'v2s2', 'store:made', 'dir:docker'], at);
  const layer = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
  t.deepEqual(types('docker'), ['application/vnd.docker.distribution.manifest.v2+json', layer, layer]);
  t.is(JSON.parse(skopeo(cli, 'inspect', 'dir:docker')).Layers.length, 2);
  const zstd = [
    '--dest-force-compress-format',
    '--dest-compress-format',
    'zstd',
    '--dest-compress-level',
    '5',
  ];
  await cli.ok(['copy', '-q', '-f', 'oci', ...zstd, 'dir:docker', 'dir:zstd'], at);
  t.deepEqual(types('zstd').slice(1), [`${oci}.layer.v1.tar+zstd`, `${oci}.layer.v1.tar+zstd`]);
  await cli.ok(['copy', '-q', '--dest-decompress', 'dir:zstd', 'dir:kept'], at);
  t.deepEqual(types('kept').slice(1), [`${oci}.layer.v1.tar`, `${oci}.layer.v1.tar`]);
  t.is(readdirSync(join(cli.directory, 'kept')).length, 5, 'files of the image before are gone');
  const strict = await cli.run(['copy', '--preserve-digests', 'store:made', 'oci:layout'], at);
  t.is(strict.code, 125);
  t.regex(strict.stderr, /cannot keep its digest/);
  const full = join(cli.directory, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'diary.txt'), 'x');
  t.regex(
    (await cli.run(['copy', 'store:made', 'dir:full'], at)).stderr,
    /the directory holds something else/,
  );
  t.deepEqual(readdirSync(full), ['diary.txt']);
});

testWith(needs, 'damaged and lying sources are found out, and nothing gets a name', async (t) => {
  const cli = await openCliWithBusybox(t);
  await build(cli);
  const at = { cwd: cli.directory };
  await cli.ok(['copy', '-q', 'store:made', 'oci:layout:x'], at);
  const blobs = join(cli.directory, 'layout', 'blobs', 'sha256');
  const index = JSON.parse(readFileSync(join(cli.directory, 'layout', 'index.json'), 'utf8'));
  const manifest = JSON.parse(readFileSync(join(blobs, index.manifests[0].digest.slice(7)), 'utf8'));
  const layer = join(blobs, manifest.layers[1].digest.slice(7));
  const whole = readFileSync(layer);
  const fails = async (message: RegExp): Promise<void> => {
    for (const to of ['store:bad', 'oci:out:bad', 'dir:bad', 'oci-archive:bad.tar']) {
      const failed = await cli.run(['copy', '-q', 'oci:layout', to], at);
      t.is(failed.code, 125, to);
      t.regex(failed.stderr, message, to);
    }
  };
  await cli.ok(['copy', '-q', 'store:made', 'dir:good'], at);
  await cli.ok(['rmi', '-af']);
  truncateSync(layer, whole.length - 1);
  await fails(/only \d+ of \d+ bytes/);
  writeFileSync(layer, whole);
  appendFileSync(layer, 'x');
  await fails(/more than \d+ bytes/);
  whole[20] = (whole[20] ?? 0) ^ 1;
  writeFileSync(layer, whole);
  await fails(/the content has digest sha256:/);
  t.false((await cli.run(['image', 'exists', 'bad'])).code === 0);
  t.false(readdirSync(cli.directory).includes('bad.tar'));
  for (const name of readdirSync(blobs))
    if (name === index.manifests[0].digest.slice(7)) appendFileSync(join(blobs, name), ' ');
  await fails(/the bytes have digest/);
  t.is((await cli.run(['copy', 'made', 'dir:x'])).code, 125);
  for (const to of ['oci:/proc/x', 'dir:/proc/x/y', 'docker-archive:/nowhere/x.tar:x']) {
    const impossible = await cli.run(['copy', '-q', 'dir:good', to], { ...at, timeout: 20_000 });
    t.is(impossible.code, 125, to);
    t.regex(impossible.stderr, /x/);
  }
});

testWith(needs, 'blobs of the longer digests go everywhere, and archives through pipes', async (t) => {
  const cli = await openCliWithBusybox(t);
  const at = { cwd: cli.directory };
  await cli.ok(['copy', '-q', 'store:busybox', 'oci:layout:x'], at);
  const blobs = join(cli.directory, 'layout', 'blobs');
  const indexFile = join(cli.directory, 'layout', 'index.json');
  const index = JSON.parse(readFileSync(indexFile, 'utf8'));
  const manifest = JSON.parse(
    readFileSync(join(blobs, 'sha256', index.manifests[0].digest.slice(7)), 'utf8'),
  );
  const [layer] = manifest.layers;
  const bytes = readFileSync(join(blobs, 'sha256', layer.digest.slice(7)));
  const longer = createHash('sha512').update(bytes).digest('hex');
  mkdirSync(join(blobs, 'sha512'));
  writeFileSync(join(blobs, 'sha512', longer), bytes);
  layer.digest = `sha512:${longer}`;
  const text = JSON.stringify(manifest);
  const digest = createHash('sha256').update(text).digest('hex');
  writeFileSync(join(blobs, 'sha256', digest), text);
  writeFileSync(
    indexFile,
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...index.manifests[0], digest: `sha256:${digest}`, size: text.length }],
    }),
  );
  let from = 'oci:layout';
  for (const to of ['dir:plain', 'oci:other:x', 'oci-archive:a.tar', 'store:longer']) {
    t.is((await cli.ok(['copy', '-q', from, to], at)).trim(), `sha256:${digest}`, to);
    from = to;
  }
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'longer', 'echo', 'unpacked']), 'unpacked\n');
  const piped = await cli.run(['copy', '-q', 'store:longer', 'docker-archive:-:piped:1'], at);
  t.is(piped.stderr, `sha256:${digest}\n`, 'what is said is not among the bytes');
});
