/** ADD of URLs and git repositories: content, names, times, caching, checksums, and servers that mean ill. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { parseGitReference } from '../../lib/build/git-reference.js';
import { gitAuthorization, type ReadSecret, urlAuthorization } from '../../lib/build/remote-auth.js';
import { CoracleError } from '../../lib/errors.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { gitHandler, missingGit, ownCertificate, serve, TestRepository } from '../helpers/web.js';
import { Builder, missingForBuilds } from './builder.js';
import { SharedBuilders } from './shared-builders.js';

const builders = new SharedBuilders();

test.after.always('the stores are removed', () => builders.close());

const base = 'FROM localhost/busybox\n';
const modified = 'Wed, 21 Oct 2015 07:28:00 GMT';

function digest(text: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

testWith(
  missingForBuilds,
  'a URL is a file of mode 0600, named after its path, with the time of the server',
  async (t) => {
    const builder = await builders.get('overlay');
    const { url } = await serve(t, (request, response) => {
      if (request.url === '/old/place') response.writeHead(301, { location: '/d/name%20x.txt?a=b' }).end();
      else response.writeHead(200, { 'last-modified': modified }).end('content');
    });
    const text = `${base}ADD ${url}/d/name%20x.txt?a=b /o/\nADD ${url}/old/place /o/renamed\nADD --chmod=644 --chown=7:8 ${url}/f /o/\nADD ${url}/ /o/\nRUN stat -c %Y /o/f\n`;
    const { image, output } = await builder.make(text, {}, { reproducible: false });
    const found = (await builder.below(image, 'o/')).map((line) => line.replace(/ 7 \w{12}$/, ''));
    t.deepEqual(found, [
      '__unnamed__ file 600 0:0',
      'f file 644 7:8',
      'name x.txt file 600 0:0',
      'renamed file 600 0:0',
    ]);
    t.is(await builder.text(image, 'o/renamed'), 'content');
    t.is(output, `${Date.parse(modified) / 1000}\n`);
  },
);

testWith(
  missingForBuilds,
  'an unchanged URL is asked for, not fetched again; a changed one is',
  async (t) => {
    const builder = await Builder.open(t);
    let [etag, content] = ['"one"', 'first'];
    const server = await serve(t, (request, response) => {
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.writeHead(200, { etag }).end(content);
    });
    const text = `${base}ADD ${server.url}/f /f\n`;
    t.is((await builder.make(text)).cached, 0);
    const second = await builder.make(text);
    t.is(second.cached, 1);
    t.is(await builder.text(second.image, 'f'), 'first');
    [etag, content] = ['"two"', 'second'];
    const third = await builder.make(text);
    t.is(third.cached, 0);
    t.is(await builder.text(third.image, 'f'), 'second');
    // The tag alone changed: the content is what counts.
    etag = '"three"';
    t.is((await builder.make(text)).cached, 1);
    // A step that must run again although the server says "unchanged" has its content all the same.
    const again = await builder.make(text, {}, { noCache: true });
    t.is(await builder.text(again.image, 'f'), 'second');
  },
);

testWith(
  missingForBuilds,
  'a URL with a checksum is not asked for when the step is cached, and must have it',
  async (t) => {
    const builder = await Builder.open(t);
    const server = await serve(t, (_request, response) => response.end('content'));
    const text = (sum: string): string => `${base}ARG SUM=${sum}\nADD --checksum=$SUM ${server.url}/f /f\n`;
    t.is((await builder.make(text(digest('content')))).cached, 0);
    const asked = server.log.length;
    t.is((await builder.make(text(digest('content')))).cached, 1);
    t.is(server.log.length, asked);
    const error = await builder.fails(t, text(digest('other')));
    t.is(error.code, 'INTEGRITY');
    t.regex(error.excerpt ?? '', /Dockerfile:3/);
    for (const bad of ['md5:00', 'sha256:00', digest('x').toUpperCase()])
      t.is((await builder.fails(t, text(bad))).code, 'INVALID', bad);
    t.is((await builder.fails(t, `${base}ADD --checksum=${digest('x')} f /f\n`, { f: '' })).code, 'INVALID');
  },
);

testWith(missingForBuilds, 'an archive by URL is unpacked only where it is asked for', async (t) => {
  const builder = await builders.get('overlay');
  const { url } = await serve(t, (_request, response) =>
    response.end(gzipSync(makeTar([{ name: 'in', content: 'x', uid: 5 }]))),
  );
  const packed = await builder.make(`${base}ADD ${url}/a.tgz /o/\n`);
  t.regex((await builder.below(packed.image, 'o/')).join(), /^a\.tgz file 600/);
  const unpacked = await builder.make(`${base}ADD --unpack=true ${url}/a.tgz /o/\n`);
  t.regex((await builder.below(unpacked.image, 'o/')).join(), /^in file 644 5:0/);
});

testWith(
  missingForBuilds,
  'S30: servers that send to elsewhere for ever, break off, or refuse',
  async (t) => {
    const builder = await builders.get('overlay');
    const { url } = await serve(t, (request, response) => {
      if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
      else if (request.url === '/file') response.writeHead(302, { location: 'file:///etc/passwd' }).end();
      else if (request.url === '/short') {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('short');
        response.socket?.end();
      } else if (request.url === '/huge')
        response.writeHead(200, { 'content-length': String(2 ** 50) }).end();
      else response.writeHead(403).end();
    });
    for (const [path, message] of [
      ['/loop', /redirects/],
      ['/file', /Location/],
      ['/short', /broke off/],
      ['/huge', /more than/],
      ['/none', /403/],
    ] as const) {
      const error = await builder.fails(t, `${base}ADD ${url}${path} /f\n`);
      t.regex(error.message, message, path);
      t.regex(error.excerpt ?? '', /Dockerfile:2/);
    }
  },
);

testWith(missingForBuilds, 'S30: names of URLs are names, never paths', async (t) => {
  const builder = await builders.get('overlay');
  const { url } = await serve(t, (_request, response) => response.end('x'));
  const { image } = await builder.make(`${base}ADD ${url}/a%2F..%2F..%2Fevil /o/\nADD ${url}/x%2F.. /p/\n`);
  t.deepEqual(
    (await builder.tree(image)).filter((line) => /evil|unnamed/.test(line)).map((line) => line.split(' ')[0]),
    ['o/evil', 'p/__unnamed__'],
  );
  for (const name of ['a%00b', 'a%0Ab', 'x'.repeat(300)])
    t.is((await builder.fails(t, `${base}ADD ${url}/${name} /o/\n`)).code, 'INVALID', name);
});

testWith([...missingForBuilds, missingProgram('openssl')], 'TLS is verified', async (t) => {
  const builder = await builders.get('overlay');
  const { url } = await serve(
    t,
    (_request, response) => response.end('x'),
    ownCertificate(builder.context()),
  );
  const error = await builder.fails(t, `${base}ADD ${url}/f /f\n`);
  t.is(error.code, 'NETWORK');
  t.regex(error.message, /certificate/i);
  t.regex(error.hint ?? '', /SSL_CERT_FILE/);
});

testWith(
  [...missingForBuilds, missingGit()],
  'a git repository by ref, commit and directory, cached by its commit',
  async (t) => {
    const builder = await Builder.open(t);
    const root = builder.context();
    const repo = new TestRepository(join(root, 'p.git'));
    const { url } = await serve(t, gitHandler(root));
    const first = repo.commit({ f: '1', 'sub/g': 'below', run: '#!/bin/sh\n' });
    repo.git('tag', 'v1');
    repo.commit({ f: '2' });
    const line = (words: string): string => `${base}ADD ${words} /o\n`;
    const text = async (words: string, path = 'o/f'): Promise<string> =>
      builder.text((await builder.make(line(words))).image, path);
    t.is(await text(`${url}/p.git`), '2');
    t.is(await text(`${url}/p.git#v1`), '1');
    t.is(await text(`${url}/p.git?ref=${first}`), '1');
    t.is(await text(`${url}/p.git#:sub`, 'o/g'), 'below');
    t.is(await text(`--checksum=${first.slice(0, 12)} ${url}/p.git#v1`), '1');
    t.is(await text(`--exclude=sub ${url}/p.git#v1`), '1');
    const cached = await builder.make(line(`${url}/p.git`));
    t.is(cached.cached, 1);
    t.false((await builder.tree(cached.image)).some((entry) => entry.startsWith('o/.git')));
    const kept = await builder.make(line(`--keep-git-dir=true ${url}/p.git`));
    t.true((await builder.tree(kept.image)).some((entry) => entry.startsWith('o/.git/HEAD')));
    repo.commit({ f: '3' });
    t.is(await text(`${url}/p.git`), '3');
    const error = await builder.fails(t, line(`--checksum=${'0'.repeat(40)} ${url}/p.git#v1`));
    t.is(error.code, 'INTEGRITY');
    t.regex(error.excerpt ?? '', /Dockerfile:2/);
    t.is((await builder.fails(t, line(`--keep-git-dir=false ${url}/p.git?keep-git-dir=1`))).code, 'INVALID');
    for (const remote of ['git@example.invalid:a/b.git', 'ssh://example.invalid/a.git', 'file:///tmp/x.git'])
      t.is((await builder.fails(t, line(remote))).code, 'UNSUPPORTED', remote);
  },
);

testWith(missingForBuilds, 'local and remote sources in one ADD, in their order', async (t) => {
  const builder = await builders.get('overlay');
  const { url } = await serve(t, (_request, response) => response.end('remote'));
  const { image } = await builder.make(`${base}ADD --link f ${url}/g ${url}/f /o/\nADD ${url}/f f /p/\n`, {
    f: 'local',
  });
  t.is(await builder.text(image, 'o/f'), 'remote');
  t.is(await builder.text(image, 'o/g'), 'remote');
  t.is(await builder.text(image, 'p/f'), 'local');
});

test('references of repositories are read as BuildKit reads them', (t) => {
  const rows: readonly (readonly [string, object | undefined])[] = [
    ['https://h/p.git', { remote: 'https://h/p.git', transport: 'https' }],
    [
      'https://h/p.git#a/b:c/d',
      { remote: 'https://h/p.git', transport: 'https', ref: 'a/b', subdirectory: 'c/d' },
    ],
    ['https://h/p.git#:c', { remote: 'https://h/p.git', transport: 'https', subdirectory: 'c' }],
    [
      'https://h/p.git?tag=v1&subdir=c&submodules=false',
      {
        remote: 'https://h/p.git',
        transport: 'https',
        ref: 'refs/tags/v1',
        subdirectory: 'c',
        submodules: false,
      },
    ],
    [
      'https://h/p.git?commit=abcdef0',
      { remote: 'https://h/p.git', transport: 'https', ref: 'abcdef0', checksum: 'abcdef0' },
    ],
    ['git://h/p', { remote: 'git://h/p', transport: 'git' }],
    ['git@h:o/p.git#v', { remote: 'git@h:o/p.git', transport: 'ssh', ref: 'v' }],
    ['ssh://u@h:22/p', { remote: 'ssh://u@h:22/p', transport: 'ssh' }],
    ['https://h/p', undefined],
    ['http://h/p.tar', undefined],
    ['ext::sh -c x', undefined],
    ['./p.git', undefined],
    ['p.git', undefined],
  ];
  for (const [text, expected] of rows) t.deepEqual(parseGitReference(text), expected as never, text);
  for (const text of [
    'https://h/p.git#-x',
    'https://h/p.git#a b',
    'https://h/p.git#a..b',
    'https://h/p.git?ref=a&tag=b',
    'https://h/p.git?commit=xyz',
    'https://h/p.git?tag=a&branch=b',
    'https://h/p.git?ref=',
  ])
    t.is(t.throws(() => parseGitReference(text), { instanceOf: CoracleError })?.code, 'INVALID', text);
});

test('secrets go to their host alone, and only by TLS', (t) => {
  const secrets: Readonly<Record<string, string>> = {
    'HTTP_AUTH_HEADER_a.example': 'Basic eDp5\nX-Evil: 1',
    'HTTP_AUTH_TOKEN_b.example': ' token\n',
    'HTTP_AUTH_TOKEN_127.0.0.1:80': 'loop',
    'GIT_AUTH_TOKEN.b.example': 'own',
    GIT_AUTH_TOKEN: 'any',
  };
  const read: ReadSecret = (id) => (secrets[id] === undefined ? undefined : Buffer.from(secrets[id]));
  const url = (text: string): string | undefined => urlAuthorization(new URL(text), read);
  t.is(url('https://a.example/x'), 'Basic eDp5');
  t.is(url('https://b.example/x'), 'Bearer token');
  t.is(url('http://b.example/x'), undefined);
  t.is(url('https://c.example/x'), undefined);
  const git = (remote: string, transport: 'http' | 'https' | 'ssh'): string | undefined =>
    gitAuthorization({ remote, transport }, read);
  const token = (text: string): string => `basic ${Buffer.from(`x-access-token:${text}`).toString('base64')}`;
  t.is(git('https://b.example/p.git', 'https'), token('own'));
  t.is(git('https://c.example/p.git', 'https'), token('any'));
  t.is(git('http://c.example/p.git', 'http'), undefined);
  t.is(git('git@c.example:p.git', 'ssh'), undefined);
});
