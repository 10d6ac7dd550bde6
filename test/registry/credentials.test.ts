import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { normalizeKey } from '../../lib/registry/auth-file.js';
import { type Credentials, parseCredentials, storedCredentials } from '../../lib/registry/credentials.js';
import { removeAllLogins, removeLogin, storeLogin } from '../../lib/registry/login.js';
import { temporaryDirectory } from '../helpers/host.js';

const entry = (pair: string) => ({ auth: Buffer.from(pair).toString('base64') });
const password = (username: string, secret: string): Credentials => ({
  kind: 'password',
  username,
  password: secret,
});

/** A home with Podman's and Docker's directories, and a PATH for helpers. */
function home(t: ExecutionContext<unknown>) {
  const root = temporaryDirectory(t);
  const [runtime, config, docker, bin] = ['run', 'config', 'docker', 'bin'].map((name) =>
    join(root, name),
  ) as [string, string, string, string];
  for (const directory of [join(runtime, 'containers'), join(config, 'containers'), docker, bin]) {
    mkdirSync(directory, { recursive: true });
  }
  const files = {
    runtime: join(runtime, 'containers', 'auth.json'),
    config: join(config, 'containers', 'auth.json'),
    docker: join(docker, 'config.json'),
  };
  const PATH = `${bin}:/usr/bin:/bin`;
  const env = { HOME: root, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: config, DOCKER_CONFIG: docker, PATH };
  const sources = { registry: 'quay.io', env, uid: 1000 };
  return { root, bin, files, env, sources };
}

function write(file: string, document: unknown): void {
  writeFileSync(file, JSON.stringify(document));
}

/** A helper that keeps its answers in a file and notes what it was told. */
function installHelper(bin: string, name: string): void {
  const script = join(bin, `docker-credential-${name}`);
  const body = `#!/bin/sh
read -r input; echo "$1 $input" >> "$0.log"
case "$1:$input" in
  get:https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"<token>","Secret":"hub-token"}' ;;
  get:quay.io) echo '{"ServerURL":"x","Username":"h","Secret":"helped"}' ;;
  get:broken.io) echo 'keychain is locked'; exit 1 ;;
  get:*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;
  writeFileSync(script, body);
  chmodSync(script, 0o755);
}

test('files are asked in the order of Podman, the longest namespace first', async (t) => {
  const { files, sources } = home(t);
  const look = (repository?: string) => storedCredentials(sources)(repository);
  t.is(await look('org/app'), undefined);
  write(files.docker, { auths: { 'https://quay.io/v2/': entry('docker:1') } });
  t.deepEqual(await look('org/app'), password('docker', '1'));
  write(files.config, { auths: { 'quay.io/org': entry('org:2:3'), 'quay.io/org/app': entry('app:4') } });
  t.deepEqual(await look('org/app'), password('app', '4'));
  t.deepEqual(await look('org/other'), password('org', '2:3'));
  t.deepEqual(await look('organic/app'), password('docker', '1'));
  t.deepEqual(await look(), password('docker', '1'));
  write(files.runtime, { auths: { 'quay.io': { username: 'plain', password: 'p' } } });
  t.deepEqual(await look('org/app'), password('plain', 'p'));
  const only = { ...sources, env: { ...sources.env, REGISTRY_AUTH_FILE: files.docker } };
  t.deepEqual(await storedCredentials(only)('org/app'), password('docker', '1'));
});

test('keys of old spellings mean their registry', (t) => {
  for (const [key, expected] of [
    ['https://index.docker.io/v1/', 'docker.io'],
    ['index.docker.io', 'docker.io'],
    ['registry-1.docker.io', 'docker.io'],
    ['http://box:5000', 'box:5000'],
    ['box:5000/v2/', 'box:5000'],
    ['quay.io/org/app', 'quay.io/org/app'],
    ['docker.io/user', 'docker.io/user'],
  ] as const) {
    t.is(normalizeKey(key), expected);
  }
});

test('identity tokens and empty entries are told from passwords', async (t) => {
  const { files, sources } = home(t);
  write(files.config, { auths: { 'quay.io': { ...entry('u:'), identitytoken: 'tok' } } });
  t.deepEqual(await storedCredentials(sources)(), { kind: 'identity-token', token: 'tok' });
  write(files.config, { auths: { 'quay.io': {} } });
  t.is(await storedCredentials(sources)(), undefined);
});

test('S38: a malformed file, or a helper that is a path, is an error that names it and the place', async (t) => {
  const { files, sources } = home(t);
  for (const [text, message] of [
    ['{', /auth\.json: not JSON/],
    ['[]', /auth\.json: expected an object/],
    ['{"auths":{"quay.io":{"auth":"bm9jb2xvbg=="}}}', /auths\["quay\.io"\]\.auth: not the base64/],
    ['{"auths":{"quay.io":{"auth":1}}}', /\.auth: expected a string/],
    ['{"credsStore":"../../bin/sh"}', /no name of a credential helper/],
    ['{"credHelpers":{"quay.io":"a b"}}', /no name of a credential helper/],
  ] as const) {
    writeFileSync(files.config, text);
    await t.throwsAsync(storedCredentials(sources)(), { code: 'INVALID', message });
  }
  const missing = { ...sources, authfile: join(files.config, '..', 'none.json') };
  await t.throwsAsync(storedCredentials(missing)(), { code: 'NOT_FOUND', message: /none\.json/ });
});

test('S38: helpers answer for their registry, or for all', async (t) => {
  const { files, sources, bin } = home(t);
  installHelper(bin, 'test');
  write(files.config, { credHelpers: { 'quay.io': 'test' }, auths: { 'quay.io': entry('file:1') } });
  t.deepEqual(await storedCredentials(sources)('org/app'), password('h', 'helped'));
  write(files.config, { credsStore: 'test' });
  const hub = { ...sources, registry: 'docker.io' };
  t.deepEqual(await storedCredentials(hub)('library/a'), { kind: 'identity-token', token: 'hub-token' });
  t.is(await storedCredentials({ ...sources, registry: 'ghcr.io' })(), undefined);
  const broken = storedCredentials({ ...sources, registry: 'broken.io' })();
  await t.throwsAsync(broken, { code: 'HOST', message: /docker-credential-test get: keychain is locked/ });
  write(files.config, { credsStore: 'absent' });
  await t.throwsAsync(storedCredentials(sources)(), { code: 'HOST', message: /not in PATH/ });
});

test('S38: a login is written privately, and all that others wrote stays', async (t) => {
  const { files, sources } = home(t);
  t.is(await storeLogin(sources, password('me', 'secret')), files.config);
  t.is(statSync(files.config).mode & 0o777, 0o600);
  t.deepEqual(JSON.parse(readFileSync(files.config, 'utf8')), { auths: { 'quay.io': entry('me:secret') } });
  const others = { 'quay.io/org': entry('o:1'), 'https://quay.io/v1/': entry('old:1'), 'ghcr.io': { x: 1 } };
  write(files.config, { auths: others, detachKeys: 'ctrl-x', nested: { a: [1] } });
  chmodSync(files.config, 0o644);
  await storeLogin(sources, { kind: 'identity-token', token: 'tok' });
  t.deepEqual(JSON.parse(readFileSync(files.config, 'utf8')), {
    auths: {
      'quay.io/org': entry('o:1'),
      'ghcr.io': { x: 1 },
      'quay.io': { auth: '', identitytoken: 'tok' },
    },
    detachKeys: 'ctrl-x',
    nested: { a: [1] },
  });
  t.is(statSync(files.config).mode & 0o777, 0o600);
  t.deepEqual(await storedCredentials(sources)(), { kind: 'identity-token', token: 'tok' });
  await t.throwsAsync(storeLogin(sources, password('a:b', 'x')), { code: 'USAGE' });
});

test('a login replaces the entry that counts, through a link if there is one', async (t) => {
  const { root, files, sources } = home(t);
  const real = join(root, 'dotfiles.json');
  write(real, { auths: { 'quay.io': entry('podman:old') } });
  symlinkSync(real, files.runtime);
  t.is(await storeLogin(sources, password('me', 'new')), files.runtime);
  t.true(lstatSync(files.runtime).isSymbolicLink());
  t.deepEqual(await storedCredentials(sources)(), password('me', 'new'));
  t.false(existsSync(files.config));
});

test('logins at the same time all arrive', async (t) => {
  const { sources } = home(t);
  const registries = Array.from({ length: 8 }, (_, index) => `r${index}.example.org`);
  await Promise.all(
    registries.map((registry) => storeLogin({ ...sources, registry }, password(registry, 'x'))),
  );
  for (const registry of registries) {
    t.deepEqual(await storedCredentials({ ...sources, registry })(), password(registry, 'x'));
  }
});

test('a logout removes the entry wherever it is ours, else says where it is', async (t) => {
  const { files, sources } = home(t);
  await t.throwsAsync(removeLogin(sources), { code: 'NOT_FOUND', message: /quay\.io: not logged in/ });
  const both = { auths: { 'quay.io': entry('a:b'), 'ghcr.io': entry('c:d') } };
  for (const file of Object.values(files)) write(file, both);
  t.deepEqual(await removeLogin(sources), [files.runtime, files.config]);
  t.deepEqual(JSON.parse(readFileSync(files.config, 'utf8')), { auths: { 'ghcr.io': entry('c:d') } });
  const error = await t.throwsAsync(removeLogin(sources), { code: 'NOT_FOUND' });
  t.regex(String(Reflect.get(error ?? {}, 'hint')), /docker logout/);
  t.deepEqual(JSON.parse(readFileSync(files.docker, 'utf8')), both);
});

test('a helper named by the file keeps the login and forgets it', async (t) => {
  const { files, sources, bin } = home(t);
  installHelper(bin, 'test');
  write(files.config, { credHelpers: { 'quay.io': 'test' } });
  t.is(await storeLogin(sources, password('me', 'secret')), 'docker-credential-test');
  t.deepEqual(await removeLogin(sources), ['docker-credential-test']);
  t.is(
    readFileSync(join(bin, 'docker-credential-test.log'), 'utf8'),
    'store {"ServerURL":"quay.io","Username":"me","Secret":"secret"}\nerase quay.io\n',
  );
  t.deepEqual(JSON.parse(readFileSync(files.config, 'utf8')), { credHelpers: { 'quay.io': 'test' } });
});

test('--creds are a user with or without a password', (t) => {
  t.deepEqual(parseCredentials('u:p:q'), password('u', 'p:q'));
  t.deepEqual(parseCredentials('u'), password('u', ''));
  t.throws(() => parseCredentials(':p'), { code: 'USAGE' });
});

test('a login for a namespace is for what is below it alone', async (t) => {
  const { files, sources } = home(t);
  const team = { ...sources, namespace: 'team' };
  await storeLogin(sources, password('all', '1'));
  await storeLogin(team, password('team', '2'));
  t.deepEqual(Object.keys(JSON.parse(readFileSync(files.config, 'utf8')).auths).sort(), [
    'quay.io',
    'quay.io/team',
  ]);
  const ask = (repository?: string) => storedCredentials(sources)(repository);
  t.deepEqual(await ask('team/app'), password('team', '2'));
  t.deepEqual(await ask('teams/app'), password('all', '1'));
  await removeLogin(team);
  t.deepEqual(await ask('team/app'), password('all', '1'));
  write(files.config, { credsStore: 'test' });
  await t.throwsAsync(storeLogin(team, password('team', '2')), {
    code: 'USAGE',
    message: /whole registries/,
  });
});

test("a file of docker's kind gets docker's keys", async (t) => {
  const { root, sources } = home(t);
  const compatFile = join(root, 'compat.json');
  write(compatFile, { other: 1, auths: { 'docker.io': entry('old:1') } });
  const hub = { ...sources, registry: 'docker.io', compatFile };
  t.is(await storeLogin(hub, password('u', 'p')), compatFile);
  t.deepEqual(JSON.parse(readFileSync(compatFile, 'utf8')), {
    other: 1,
    auths: { 'https://index.docker.io/v1/': entry('u:p') },
  });
  await t.throwsAsync(storeLogin({ ...hub, namespace: 'me' }, password('u', 'p')), { code: 'USAGE' });
  t.deepEqual(await removeLogin(hub), [compatFile]);
});

test('all logins are removed at once, those of helpers too, and what docker keeps stays', async (t) => {
  const { bin, files, env, sources } = home(t);
  const script = join(bin, 'docker-credential-test');
  writeFileSync(
    script,
    `#!/bin/sh\nread -r input; echo "$1 $input" >> "$0.log"; [ "$1" = list ] && echo '{"a.io":"u","b.io":"v"}'; exit 0\n`,
  );
  chmodSync(script, 0o755);
  write(files.config, { credsStore: 'test', auths: { 'quay.io': entry('u:p'), 'x.io/y': entry('u:p') } });
  write(files.docker, { auths: { 'quay.io': entry('d:p') } });
  t.deepEqual(await removeAllLogins({ env, uid: sources.uid }), ['docker-credential-test', files.config]);
  t.regex(readFileSync(`${script}.log`, 'utf8'), /list \nerase a\.io\nerase b\.io/);
  t.deepEqual(JSON.parse(readFileSync(files.config, 'utf8')), { credsStore: 'test', auths: {} });
  t.deepEqual(await removeAllLogins({ env: { ...env, PATH: '/none' }, authfile: '/no/file', uid: 1000 }), []);
  t.true(existsSync(files.docker));
});

test('registries.conf may put programs before or after the files', async (t) => {
  const { bin, files, sources } = home(t);
  installHelper(bin, 'test');
  write(files.config, { auths: { 'quay.io': entry('file:1'), 'other.io': entry('file:2') } });
  const ask = (registry: string, helpers: readonly string[]) =>
    storedCredentials({ ...sources, registry, helpers })('x');
  t.deepEqual(await ask('quay.io', ['test', 'containers-auth.json']), password('h', 'helped'));
  t.deepEqual(await ask('quay.io', ['containers-auth.json', 'test']), password('file', '1'));
  t.deepEqual(await ask('other.io', ['test', 'containers-auth.json']), password('file', '2'));
  t.is(await ask('other.io', ['test']), undefined);
});

test('S38: what a helper prints is read with limits and not trusted', async (t) => {
  const { bin, files, sources } = home(t);
  write(files.config, { credHelpers: { 'quay.io': 'bad' } });
  const script = join(bin, 'docker-credential-bad');
  for (const [body, message] of [
    ['yes', /more than 65536 bytes/],
    ['echo nonsense', /not JSON/],
    ['echo []', /expected an object/],
    [`echo '{"Username":1,"Secret":"x"}'`, /expected a string/],
    ['printf "no\\033[31m such thing"; exit 1', /no \[31m such thing/],
    ['kill -9 $$', /exit code null/],
  ] as const) {
    writeFileSync(script, `#!/bin/sh\n${body}\n`);
    chmodSync(script, 0o755);
    await t.throwsAsync(storedCredentials(sources)('x'), { message }, body);
  }
});
