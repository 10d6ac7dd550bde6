/** Images saved as directories and archives, loaded again, and read by skopeo; root file systems imported by URL. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { busyboxEntries, makeTar } from '../helpers/image.js';
import { serve } from '../helpers/web.js';

const oracleNeeds = [...journeyNeeds, missingProgram('skopeo')];

function inspect(cli: Cli, place: string): { Layers: string[]; Digest: string } {
  const done = spawnSync('skopeo', ['inspect', place], {
    encoding: 'utf8',
    env: cli.env,
    cwd: cli.directory,
  });
  if (done.status !== 0) throw new Error(`skopeo inspect ${place}: ${done.stderr}`);
  return JSON.parse(done.stdout);
}

async function withMade(cli: Cli): Promise<void> {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nRUN echo deep > /f\n');
  await cli.ok(['build', '-q', '-t', 'made:7', directory]);
}

testWith(oracleNeeds, 'directories are saved, read by skopeo and loaded again', async (t) => {
  const cli = await openCliWithBusybox(t);
  await withMade(cli);
  const at = { cwd: cli.directory };
  await cli.ok(['save', '-q', '--format', 'oci-dir', '-o', 'layout', 'made:7', 'busybox'], at);
  t.is(inspect(cli, 'oci:layout:localhost/made:7').Layers.length, 2);
  t.is(inspect(cli, 'oci:layout:localhost/busybox:latest').Layers.length, 1);
  await cli.ok(['save', '--format', 'docker-dir', '--compress', '-o', 'plain', 'made:7'], at);
  const { mediaType, layers } = JSON.parse(
    readFileSync(join(cli.directory, 'plain', 'manifest.json'), 'utf8'),
  );
  t.is(mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  t.regex(layers[0].mediaType, /gzip$/);
  const { Digest: digest } = inspect(cli, 'dir:plain');
  const id = await cli.ok(['inspect', '-f', '{{.Id}}', 'made:7']);
  await cli.ok(['rmi', '-af']);
  t.regex(await cli.ok(['load', '-q', '-i', 'layout'], at), /localhost\/made:7\n.*localhost\/busybox:latest/);
  t.is(await cli.ok(['inspect', '-f', '{{.Id}}', 'made:7']), id);
  await cli.ok(['rmi', '-af']);
  t.is(await cli.ok(['load', '-i', 'plain'], at), `Loaded image: ${id}`);
  t.is(await cli.ok(['inspect', '-f', '{{.Digest}}', id.trim()]), `${digest}\n`);
  t.is(await cli.ok(['run', '--rm', '--network', 'none', id.trim(), 'cat', '/f']), 'deep\n');
});

testWith(journeyNeeds, 'a name of a layout without a registry is local', async (t) => {
  const cli = await openCliWithBusybox(t);
  const at = { cwd: cli.directory };
  for (const [name, loaded] of [
    ['word', 'localhost/word:latest'],
    ['short:tag', 'localhost/short:tag'],
    ['team/short', 'localhost/team/short:latest'],
    ['docker.io/team/short:1', 'team/short:1'],
    ['registry.example.com:5000/short:1', 'registry.example.com:5000/short:1'],
  ] as const) {
    await cli.ok(['copy', '-q', 'store:busybox', `oci-archive:named.tar:${name}`], at);
    t.is(await cli.ok(['load', '-q', '-i', 'named.tar'], at), `Loaded image: ${loaded}\n`);
    rmSync(join(cli.directory, 'named.tar'));
  }
});

testWith(oracleNeeds, 'layers of an OCI archive stay uncompressed where that is asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  await withMade(cli);
  const at = { cwd: cli.directory };
  await cli.ok(['save', '--format', 'oci-archive', '--uncompressed', '-o', 'a.tar', 'made:7'], at);
  const { Layers: layers } = inspect(cli, 'oci-archive:a.tar');
  t.deepEqual(layers, JSON.parse(await cli.ok(['inspect', '-f', '{{json .RootFS.Layers}}', 'made:7'])));
  await cli.ok(['save', '-m', '--format', 'oci-archive', '-o', 'b.tar', 'made:7', 'busybox'], at);
  t.not(inspect(cli, 'oci-archive:b.tar:localhost/made:7').Layers[1], layers[1]);
});

testWith(oracleNeeds, 'archives come from pipes, compressed any way, and go to pipes', async (t) => {
  const cli = await openCliWithBusybox(t);
  await withMade(cli);
  const id = (await cli.ok(['inspect', '-f', '{{.Id}}', 'made:7'])).trim();
  const file = join(cli.directory, 'made.tar');
  const program = `coracle --root ${cli.root} save -m made:7 busybox > ${file}`;
  const path = `${join(process.cwd(), 'dist')}:${cli.env.PATH}`;
  const piped = await runProgram('sh', ['-c', program], { env: { ...cli.env, PATH: path } });
  t.is(piped.code, 0, piped.stderr);
  await cli.ok(['rmi', '-af']);
  for (const [name, command] of [
    ['gzip', 'gzip -k'],
    ['xz', 'xz -k0'],
    ['bzip2', 'bzip2 -k'],
    ['zstd', 'zstd -qk'],
  ] as const) {
    if (missingProgram(name) !== undefined) continue;
    const made = await runProgram('sh', ['-c', `${command} -c ${file}`.replace('-k0', '-0')], {
      timeout: 60_000,
    });
    t.is(made.code, 0, made.stderr);
    const script = `${command} -c ${file} | coracle --root ${cli.root} load -q`;
    const loaded = await runProgram('sh', ['-c', script], { env: { ...cli.env, PATH: path } });
    t.regex(loaded.stdout, /localhost\/made:7\n.*localhost\/busybox:latest/, `${name}: ${loaded.stderr}`);
    t.is((await cli.ok(['inspect', '-f', '{{.Id}}', 'made:7'])).trim(), id);
    await cli.ok(['rmi', '-af']);
  }
});

testWith(journeyNeeds, 'what cannot be saved or loaded is refused by name', async (t) => {
  const cli = await openCliWithBusybox(t);
  const at = { cwd: cli.directory };
  for (const [args, message] of [
    [['--format', 'docker-dir', 'busybox'], /name a directory with -o/],
    [['--format', 'docker-dir', '-o', 'd', 'busybox', 'busybox'], /a docker-dir holds one image/],
    [['--compress', '-o', 'x.tar', 'busybox'], /--compress: only a docker-dir/],
    [['--uncompressed', '-o', 'x.tar', 'busybox'], /--uncompressed: only oci-archive/],
    [['--format', 'tar', '-o', 'x.tar', 'busybox'], /"tar"/],
  ] as const) {
    const refused = await cli.run(['save', ...args], at);
    t.is(refused.code, 125, args.join(' '));
    t.regex(refused.stderr, message);
  }
  t.false(existsSync(join(cli.directory, 'x.tar')));
  await cli.ok(['save', '--format', 'docker-dir', '-o', 'plain', 'busybox'], at);
  const plain = join(cli.directory, 'plain');
  const { layers } = JSON.parse(readFileSync(join(plain, 'manifest.json'), 'utf8'));
  appendFileSync(join(plain, layers[0].digest.slice(7)), 'x');
  await cli.ok(['rmi', '-af']);
  const damaged = await cli.run(['load', '-i', 'plain'], at);
  t.is(damaged.code, 125);
  t.regex(damaged.stderr, /more than \d+ bytes/);
  t.is(await cli.ok(['images', '-q']), '');
});

testWith(journeyNeeds, 'a root file system is imported by URL, with its config and platform', async (t) => {
  const cli = openCli(t);
  const tar = gzipSync(makeTar(busyboxEntries()));
  const server = await serve(t, (request, response) => {
    if (request.url === '/away') response.writeHead(302, { location: '/rootfs.tar.gz' }).end();
    else if (request.url === '/rootfs.tar.gz') response.end(tar);
    else response.writeHead(404).end();
  });
  const changes = [
    'CMD ["sh"]',
    'ENV A=b',
    'ENTRYPOINT ["/bin/env"]',
    'EXPOSE 80',
    'LABEL x=y',
    'STOPSIGNAL INT',
  ];
  const more = ['USER 33', 'VOLUME /data', 'WORKDIR /tmp', 'ONBUILD RUN true'];
  const flags = [...changes, ...more].flatMap((change) => ['--change', change]);
  const url = `${server.url}/away`;
  const id = (await cli.ok(['import', '-q', '-m', 'by URL', ...flags, url, 'base:1'])).trim();
  const [image] = JSON.parse(await cli.ok(['image', 'inspect', 'base:1']));
  t.is(image.Id, id);
  t.like(image.Config, {
    Cmd: ['sh'],
    Env: ['A=b'],
    Entrypoint: ['/bin/env'],
    ExposedPorts: { '80/tcp': {} },
    Labels: { x: 'y' },
    StopSignal: 'INT',
    User: '33',
    Volumes: { '/data': {} },
    WorkingDir: '/tmp',
    OnBuild: ['RUN true'],
  });
  t.regex(await cli.ok(['history', 'base:1']), /by URL/);
  t.is(await cli.ok(['inspect', '-f', '{{range .History}}{{.Comment}}{{end}}', 'base:1']), 'by URL\n');
  await cli.ok(['import', '--os', 'linux', '--arch', 'arm', '--variant', 'v6', url, 'arm']);
  t.is(await cli.ok(['inspect', '-f', '{{.Os}}/{{.Architecture}}/{{.Variant}}', 'arm']), 'linux/arm/v6\n');
  const gone = await cli.run(['import', `${server.url}/none`, 'none']);
  t.is(gone.code, 125);
  t.regex(gone.stderr, /fetch http:.*\/none: the server answered 404/);
  t.is((await cli.run(['import', '--variant', 'v6', url])).code, 125);
});

testWith(
  journeyNeeds,
  'a save whose reader leaves, whose disk is full, or whose files changed, ends and leaves nothing',
  async (t) => {
    const cli = openCli(t);
    const [tree, out] = [join(cli.directory, 'tree.tar'), join(cli.directory, 'out')];
    const size = 40_000_000;
    writeFileSync(tree, makeTar([{ name: 'large', content: Buffer.alloc(size, 'abcdefg') }]));
    await cli.ok(['import', tree, 'large:1']);
    mkdirSync(out);
    const program = join(process.cwd(), 'dist', 'coracle');
    const script = `"$0" --root "$1" save large:1 | head -c 5000 | wc -c; echo "\${PIPESTATUS[0]}"`;
    const left = await runProgram('bash', ['-c', script, program, cli.root], { env: cli.env });
    t.is(left.stdout, '5000\n141\n', left.stderr);
    const full = await cli.run(['save', '-q', '-o', '/dev/full', 'large:1']);
    t.is(full.code, 125);
    t.regex(full.stderr, /write \/dev\/full: no space left on the device/);

    const archive = join(out, 'a.tar');
    await cli.ok(['save', '-q', '-o', archive, 'large:1']);
    const [layer = ''] = readdirSync(join(cli.root, 'snapshots')).filter((name) =>
      existsSync(join(cli.root, 'snapshots', name, 'fs', 'large')),
    );
    const file = join(cli.root, 'snapshots', layer, 'fs', 'large');
    const saved = readFileSync(archive);
    const descriptor = openSync(file, 'r+');
    writeSync(descriptor, 'X', size / 2);
    closeSync(descriptor);
    const changed = await cli.run(['save', '-q', '-o', archive, 'large:1']);
    t.is(changed.code, 125);
    t.regex(changed.stderr, /its files now have diffID/);
    truncateSync(file, 10);
    const shorter = await cli.run(['save', '-q', '-o', archive, 'large:1']);
    t.is(shorter.code, 125);
    t.true(readFileSync(archive).equals(saved));
    t.deepEqual(readdirSync(out), ['a.tar']);
  },
);
