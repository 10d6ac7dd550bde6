/** Contexts from everywhere: archives, URLs, git repositories, and further ones by name. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { makeTar, type TarEntry } from '../helpers/image.js';
import { gitHandler, missingGit, ownCertificate, serve, TestRepository } from '../helpers/web.js';
import { Builder, missingForBuilds } from './builder.js';
import { SharedBuilders } from './shared-builders.js';

const builders = new SharedBuilders();

test.after.always('the stores are removed', () => builders.close());

const dockerfile = 'FROM scratch\nCOPY . /o/\n';

async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const archive: readonly TarEntry[] = [
  { name: 'Dockerfile', content: dockerfile },
  { name: '.dockerignore', content: 'ignored\n.dockerignore\nDockerfile\n' },
  { name: 'ignored/x', content: 'x' },
  { name: 'd', type: 'directory', mode: 0o700, uid: 7, gid: 8 },
  { name: 'd/f', content: 'in the archive', mode: 0o640, uid: 7, gid: 8 },
  { name: 'l', type: 'symlink', link: 'd/f' },
  { name: 'secretive', content: 's', mode: 0 },
];
const expected = ['d directory 700 0:0', 'd/f file 640 0:0', 'l symlink 0:0 -> d/f', 'secretive file 0 0:0'];

function short(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.replace(/ \d+ [0-9a-f]{12}$/, ''));
}

const forms: readonly (readonly [string, (tar: Buffer) => Uint8Array, string?])[] = [
  ['plain', (tar) => tar],
  ['gzip', (tar) => gzipSync(tar)],
  ['bzip2', (tar) => spawnSync('bzip2', ['-c'], { input: tar }).stdout, 'bzip2'],
  ['xz', (tar) => spawnSync('xz', ['-c'], { input: tar }).stdout, 'xz'],
  ['zstd', (tar) => spawnSync('zstd', ['-c'], { input: tar }).stdout, 'zstd'],
];
for (const [name, pack, program] of forms) {
  const missing = program === undefined ? undefined : missingProgram(program);
  testWith([...missingForBuilds, missing], `an archive as the context: ${name}`, async (t) => {
    const builder = await builders.get('overlay');
    const { image } = await builder.build(pieces(pack(makeTar(archive))));
    t.deepEqual(short(await builder.below(image, 'o/')), expected);
    t.is((await builder.build(pieces(pack(makeTar(archive))))).cached, 1);
  });
}

testWith(missingForBuilds, 'bytes that are no archive are a Dockerfile without files', async (t) => {
  const builder = await builders.get('overlay');
  const { image } = await builder.build(pieces(Buffer.from('FROM localhost/busybox\nRUN echo hi > /f\n'), 5));
  t.is(await builder.text(image, 'f'), 'hi\n');
  const error = await t.throwsAsync(builder.build(pieces(Buffer.from(dockerfile)), { dockerfile: 'other' }), {
    instanceOf: CoracleError,
  });
  t.is(error?.code, 'USAGE');
});

testWith(missingForBuilds, 'the Dockerfile of an archive by name, its own ignore file first', async (t) => {
  const builder = await builders.get('overlay');
  const tar = makeTar([
    ...archive,
    { name: 'docker/Other', content: 'FROM scratch\nCOPY . /o/\n' },
    { name: 'docker/Other.dockerignore', content: '**\n!d\n' },
  ]);
  const { image } = await builder.build(pieces(tar), { dockerfile: 'docker/Other' });
  t.deepEqual(short(await builder.below(image, 'o/')), expected.slice(0, 2));
});

const hostile: readonly (readonly [string, TarEntry, RegExp])[] = [
  ['a path upwards', { name: '../evil', content: 'x' }, /\.\./],
  ['a hard link upwards', { name: 'h', type: 'hardlink', link: '../../etc/passwd' }, /\.\./],
  ['a name of layers', { name: '.wh.d', content: '' }, /reserved for layers/],
];
for (const [what, entry, message] of hostile) {
  testWith(missingForBuilds, `S30: a context archive with ${what} is refused`, async (t) => {
    const builder = await builders.get('overlay');
    const error = await t.throwsAsync(builder.build(pieces(makeTar([...archive, entry]))), {
      instanceOf: CoracleError,
    });
    t.is(error?.code, 'INVALID');
    t.regex(error?.message ?? '', message);
  });
}

testWith(missingForBuilds, 'S30: links of a context archive lead nowhere but into it', async (t) => {
  const builder = await Builder.open(t);
  const outside = builder.context({ secret: 'of the host', Dockerfile: 'FROM host\n' });
  const links: readonly TarEntry[] = [
    { name: 'out', type: 'symlink', link: outside },
    { name: 'up', type: 'symlink', link: `../../../../../../../..${outside}/secret` },
    { name: 'f', content: 'f' },
  ];
  for (const source of ['out/secret', 'up', 'out']) {
    const tar = makeTar([...links, { name: 'Dockerfile', content: `FROM scratch\nCOPY ${source} /x\n` }]);
    const error = await t.throwsAsync(builder.build(pieces(tar)), { instanceOf: CoracleError });
    t.regex(error?.message ?? '', /not found in the build context/, source);
    t.regex(error?.excerpt ?? '', /Dockerfile:2/);
  }
  // Neither does the Dockerfile, of which errors show lines, or what is written through a link.
  const stolen = makeTar([{ name: 'Dockerfile', type: 'symlink', link: `${outside}/Dockerfile` }]);
  const error = await t.throwsAsync(builder.build(pieces(stolen)), { instanceOf: CoracleError });
  t.is(error?.code, 'NOT_FOUND');
  const through = makeTar([
    { name: 'out', type: 'symlink', link: outside },
    { name: 'out/planted', content: 'x' },
    ...archive,
  ]);
  await builder.build(pieces(through)).catch((reason: unknown) => t.true(reason instanceof CoracleError));
  t.is(spawnSync('ls', [outside], { encoding: 'utf8' }).stdout, 'Dockerfile\nsecret\n');
});

testWith(missingForBuilds, 'the URL of an archive or of a Dockerfile as the context', async (t) => {
  const builder = await builders.get('overlay');
  const server = await serve(t, (request, response) => {
    if (request.url === '/c.tar.gz') response.end(gzipSync(makeTar(archive)));
    else if (request.url === '/moved') response.writeHead(302, { location: '/c.tar.gz' }).end();
    else if (request.url === '/Dockerfile') response.end('FROM localhost/busybox\nRUN echo hi > /f\n');
    else response.writeHead(404).end();
  });
  for (const path of ['/c.tar.gz', '/moved']) {
    const { image } = await builder.build(`${server.url}${path}`);
    t.deepEqual(short(await builder.below(image, 'o/')), expected);
  }
  const { image } = await builder.build(`${server.url}/Dockerfile`);
  t.is(await builder.text(image, 'f'), 'hi\n');
  const context = builder.context({ Dockerfile: 'FROM scratch\n' });
  const remote = await builder.build(context, { dockerfile: `${server.url}/Dockerfile` });
  t.is(await builder.text(remote.image, 'f'), 'hi\n');
  const error = await t.throwsAsync(builder.build(`${server.url}/none`), { instanceOf: CoracleError });
  t.is(error?.code, 'NOT_FOUND');
  t.regex(error?.message ?? '', /404/);
});

testWith(
  [...missingForBuilds, missingProgram('openssl')],
  'a server with an unknown certificate is refused',
  async (t) => {
    const builder = await builders.get('overlay');
    const server = await serve(
      t,
      (_request, response) => response.end(makeTar(archive)),
      ownCertificate(builder.context()),
    );
    const error = await t.throwsAsync(builder.build(`${server.url}/c.tar`), { instanceOf: CoracleError });
    t.is(error?.code, 'NETWORK');
    t.regex(error?.message ?? '', /certificate/i);
  },
);

/** A repository over HTTP, and its address. */
async function repository(
  t: ExecutionContext<unknown>,
  directory: string,
): Promise<{ repo: TestRepository; url: string }> {
  const repo = new TestRepository(join(directory, 'project.git'));
  const { url } = await serve(t, gitHandler(directory));
  return { repo, url: `${url}/project.git` };
}

testWith(
  [...missingForBuilds, missingGit()],
  'a git repository as the context: branches, tags, commits, directories',
  async (t) => {
    const builder = await Builder.open(t);
    const { repo, url } = await repository(t, builder.context());
    const first = repo.commit({
      Dockerfile: dockerfile,
      version: '1',
      'sub/Dockerfile': 'FROM scratch\nCOPY f /o/f\n',
      'sub/f': 'below',
    });
    repo.git('-c', 'user.name=t', '-c', 'user.email=t@t', 'tag', '-a', '-m', 't', 'v1');
    repo.git('branch', 'old');
    repo.commit({ version: '2', '.dockerignore': 'sub\nDockerfile\n.dockerignore\n' });
    const content = async (context: string): Promise<string> =>
      builder.text((await builder.build(context)).image, 'o/version');
    t.is(await content(url), '2');
    for (const fragment of ['#main', '#refs/heads/main', '?branch=main'])
      t.is(await content(url + fragment), '2', fragment);
    for (const fragment of [
      '#old',
      '#v1',
      `#${first}`,
      '?tag=v1',
      `?ref=v1&commit=${first.slice(0, 9)}`,
      `?checksum=${first}`,
    ])
      t.is(await content(url + fragment), '1', fragment);
    const { image } = await builder.build(url);
    t.deepEqual(short(await builder.below(image, 'o/')), ['version file 644 0:0']);
    for (const below of [
      '#old:sub',
      '#:sub',
      '?subdir=sub&ref=old',
      '#v1:sub/../sub/.'.replace('sub/../', ''),
    ]) {
      const built = await builder.build(url + below);
      t.is(await builder.text(built.image, 'o/f'), 'below', below);
    }
    t.is((await builder.build(url)).cached, 1);
  },
);

testWith([...missingForBuilds, missingGit()], 'what a repository does not have is said', async (t) => {
  const builder = await Builder.open(t);
  const { repo, url } = await repository(t, builder.context());
  const commit = repo.commit({ Dockerfile: dockerfile });
  const rows = [
    ['#nothing', 'NOT_FOUND', /no branch or tag nothing/],
    ['#:nothing', 'NOT_FOUND', /nothing/],
    [`?commit=${'0'.repeat(40)}&ref=main`, 'INTEGRITY', new RegExp(commit)],
    [`#${'1'.repeat(40)}`, 'NOT_FOUND', /no commit 1111/],
    ['?what=1', 'INVALID', /what/],
    ['#--upload-pack=touch', 'INVALID', /no branch/],
    ['#a..b', 'INVALID', /no branch/],
  ] as const;
  for (const [suffix, code, message] of rows) {
    const error = await t.throwsAsync(builder.build(url + suffix), { instanceOf: CoracleError });
    t.is(error?.code, code, suffix);
    t.regex(error?.message ?? '', message);
  }
});

testWith(
  [...missingForBuilds, missingGit()],
  'S30: a repository cannot lead out: links, hooks, submodules of other transports',
  async (t) => {
    const builder = await Builder.open(t);
    const outside = builder.context();
    const host = new TestRepository(outside).commit({ secret: 'of the host' });
    const { repo, url } = await repository(t, builder.context());
    repo.commit({
      Dockerfile: 'FROM scratch\nCOPY link/secret /x\n',
      link: `-> ${outside}`,
      f: 'f',
      'd/x': 'x',
      alias: '-> /d',
    });
    const copied = await t.throwsAsync(builder.build(url), { instanceOf: CoracleError });
    t.regex(copied?.message ?? '', /not found in the build context/);
    for (const path of ['link', '../..', `${outside}`, 'd/../../..']) {
      const error = await t.throwsAsync(builder.build(`${url}#main:${path}`), { instanceOf: CoracleError });
      t.is(error?.code, 'NOT_FOUND', path);
    }
    // A link to a directory of the repository is a directory of the repository.
    const inside = await t.throwsAsync(builder.build(`${url}#main:alias`), { instanceOf: CoracleError });
    t.regex(inside?.message ?? '', /read Dockerfile/);
    const mark = join(outside, 'ran');
    for (const address of [`ext::touch ${mark}`, outside, `file://${outside}`]) {
      writeFileSync(join(repo.path, '.gitmodules'), `[submodule "s"]\n\tpath = s\n\turl = ${address}\n`);
      repo.git('add', '.gitmodules');
      repo.git('update-index', '--add', '--cacheinfo', `160000,${host},s`);
      repo.git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-q', '-m', 's');
      const error = await t.throwsAsync(builder.build(url), { instanceOf: CoracleError });
      t.regex(error?.message ?? '', /not allowed|transport/, address);
    }
    t.is(spawnSync('ls', [outside], { encoding: 'utf8' }).stdout, 'secret\n');
  },
);

testWith(
  [...missingForBuilds, missingGit()],
  'submodules come along, unless they are not wanted',
  async (t) => {
    const builder = await Builder.open(t);
    const directory = builder.context();
    const { repo, url } = await repository(t, directory);
    const module = new TestRepository(join(directory, 'module.git'));
    const commit = module.commit({ inner: 'of the module' });
    repo.commit({ Dockerfile: 'FROM scratch\nCOPY . /o/\n' });
    writeFileSync(join(repo.path, '.gitmodules'), '[submodule "m"]\n\tpath = m\n\turl = ../module.git\n');
    repo.git('add', '.gitmodules');
    repo.git('update-index', '--add', '--cacheinfo', `160000,${commit},m`);
    repo.git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '-q', '-m', 's');
    const { image } = await builder.build(url);
    t.is(await builder.text(image, 'o/m/inner'), 'of the module');
    t.false((await builder.tree(image)).some((line) => line.includes('.git ')));
    const without = await builder.build(`${url}?submodules=false`);
    t.false((await builder.tree(without.image)).some((line) => line.startsWith('o/m/')));
    const kept = await builder.build(`${url}?keep-git-dir=1`);
    t.true((await builder.tree(kept.image)).some((line) => line.startsWith('o/.git/HEAD')));
  },
);

testWith(missingForBuilds, 'contexts by name: a directory with its own ignore file', async (t) => {
  const builder = await builders.get('overlay');
  const shared = builder.context({ f: 'shared', skip: 'x', '.dockerignore': 'skip\n.dockerignore\n' });
  const text = 'FROM localhost/busybox\nCOPY --from=shared . /o/\nCOPY main /o/\n';
  const { image, cached } = await builder.make(text, { main: 'm' }, { contexts: { Shared: shared } });
  t.is(cached, 0);
  t.deepEqual(short(await builder.below(image, 'o/')), ['f file 644 0:0', 'main file 644 0:0']);
  t.is((await builder.make(text, { main: 'm' }, { contexts: { shared } })).cached, 2);
  writeFileSync(join(shared, 'f'), 'other');
  t.is((await builder.make(text, { main: 'm' }, { contexts: { shared } })).cached, 0);
});

testWith(
  missingForBuilds,
  'contexts by name stand for stages and for images in every spelling',
  async (t) => {
    const builder = await Builder.open(t);
    await builder.make(
      'FROM localhost/busybox\nRUN echo replaced > /which\nENV A=b\n',
      {},
      { tags: ['localhost/replaced'] },
    );
    const files = builder.context({ which: 'a directory' });
    const rows: readonly (readonly [string, string])[] = [
      ['FROM debian:12\n', 'docker.io/library/debian:12'],
      ['FROM docker.io/library/debian\n', 'debian'],
      ['FROM localhost/busybox AS base\nRUN exit 1\nFROM base\n', 'base'],
      ['FROM localhost/busybox\nCOPY --from=debian /which /which\n', 'debian:latest'],
      [
        'FROM localhost/busybox AS one\nRUN exit 1\nFROM localhost/busybox\nCOPY --from=one /which /which\n',
        'ONE',
      ],
    ];
    for (const [text, name] of rows) {
      const image = await builder.make(
        text,
        {},
        { contexts: { [name]: 'docker-image://localhost/replaced' } },
      );
      t.is(await builder.text(image.image, 'which'), 'replaced\n', text);
      const directory = await builder.make(text, {}, { contexts: { [name]: files } });
      t.is(await builder.text(directory.image, 'which'), 'a directory', text);
    }
    const unused = await builder.make(
      'FROM scratch\n',
      {},
      { contexts: { x: 'docker-image://localhost/none' } },
    );
    t.truthy(unused.image.id);
  },
);

testWith(missingForBuilds, 'contexts by name from an OCI layout, by tag, digest, or alone', async (t) => {
  const builder = await Builder.open(t);
  await builder.make(
    'FROM localhost/busybox\nRUN echo laid out > /which\n',
    {},
    { tags: ['localhost/lay:1'] },
  );
  const layout = join(builder.directory, 'layout');
  mkdirSync(layout);
  await saveImages(builder.stores, ['localhost/lay:1'], `${layout}.tar`, { format: 'oci-archive' });
  t.is(spawnSync('tar', ['-xf', `${layout}.tar`, '-C', layout]).status, 0);
  const saved = /"digest":"(sha256:[0-9a-f]{64})"/.exec(
    readFileSync(join(layout, 'index.json'), 'utf8'),
  )?.[1];
  const text = 'FROM other\nRUN cat /which\n';
  for (const suffix of ['', ':1', `@${saved}`]) {
    const { output } = await builder.make(
      text,
      {},
      { contexts: { other: `oci-layout://${layout}${suffix}` }, noCache: true },
    );
    t.is(output, 'laid out\n', suffix);
  }
  const error = await builder.fails(t, text, {}, { contexts: { other: `oci-layout://${layout}:2` } });
  t.is(error.code, 'NOT_FOUND');
  t.regex(error.excerpt ?? '', /Dockerfile:1/);
});

testWith([...missingForBuilds, missingGit()], 'contexts by name from git and from an archive', async (t) => {
  const builder = await Builder.open(t);
  const { repo, url } = await repository(t, builder.context());
  repo.commit({ 'd/f': 'from git' });
  const server = await serve(t, (_request, response) =>
    response.end(makeTar([{ name: 'f', content: 'from a tar' }])),
  );
  const { image } = await builder.make(
    'FROM scratch\nCOPY --from=g f /g\nCOPY --from=w f /w\n',
    {},
    { contexts: { g: `${url}#main:d`, w: `${server.url}/x.tar` } },
  );
  t.is(await builder.text(image, 'g'), 'from git');
  t.is(await builder.text(image, 'w'), 'from a tar');
});

testWith(missingForBuilds, 'contexts of no known kind are refused by name', async (t) => {
  const builder = await builders.get('overlay');
  for (const value of ['target:base', 'ftp://example.org/x', 's3://x/y']) {
    const error = await builder.fails(t, 'FROM scratch\n', {}, { contexts: { x: value } });
    t.is(error.code, 'UNSUPPORTED', value);
  }
  const error = await builder.fails(
    t,
    'FROM scratch\nCOPY --from=x f /\n',
    {},
    { contexts: { x: '/nowhere' } },
  );
  t.is(error.code, 'NOT_FOUND');
  t.regex(error.excerpt ?? '', /Dockerfile:2/);
});

testWith(missingForBuilds, 'S30: links of a context by name lead nowhere but into it', async (t) => {
  const builder = await builders.get('overlay');
  const outside = builder.context({ secret: 'of the host' });
  const inside = builder.context();
  mkdirSync(join(inside, 'd'));
  symlinkSync(outside, join(inside, 'd/out'));
  const error = await builder.fails(
    t,
    'FROM scratch\nCOPY --from=x d/out/secret /\n',
    {},
    { contexts: { x: inside } },
  );
  t.regex(error.message, /not found in the build context/);
});

testWith(missingForBuilds, '--ignorefile is used instead of the one in the context', async (t) => {
  const builder = await builders.get('overlay');
  const ignoreFile = join(builder.context({ rules: 'a\nDockerfile\n.dockerignore\n' }), 'rules');
  const { image } = await builder.make(dockerfile, { a: '', b: '', '.dockerignore': 'b\n' }, { ignoreFile });
  t.deepEqual(short(await builder.below(image, 'o/')), ['b file 644 0:0']);
  const error = await builder.fails(t, dockerfile, {}, { ignoreFile: '/none' });
  t.is(error.code, 'NOT_FOUND');
});

testWith(missingForBuilds, 'nothing that was fetched stays', async (t) => {
  const builder = await Builder.open(t);
  await builder.build(pieces(makeTar(archive)));
  await t.throwsAsync(builder.build(pieces(makeTar([...archive, { name: '../x', content: '' }]))));
  const { staging, trash } = builder.stores.paths;
  const left = spawnSync(
    'sh',
    ['-c', `ls -d ${staging}/*/context-* ${staging}/*/home-* ${trash}/* 2>/dev/null`],
    { encoding: 'utf8' },
  );
  t.is(left.stdout, '');
});
