/** Options of pull, push, login and logout, and what refers to images, with real and scripted registries. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, registryUser, startRegistry } from '../helpers/registry.js';
import { sendJson, startHostile } from '../registry/hostile-server.js';

const needs = [...journeyNeeds, missingRegistry()];

testWith(needs, 'all tags go and come; formats and compressions change where it is asked for', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  for (const tag of ['1', '2']) await cli.ok(['tag', 'busybox', `${host}/app:${tag}`]);
  const pushed = (await cli.ok(['push', '-q', '--all-tags', `${host}/app`])).trimEnd().split('\n');
  t.deepEqual(pushed.map((line) => line.split('@')[0]).sort(), [`${host}/app:1`, `${host}/app:2`]);
  t.regex((await cli.run(['push', '-a', `${host}/app:1`])).stderr, /leave its tag out/);
  t.regex((await cli.run(['push', '-a', `${host}/app`, 'elsewhere'])).stderr, /only one of them/);
  t.regex((await cli.run(['push', '-a', `${host}/none`])).stderr, /no tags of it/);
  await cli.ok(['rmi', `${host}/app:1`, `${host}/app:2`]);
  t.is((await cli.ok(['pull', '-q', '--all-tags', `${host}/app`])).trimEnd().split('\n').length, 2);
  t.regex(await cli.ok(['images', '--format', '{{.Repository}}:{{.Tag}}']), new RegExp(`${host}/app:2`));
  const types = async (name: string): Promise<readonly string[]> => {
    const { mediaType, layers } = JSON.parse(await cli.ok(['manifest', 'inspect', name]));
    return [mediaType, ...layers.map((layer: { mediaType: string }) => layer.mediaType)];
  };
  await cli.ok(['push', '-q', '--format', 'v2s2', `${host}/app:1`, `${host}/docker:1`]);
  t.deepEqual(await types(`${host}/docker:1`), [
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
  ]);
  const zstd = ['--compression-format', 'zstd', '--compression-level', '5'];
  await cli.ok(['push', '-q', ...zstd, `${host}/docker:1`, `${host}/kept:1`]).catch(() => undefined);
  await cli.ok(['push', '-q', ...zstd, '--force-compression', `${host}/app:1`, `${host}/zstd:1`]);
  t.regex((await types(`${host}/zstd:1`)).at(-1) ?? '', /zstd$/);
  const digest = await cli.ok(['push', '-q', `${host}/app:1`, `${host}/again:1`]);
  t.true(pushed[0]?.endsWith(digest.trim()));
  const foreign = await cli.run(['pull', '-q', '--arch', 'arm', '--variant', 'v6', `${host}/app:1`]);
  t.regex(foreign.stderr, /not linux\/arm\/v6/);
  t.regex(
    (await cli.run(['pull', '--arch', 'arm', '--platform', 'linux/arm', 'x'])).stderr,
    /only one of them/,
  );
});

testWith(
  needs,
  'a push goes to files as well; levels and transports that cannot be are refused',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const file = (name: string): string => join(cli.directory, name);
    await cli.ok(['push', '-q', 'busybox', `docker://${host}/app:1`]);
    await cli.ok(['pull', '-q', `docker://${host}/app:1`]);
    await cli.ok(['push', '-q', 'busybox', `oci-archive:${file('a.tar')}:app`]);
    const layerOf = (path: string): string =>
      JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')).layers[0].mediaType;
    await cli.ok(['push', '-q', 'busybox', `dir:${file('plain')}`]);
    await cli.ok(['push', '-q', '--compress', 'busybox', `dir:${file('packed')}`]);
    t.deepEqual(
      [layerOf(file('plain')), layerOf(file('packed'))],
      ['application/vnd.oci.image.layer.v1.tar', 'application/vnd.oci.image.layer.v1.tar+gzip'],
    );
    await cli.ok(['load', '-q', '-i', file('a.tar')]);
    const archive = await cli.run(['pull', `oci-archive:${file('a.tar')}`]);
    t.is(archive.code, 125);
    t.regex(archive.stderr, /is no registry[\s\S]*coracle load/);
    for (const [kind, level] of [
      ['gzip', '10'],
      ['zstd', '20'],
      ['zstd:chunked', '0'],
    ] as const) {
      const flags = ['--compression-format', kind, '--compression-level', level];
      t.regex((await cli.run(['push', '-q', ...flags, `${host}/app:1`])).stderr, /the levels are 1 to/);
    }
    t.regex(
      (await cli.run(['copy', '--dest-compress-level', '77', 'store:busybox', `dir:${file('x')}`])).stderr,
      /levels/,
    );
  },
);

testWith(
  needs,
  'logins are kept by namespace, in files of docker and by programs, and are all forgotten at once',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t, { password: true });
    const { username, password: input } = registryUser;
    const login = (...args: readonly string[]) =>
      cli.ok(['login', '-u', username, '--password-stdin', ...args], { input });
    const auth = join(cli.directory, 'home', '.config', 'containers', 'auth.json');
    t.is(await login('-v', `${host}/team`), `Used: ${auth}\nLogin Succeeded\n`);
    await cli.ok(['push', '-q', 'busybox', `${host}/team/app:1`]);
    t.regex((await cli.run(['push', '-q', 'busybox', `${host}/other/app:1`])).stderr, /access denied/);
    t.is(await cli.ok(['login', '--get-login', `${host}/team`]), `${username}\n`);
    t.is((await cli.run(['login', '--get-login', host])).code, 125);
    const compat = join(cli.directory, 'docker.json');
    await login('--compat-auth-file', compat, host);
    t.deepEqual(Object.keys(JSON.parse(readFileSync(compat, 'utf8')).auths), [host]);
    t.regex(
      (await cli.run(['logout', '--authfile', compat, '--compat-auth-file', compat])).stderr,
      /only one of them/,
    );
    await cli.ok(['pull', '-q', '--authfile', compat, `${host}/team/app:1`]);
    await cli.ok(['logout', '--compat-auth-file', compat, host]);
    await login(host);
    t.is(await cli.ok(['logout', '--all']), `Removed login credentials from ${auth}\n`);
    t.deepEqual(JSON.parse(readFileSync(auth, 'utf8')), { auths: {} });
    const bin = join(cli.directory, 'bin');
    mkdirSync(bin);
    const program = join(bin, 'docker-credential-mine');
    writeFileSync(program, `#!/bin/sh\necho '{"Username":"${username}","Secret":"${input}"}'\n`);
    chmodSync(program, 0o755);
    writeFileSync(auth, JSON.stringify({ credHelpers: { [host]: 'mine' } }));
    const env = { PATH: `${bin}:${cli.env.PATH}` };
    await cli.ok(['pull', '-q', `${host}/team/app:1`], { env });
    writeFileSync(program, '#!/bin/sh\necho garbage\n');
    t.regex(
      (await cli.run(['pull', '-q', `${host}/team/app:1`], { env })).stderr,
      /docker-credential-mine: not JSON/,
    );
    writeFileSync(
      join(cli.directory, 'home', '.config', 'containers', 'registries.conf'),
      `unqualified-search-registries = ["${host}"]\n`,
    );
    t.is(await login('--authfile', compat), 'Login Succeeded\n');
    t.true(Object.keys(JSON.parse(readFileSync(compat, 'utf8')).auths).includes(host));
  },
);

testWith(needs, 'what refers to an image is listed', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  const file = join(cli.directory, 'sbom.json');
  writeFileSync(file, '{}');
  await cli.ok(['push', '-q', 'busybox', `${host}/app:1`]);
  await cli.ok(['pull', '-q', `${host}/app:1`]);
  await cli.ok(['manifest', 'create', 'about']);
  const artifact = [
    '--artifact',
    '--artifact-type',
    'application/spdx+json',
    '--artifact-subject',
    `${host}/app:1`,
  ];
  await cli.ok(['manifest', 'add', ...artifact, 'about', file]);
  t.deepEqual(JSON.parse(await cli.ok(['artifact', 'referrers', '--format', 'json', `${host}/app:1`])), []);
  await cli.ok(['manifest', 'push', '-q', 'about', `docker://${host}/app:about`]);
  const list = ['artifact', 'referrers', '--format', '{{.Type}}'];
  t.is(await cli.ok([...list, `${host}/app:1`]), 'application/spdx+json\n');
  t.is(await cli.ok([...list, '--artifact-type', 'other', `${host}/app:1`]), '');
  t.is((await cli.run(['artifact', 'referrers', `${host}/none:1`])).code, 125);
});

testWith(
  journeyNeeds,
  'attempts are repeated as --retry, --retry-delay and Retry-After say, and warnings are shown',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    let failures = 0;
    const server = await startHostile(t, (_asked, response) => {
      const headers = { warning: '299 - "this registry goes away"' };
      if (failures-- > 0) sendJson(response, 503, {}, { 'retry-after': '1', ...headers });
      else sendJson(response, 404, {}, headers);
    });
    const attempts = async (count: number, ...args: readonly string[]) => {
      failures = count;
      const before = server.asked.length;
      const begun = Date.now();
      const { stderr } = await cli.run(['pull', ...args, `${server.host}/a:1`]);
      return { stderr, asked: server.asked.length - before, ms: Date.now() - begun };
    };
    const patient = await attempts(2, '--retry', '2', '--retry-delay', '5');
    t.is(patient.asked, 3);
    t.true(patient.ms >= 2000 && patient.ms < 9000, `${patient.ms}`);
    t.regex(patient.stderr, /trying again \(1\)[\s\S]*not found/);
    t.regex(patient.stderr, /warns: this registry goes away/);
    t.is((await attempts(1, '--retry-delay', '10ms')).asked, 2);
    t.regex((await attempts(0, '--retry', '-1')).stderr, /--retry/);
    t.regex((await attempts(0, '--retry-delay', 'soon')).stderr, /a duration such as 5s/);
    const impatient = await attempts(2, '--retry', '0');
    t.is(impatient.asked, 1);
    t.regex(impatient.stderr, /status 503/);
  },
);
