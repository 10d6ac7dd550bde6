/** RUN --mount, --network and --security, on each storage driver, with the secrets that must stay nowhere. */

import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: journeyNeeds },
];

function context(cli: Cli, dockerfile: string): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(join(directory, 'sub'), { recursive: true });
  writeFileSync(join(directory, 'file'), 'of the context\n');
  writeFileSync(join(directory, 'sub', 'x'), 'below\n');
  writeFileSync(join(directory, 'Dockerfile'), dockerfile);
  return directory;
}

function build(cli: Cli, dockerfile: string, ...words: string[]): ReturnType<Cli['run']> {
  return cli.run([
    'build',
    '--network',
    'none',
    '--progress',
    'plain',
    ...words,
    '-t',
    'made',
    context(cli, dockerfile),
  ]);
}

for (const { driver, missing } of drivers) {
  testWith(missing, `${driver}: S33: mounts show files and take nothing into the layer`, async (t) => {
    const cli = await openCliWithBusybox(t);
    const dockerfile = [
      'FROM busybox AS first',
      'RUN mkdir /out && echo made > /out/it',
      'FROM busybox',
      'RUN --mount=type=bind,target=/src cat /src/file /src/sub/x > /seen; ! touch /src/no',
      'RUN --mount=type=bind,target=/src,rw echo changed > /src/file && cat /src/file >> /seen',
      'RUN --mount=type=bind,from=first,source=/out,target=/o cat /o/it >> /seen',
      'RUN --mount=type=tmpfs,target=/scratch,size=1m touch /scratch/x && df /scratch | grep -q 1024',
      'RUN --mount=type=cache,target=/cache,id=one echo a >> /cache/l && cat /cache/l >> /seen',
      'RUN --mount=type=cache,target=/other,id=one cat /other/l >> /seen',
      '',
    ].join('\n');
    const built = await build(
      { ...cli, run: (words, options) => cli.run(['--storage-driver', driver, ...words], options) },
      dockerfile,
    );
    t.is(built.code, 0, built.stderr);
    const look = 'cat /seen; ls -d /src /o /scratch /cache /other 2>/dev/null; true';
    const seen = await cli.ok(['run', '--rm', '--network', 'none', 'made', 'sh', '-c', look]);
    t.is(seen, 'of the context\nbelow\nchanged\nmade\na\na\n');
    t.is(readFileSync(join(cli.directory, 'context', 'file'), 'utf8'), 'of the context\n');
    const again = await build(cli, dockerfile);
    t.regex(again.stderr, /\(7 of 7 steps cached\)/);
  });
}

testWith(
  journeyNeeds,
  'S32: a secret is in the step alone: in no layer, cache, record, log or archive',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const word = 'a-word-that-nobody-may-find';
    writeFileSync(join(cli.directory, 'secret'), `${word}\n`);
    const dockerfile = [
      'FROM busybox',
      'RUN --mount=type=secret,id=s sha256sum /run/secrets/s | cut -c1-4; stat -c %a:%u /run/secrets/s',
      'RUN --mount=type=secret,id=s,target=/deep/er/it,mode=0444,uid=33 su www -s /bin/sh -c "wc -c < /deep/er/it"',
      'RUN --mount=type=secret,id=e,env=WORD sh -c \'test "$WORD" = "$(echo a-word-that-)nobody-may-find"\'',
      'RUN --mount=type=secret,id=absent test ! -e /run/secrets/absent',
      '',
    ].join('\n');
    const secrets = [
      '--secret',
      `id=s,src=${join(cli.directory, 'secret')}`,
      '--secret',
      'id=e,env=SECRET_WORD',
    ];
    const outputs = [
      '--provenance=mode=max',
      '-o',
      `type=oci,dest=${join(cli.directory, 'made.tar')}`,
      '-o',
      'type=image,name=made',
    ];
    const built = await cli.run(
      [
        'build',
        '--network',
        'none',
        '--progress',
        'rawjson',
        ...secrets,
        ...outputs,
        context(cli, dockerfile),
      ],
      { env: { SECRET_WORD: word } },
    );
    t.is(built.code, 0, built.stderr);
    t.false((built.stdout + built.stderr).includes(word));
    const found = await runProgram('grep', [
      '-rlF',
      word,
      cli.root,
      cli.runtime,
      join(cli.directory, 'made.tar'),
    ]);
    t.deepEqual([found.code, found.stdout], [1, '']);
    const entries = await cli.ok([
      'run',
      '--rm',
      '--network',
      'none',
      'made',
      'sh',
      '-c',
      'ls -d /deep /run/secrets 2>/dev/null; true',
    ]);
    t.is(entries, '');
    const missing = await build(cli, 'FROM busybox\nRUN --mount=type=secret,id=gone,required=true true\n');
    t.is(missing.code, 1);
    t.regex(missing.stderr, /mount secret gone: the build was not given it[\s\S]*add --secret id=gone/);
  },
);

testWith(journeyNeeds, 'S31: names of caches and sources of mounts lead nowhere outside', async (t) => {
  const cli = await openCliWithBusybox(t);
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'sentinel'), 'untouched');
  const escaping = [
    'FROM busybox AS stage',
    `RUN ln -s ${outside} /link && ln -s / /root-link`,
    'FROM busybox',
    'RUN --mount=type=cache,id=../../../../x,target=/c touch /c/made',
    'RUN --mount=type=bind,from=stage,source=/root-link,target=/m test -x /m/bin/busybox && test ! -e /m/proc/1',
    '',
  ].join('\n');
  const built = await build(cli, escaping);
  t.is(built.code, 0, built.stderr);
  t.false(readdirSync(cli.directory).includes('x'));
  const linked = await build(
    cli,
    'FROM busybox AS stage\nRUN ln -s ' +
      outside +
      ' /link\nFROM busybox\nRUN --mount=type=bind,from=stage,source=/link,target=/m cat /m/sentinel\n',
  );
  t.is(linked.code, 1);
  t.false(linked.stdout.includes('untouched'));
  symlinkSync(outside, join(cli.directory, 'context', 'away'));
  const away = await build(
    cli,
    'FROM busybox\nRUN --mount=type=bind,source=away,target=/m cat /m/sentinel\n',
  );
  t.is(away.code, 1);
  t.is(readFileSync(join(outside, 'sentinel'), 'utf8'), 'untouched');
});

testWith(journeyNeeds, 'S33: a step is let out of its confinement only by name', async (t) => {
  const cli = await openCliWithBusybox(t);
  const insecure = 'FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status > /caps\n';
  const refused = await build(cli, insecure);
  t.is(refused.code, 1);
  t.regex(
    refused.stderr,
    /--security=insecure: the build was not allowed to[\s\S]*--allow security.insecure/,
  );
  t.is((await build(cli, insecure, '--allow', 'security.insecure')).code, 0);
  t.regex(await cli.ok(['run', '--rm', '--network', 'none', 'made', 'cat', '/caps']), /CapEff:\s+0*1?f{6,}/);
  const host = await build(cli, 'FROM busybox\nRUN --network=host true\n');
  t.regex(host.stderr, /--network=host: the build was not allowed to/);
});

testWith(
  [...journeyNeeds, missingProgram('ssh-agent'), missingProgram('ssh-add'), missingProgram('ssh-keygen')],
  'keys, and an agent of this host, answer inside and are gone afterwards',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const key = join(cli.directory, 'key');
    await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'of the test', '-f', key]);
    const place = context(cli, '');
    await copyProgram('/usr/bin/ssh-add', join(place, 'root'));
    const dockerfile = `FROM busybox
COPY root/ /
RUN --mount=type=ssh ssh-add -l > /said
RUN --mount=type=ssh,id=other,target=/agent SSH_AUTH_SOCK=/agent ssh-add -l >> /said
`;
    const socket = join(cli.directory, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    t.teardown(() => void agent.kill());
    await eventually(async () => existsSync(socket) || undefined);
    await runProgram('ssh-add', [key], { env: { SSH_AUTH_SOCK: socket } });
    const built = await build(cli, dockerfile, '--ssh', `default=${key}`, '--ssh', `other=${socket}`);
    t.is(built.code, 0, built.stderr);
    const look = 'cat /said; ls -d /agent /run/buildkit 2>/dev/null; true';
    const said = await cli.ok(['run', '--rm', '--network', 'none', 'made', 'sh', '-c', look]);
    t.regex(said, /^(256 SHA256:\S+ of the test \(ED25519\)\n){2}$/);
    t.true(statSync(socket).isSocket());
    const without = await build(cli, 'FROM busybox\nRUN --mount=type=ssh,required=true true\n');
    t.is(without.code, 1);
    t.regex(without.stderr, /--ssh/);
  },
);

/** A program with the libraries it is linked with, below a directory that becomes an image's root. */
async function copyProgram(program: string, root: string): Promise<void> {
  const { stdout } = await runProgram('ldd', [program]);
  for (const path of [program, ...(stdout.match(/\/\S+/g) ?? [])]) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(path, join(root, path));
  }
}
