/** Real Dockerfiles of Node.js programs: built, used, and built again without a step that runs. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { eventually } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { fetchText, serve } from '../helpers/web.js';
import { build, listImage, missingNode, needs, openStoreWithNode, serveImage } from './real-fixture.js';

testWith(
  [...needs, missingNode()],
  'a Node service: dependencies by the lock file, a health check, an end by its own signal',
  async (t) => {
    const cli = await openStoreWithNode(t);
    const ca = join(cli.directory, 'ca.crt');
    const bundle = '/etc/ssl/certs/ca-certificates.crt';
    writeFileSync(ca, existsSync(bundle) ? readFileSync(bundle) : '');
    const secret = ['--secret', `id=ca,src=${ca}`];
    await build(t, cli, 'service', fixturePath('real', 'node-service'), ...secret);
    const port = await serveImage(t, cli, 'service', 3000);
    t.is(await eventually(() => fetchText(`http://127.0.0.1:${port}/page.html`)), 'text/html\n');
    const health = ['inspect', '-f', '{{.State.Health.Status}}', 'service'];
    await eventually(async () => (await cli.ok(health)) === 'healthy\n' || undefined);
    t.is(await cli.ok(['exec', 'service', 'id', '-un']), 'node\n');
    await cli.ok(['stop', 'service']);
    t.is(await cli.ok(['inspect', '-f', '{{.State.ExitCode}}', 'service']), '0\n');
    const files = await listImage(cli, 'service');
    t.true(files.includes('app/node_modules/mime-db/db.json'));
    t.deepEqual(
      files.filter((file) => file.startsWith('root/.npm/') || file.startsWith('run/ca')),
      [],
    );
  },
);

testWith(
  [...needs, missingNode()],
  'a repository of packages: manifests before sources, tests in a stage of their own',
  async (t) => {
    const cli = await openStoreWithNode(t);
    const context = join(cli.directory, 'monorepo');
    cpSync(fixturePath('real', 'monorepo'), context, { recursive: true });
    const quiet = ['--network', 'none'];
    await build(t, cli, 'monorepo', context, ...quiet);
    const printed = `hello monorepo\n./package.json\n./packages/app/package.json\n./packages/docs/package.json\n./packages/words/package.json\n`;
    t.is(await cli.ok(['run', '--rm', ...quiet, 'monorepo']), printed);
    const files = await listImage(cli, 'monorepo');
    t.deepEqual(
      files.filter((file) => /test\.js$|readme/.test(file) && file.startsWith('repo/')),
      [],
    );
    await build(t, cli, 'monorepo-test', context, ...quiet, '--target', 'test');
    writeFileSync(join(context, 'packages/words/index.js'), "exports.greet = () => 'wrong';\n");
    const failed = await cli.run(['build', ...quiet, '--target', 'test', '--progress', 'plain', context]);
    t.is(failed.code, 1);
    t.regex(failed.stderr, /CACHED\n[\s\S]*greets by name/);
  },
);

testWith(
  [...needs, missingNode()],
  'S32: a private registry: the token opens it and is left nowhere',
  async (t) => {
    const cli = await openStoreWithNode(t);
    const token = 'npm-token-that-nobody-may-find';
    const registry = await servePackage(t, token);
    const npmrc = join(cli.directory, 'npmrc');
    const host = registry.url.replace('http:', '');
    writeFileSync(npmrc, `@acme:registry=${registry.url}/\n${host}/:_authToken=${token}\n`);
    const directory = fixturePath('real', 'private-package');
    const words = ['build', '--progress', 'plain', '--network', 'host', '-t', 'private'];
    const refused = await cli.run([...words, directory]);
    t.is(refused.code, 1);
    t.regex(refused.stderr, /npmrc/);
    const built = await cli.run([...words, '--secret', `id=npmrc,src=${npmrc}`, directory]);
    t.is(built.code, 0, built.stderr.slice(-4000));
    t.is(await cli.ok(['run', '--rm', '--network', 'none', 'private']), "{ word: 'kept' }\n");
    t.is((await runProgram('grep', ['-rlF', token, cli.root])).stdout, '');
    t.false(`${built.stderr}${built.stdout}`.includes(token));
  },
);

/** An npm registry of one package, for those who bring the token. */
async function servePackage(t: ExecutionContext<unknown>, token: string): Promise<{ readonly url: string }> {
  const [name, version] = ['@acme/words', '1.0.0'];
  const tarball = gzipSync(
    makeTar([
      { name: 'package/package.json', content: JSON.stringify({ name, version, main: 'index.js' }) },
      { name: 'package/index.js', content: "exports.word = 'kept';\n" },
    ]),
  );
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  return serve(t, (request, response) => {
    if (request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    if (request.url?.endsWith('.tgz') === true) {
      response.end(tarball);
      return;
    }
    const dist = { tarball: `http://${request.headers.host}/words.tgz`, integrity };
    const versions = { [version]: { name, version, dist } };
    response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }));
  });
}
