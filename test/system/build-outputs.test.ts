/** What `coracle build` gives, read by other tools: directories, tars, archives, registries, indexes, attestations. */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { findProgram, missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

type Json = Record<string, unknown>;

const dockerfile = `FROM busybox
ARG SECRET_ARGUMENT
RUN mkdir /d && echo 1 > /d/a && chmod 4755 /d/a && ln -s /etc /outside
RUN rm /etc/passwd && echo 2 > /d/b && ln /d/b /d/c
LABEL own=1
`;

/** Built on this machine for others: no RUN of the last stage. */
const crossFile = `FROM --platform=$BUILDPLATFORM busybox AS shared
RUN echo same > /same
FROM --platform=$BUILDPLATFORM shared AS cross
ARG TARGETPLATFORM
RUN echo "$TARGETPLATFORM" > /target
FROM scratch
COPY --from=cross /same /target /
`;

function context(cli: Cli, text: string): string {
  const directory = mkdtempSync(join(cli.directory, 'context-'));
  writeFileSync(join(directory, 'Dockerfile'), text);
  return directory;
}

function tool(program: string, ...args: readonly string[]): string {
  const done = spawnSync(findProgram(program) ?? program, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

function json(text: string): Json {
  return JSON.parse(text) as Json;
}

testWith(
  journeyNeeds,
  'a directory gets the files as the caller own, without set-id bits; no link leads out of it',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const outside = join(cli.directory, 'outside');
    const out = join(cli.directory, 'out');
    mkdirSync(outside);
    mkdirSync(out);
    writeFileSync(join(out, 'kept'), 'kept');
    symlinkSync(outside, join(out, 'd'));
    const built = await cli.run(['build', '-o', out, context(cli, dockerfile)]);
    t.is(built.code, 0, built.stderr);
    t.deepEqual(readdirSync(outside), []);
    t.is(readFileSync(join(out, 'kept'), 'utf8'), 'kept');
    const file = statSync(join(out, 'd/a'));
    t.deepEqual([file.mode & 0o7777, file.uid], [0o755, process.getuid?.()]);
    t.is(statSync(join(out, 'd/b')).ino, statSync(join(out, 'd/c')).ino);
    t.false(existsSync(join(out, 'etc/passwd')));
    t.is(await cli.ok(['images', '-q', '--filter', 'dangling=true']), '');
  },
);

testWith(journeyNeeds, 'standard output gets a tar and nothing else', async (t) => {
  const cli = await openCliWithBusybox(t);
  const path = join(cli.directory, 'out.tar');
  const directory = context(cli, dockerfile);
  t.is((await cli.run(['build', '-o', `type=tar,dest=${path}`, directory])).code, 0);
  const names = tool('tar', '-tf', path).split('\n');
  t.true(names.includes('d/a') && names.includes('bin/busybox'));
  const piped = await cli.run(['build', '-q', '-o', '-', directory]);
  t.is(piped.code, 0, piped.stderr);
  t.true(piped.stdout.startsWith('bin/'));
  t.false(piped.stdout.includes('sha256:'));
});

testWith(
  [...journeyNeeds, missingProgram('skopeo'), missingProgram('umoci')],
  'archives and layouts are read by skopeo and umoci, in the compression and types asked for',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const place = (name: string): string => join(cli.directory, name);
    const built = await cli.run([
      'build',
      '-t',
      'example.com/made:1',
      ...['-o', `type=oci,dest=${place('zstd.tar')},compression=zstd`],
      ...['-o', `type=oci,dest=${place('layout')},tar=false,compression=uncompressed`],
      ...['-o', `type=oci,dest=${place('docker.tar')},oci-mediatypes=false`],
      ...['-o', `type=docker,dest=${place('archive.tar')}`],
      context(cli, dockerfile),
    ]);
    t.is(built.code, 0, built.stderr);
    const raw = (source: string): Json => json(tool('skopeo', 'inspect', '--raw', source));
    const types = (document: Json): readonly unknown[] =>
      (document.layers as Json[]).map(({ mediaType }) => mediaType);
    const oci = 'application/vnd.oci.image.layer.v1.tar';
    t.deepEqual(types(raw(`oci-archive:${place('zstd.tar')}`)).slice(1), [`${oci}+zstd`, `${oci}+zstd`]);
    t.deepEqual(types(raw(`oci:${place('layout')}`)), [oci, oci, oci]);
    const docker = raw(`oci-archive:${place('docker.tar')}`);
    t.is(docker.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
    t.is(types(docker).at(-1), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
    t.is(tool('umoci', 'ls', '--layout', place('layout')).trim(), 'example.com/made:1');
    tool('umoci', 'stat', '--image', `${place('layout')}:example.com/made:1`);
    const loaded = json(tool('skopeo', 'inspect', `docker-archive:${place('archive.tar')}`));
    t.deepEqual(loaded.Labels, { own: '1' });
    tool('skopeo', 'copy', '-q', `oci-archive:${place('zstd.tar')}`, `dir:${place('copied')}`);
    t.is(await cli.ok(['images', '-q', 'example.com/made:1']), '');
  },
);

testWith(
  journeyNeeds,
  'squashed layers show the same files; the base stays unless all are one',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, dockerfile);
    const count = async (name: string): Promise<number> => {
      const [{ RootFS }] = JSON.parse(await cli.ok(['inspect', name])) as [{ RootFS: { Layers: string[] } }];
      return RootFS.Layers.length;
    };
    for (const [name, flag, layers] of [
      ['plain', '--layers', 3],
      ['new', '--squash', 2],
      ['unlayered', '--layers=false', 2],
      ['all', '--squash-all', 1],
    ] as const) {
      const built = await cli.run(['build', flag, '-t', name, directory]);
      t.is(built.code, 0, built.stderr);
      t.is(await count(name), layers, name);
      const seen = await cli.ok([
        ...['run', '--rm', '--network', 'none', name, 'sh', '-c'],
        'cd /; stat -c "%n %a %h" d/* && test ! -e etc/passwd && readlink outside',
      ]);
      t.is(seen, 'd/a 4755 1\nd/b 644 2\nd/c 644 2\n/etc\n', name);
      await cli.ok(['build', flag, '-o', `type=oci,dest=${join(cli.directory, `${name}.tar`)}`, directory]);
    }
  },
);

testWith(journeyNeeds, 'the config gets and loses what the command line says', async (t) => {
  const cli = await openCliWithBusybox(t);
  const base = context(cli, 'FROM busybox\nENV GONE=1 KEPT=1\nLABEL inherited=1 gone=1\n');
  await cli.ok(['build', '-t', 'labelled', base]);
  await cli.ok([
    ...['build', '-t', 'changed', '--from', 'labelled', '--env', 'ADDED=2', '--unsetenv', 'GONE'],
    ...[
      '--unsetlabel',
      'gone',
      '--identity-label',
      '--omit-history',
      '--annotation',
      'a=b',
      context(cli, dockerfile),
    ],
  ]);
  const [changed] = JSON.parse(await cli.ok(['inspect', 'changed'])) as [
    { Config: { Env: string[] }; Labels: Json; History: unknown[]; Annotations: Json },
  ];
  t.true(changed.Config.Env.includes('ADDED=2') && changed.Config.Env.includes('KEPT=1'));
  t.false(changed.Config.Env.includes('GONE=1'));
  t.deepEqual(Object.keys(changed.Labels).sort(), ['dev.coracle.version', 'inherited', 'own']);
  t.deepEqual([changed.History, changed.Annotations], [[], { a: 'b' }]);
  await cli.ok([
    'build',
    '-t',
    'alone',
    '--from',
    'labelled',
    '--inherit-labels=false',
    context(cli, dockerfile),
  ]);
  const [alone] = JSON.parse(await cli.ok(['inspect', 'alone'])) as [{ Labels: Json }];
  t.deepEqual(alone.Labels, { own: '1' });
});

testWith(
  [...journeyNeeds, missingRegistry(), missingProgram('skopeo')],
  'several platforms make one index, pushed, described and run; shared stages run once',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const name = `${host}/team/multi:1`;
    const metadata = join(cli.directory, 'metadata.json');
    const built = await cli.run([
      ...[
        'build',
        '--progress',
        'plain',
        '--platform',
        'linux/amd64,linux/arm64',
        '--platform',
        'linux/s390x',
      ],
      ...['-t', name, '--push', '--metadata-file', metadata, '--annotation', 'index:a=b'],
      ...['--annotation', 'manifest[linux/arm64]:c=d', context(cli, crossFile)],
    ]);
    t.is(built.code, 0, built.stderr);
    t.is(built.stderr.match(/RUN echo same/g)?.length, 1);
    const index = json(tool('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`));
    const platforms = (index.manifests as { platform: { architecture: string } }[]).map(
      ({ platform }) => platform.architecture,
    );
    t.deepEqual([platforms, index.annotations], [['amd64', 'arm64', 's390x'], { a: 'b' }]);
    const described = json(readFileSync(metadata, 'utf8'));
    t.is(described['image.name'], name);
    const pushed = tool(
      'skopeo',
      'inspect',
      '--format',
      '{{.Digest}}',
      '--tls-verify=false',
      `docker://${name}`,
    );
    t.is(described['containerimage.digest'], pushed.trim());
    const arm = join(cli.directory, 'arm');
    tool(
      'skopeo',
      '--override-arch',
      'arm64',
      'copy',
      '-q',
      '--src-tls-verify=false',
      `docker://${name}`,
      `oci:${arm}:x`,
    );
    const config = json(tool('skopeo', 'inspect', '--config', `oci:${arm}:x`));
    t.is(config.architecture, 'arm64');
    t.deepEqual(json(tool('skopeo', 'inspect', '--raw', `oci:${arm}:x`)).annotations, { c: 'd' });
    const saved = join(cli.directory, 'saved.tar');
    await cli.ok(['save', '--format', 'oci-archive', '-o', saved, name]);
    t.is((json(tool('skopeo', 'inspect', '--raw', `oci-archive:${saved}`)).manifests as unknown[]).length, 3);
  },
);

testWith(journeyNeeds, 'an index without this machine is listed and saved, but not run', async (t) => {
  const cli = await openCliWithBusybox(t);
  const directory = context(cli, crossFile);
  await cli.ok(['build', '--platform', 'linux/arm64,linux/s390x', '-t', 'foreign', directory]);
  t.regex(await cli.ok(['images']), /localhost\/foreign/);
  t.regex(await cli.ok(['inspect', 'foreign']), /"Architecture": "arm64"/);
  const run = await cli.run(['run', '--rm', 'foreign', 'true']);
  t.is(run.code, 125);
  t.regex(run.stderr, /no image for linux\/\w+ in the store/);
  const out = join(cli.directory, 'out');
  await cli.ok(['build', '--platform', 'linux/arm64,linux/s390x', '-o', out, directory]);
  t.is(readFileSync(join(out, 'linux_s390x/target'), 'utf8'), 'linux/s390x\n');
  await cli.ok(['build', '--platform', 'linux/arm64', '--manifest', 'list', directory]);
  await cli.ok(['build', '--platform', 'linux/s390x', '--manifest', 'list', directory]);
  const listed = join(cli.directory, 'listed');
  await cli.ok(['save', '--format', 'oci-archive', '-o', listed, 'list']);
  t.is(
    readFileSync(listed)
      .toString('latin1')
      .match(/"architecture":"(arm64|s390x)","os":"linux"}/g)?.length,
    2,
  );
});

testWith(journeyNeeds, 'wrong outputs are refused before anything is built', async (t) => {
  const cli = await openCliWithBusybox(t);
  const directory = context(cli, dockerfile);
  for (const [args, message] of [
    [['--push'], /no name to push to/],
    [['--push', '-t', 'short'], /push localhost\/short:latest: the name has no registry/],
    [['--annotation', 'index:a=b'], /one image and no index/],
    [['--format', 'docker', '--annotation', 'a=b'], /have no annotations/],
    [['-o', '-', '-o', 'type=oci'], /only one output can go to standard output/],
    [['--platform', 'linux/amd64', '--arch', 'arm64'], /--platform excludes/],
    [['--platform', 'a/b/c/d'], /parse platform/],
    [['--sbom=generator=x'], /generators are not run/],
  ] as const) {
    const built = await cli.run(['build', ...args, directory]);
    t.not(built.code, 0, args.join(' '));
    t.regex(built.stderr, message);
    t.notRegex(built.stderr, /RUN/);
  }
});

/** A program for 64-bit ARM, by hand: writes `hello` and ends with 0. */
function armProgram(): Buffer {
  const code = [
    0xd2800020, 0x100000e1, 0xd28000c2, 0xd2800808, 0xd4000001, 0xd2800000, 0xd2800ba8, 0xd4000001,
  ];
  const text = Buffer.from('hello\n');
  const start = 0x78;
  const program = Buffer.alloc(start + code.length * 4 + text.length);
  program.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  program.writeUInt16LE(2, 0x10);
  program.writeUInt16LE(183, 0x12);
  program.writeUInt32LE(1, 0x14);
  program.writeBigUInt64LE(BigInt(0x400000 + start), 0x18);
  program.writeBigUInt64LE(0x40n, 0x20);
  program.writeUInt16LE(0x40, 0x34);
  program.writeUInt16LE(0x38, 0x36);
  program.writeUInt16LE(1, 0x38);
  program.writeUInt32LE(1, 0x40);
  program.writeUInt32LE(5, 0x44);
  program.writeBigUInt64LE(0x400000n, 0x50);
  program.writeBigUInt64LE(0x400000n, 0x58);
  program.writeBigUInt64LE(BigInt(program.length), 0x60);
  program.writeBigUInt64LE(BigInt(program.length), 0x68);
  program.writeBigUInt64LE(0x1000n, 0x70);
  for (const [at, word] of code.entries()) program.writeUInt32LE(word, start + at * 4);
  text.copy(program, start + code.length * 4);
  return program;
}

testWith(
  [...journeyNeeds, missingProgram('qemu-aarch64-static')],
  'a RUN of another platform runs under an emulator of its own user namespace, and leaves nothing registered',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, 'FROM scratch\nCOPY --chmod=755 program /program\nRUN ["/program"]\n');
    writeFileSync(join(directory, 'program'), armProgram());
    const before = readdirSync('/proc/sys/fs/binfmt_misc');
    const built = await cli.run([
      ...['build', '--progress', 'plain', '--network', 'none', '--platform', 'linux/arm64', directory],
    ]);
    t.is(built.code, 0, built.stderr);
    t.regex(built.stderr, /hello/);
    t.deepEqual(readdirSync('/proc/sys/fs/binfmt_misc'), before);
  },
);

testWith(
  [...journeyNeeds, missingRegistry(), missingProgram('skopeo')],
  '--all-platforms is what the base image is there for, in the store or at its registry',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const [base, made] = [`${host}/team/base:1`, `${host}/team/made:1`];
    const plain = context(cli, 'FROM scratch\nCOPY Dockerfile /base\n');
    await cli.ok(['build', '-q', '--platform', 'linux/amd64,linux/s390x', '-t', base, '--push', plain]);
    const architectures = (name: string): readonly string[] => {
      const index = json(tool('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`));
      return (index.manifests as { platform: { architecture: string } }[]).map(
        ({ platform }) => platform.architecture,
      );
    };
    const text = `FROM --platform=$BUILDPLATFORM busybox AS tool\nFROM ${base}\nCOPY --from=tool /bin/busybox /b\n`;
    const build = ['build', '-q', '--all-platforms', '-t', made, '--push'];
    await cli.ok([...build, context(cli, text)]);
    t.deepEqual(architectures(made), ['amd64', 's390x']);
    const other = openCli(t);
    await other.ok([...build, context(other, `FROM ${base}\nLABEL a=b\n`)]);
    t.deepEqual(architectures(made), ['amd64', 's390x']);
    const none = await cli.run(['build', '--all-platforms', context(cli, 'FROM scratch\nLABEL a=b\n')]);
    t.is(none.code, 125);
    t.regex(none.stderr, /build --all-platforms: no base image says which\nhint: name them/);
    const both = await cli.run([...build, '--platform', 'linux/amd64', plain]);
    t.regex(both.stderr, /--all-platforms excludes --platform/);
  },
);
