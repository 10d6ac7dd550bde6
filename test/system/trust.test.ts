/** policy.json and sigstore signatures as the commands obey and make them, with a real registry on a loopback port. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry(), missingProgram('openssl')];

async function makeKey(
  cli: Cli,
  name: string,
): Promise<{ readonly prefix: string; readonly sign: readonly string[] }> {
  const [prefix, pass] = [join(cli.directory, name), join(cli.directory, `${name}.pass`)];
  writeFileSync(pass, `secret of ${name}\n`);
  await cli.ok(['generate-sigstore-key', '--output-prefix', prefix, '--passphrase-file', pass]);
  return {
    prefix,
    sign: ['--sign-by-sigstore-private-key', `${prefix}.private`, '--sign-passphrase-file', pass],
  };
}

/** What a reader with nothing but the specification and openssl sees. */
async function verifiedByOpenssl(t: ExecutionContext<unknown>, host: string, prefix: string): Promise<void> {
  const get = (path: string) =>
    fetch(`http://${host}/v2/oracle/${path}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
  const { headers } = await get('manifests/1');
  const digest = headers.get('docker-content-digest') ?? '';
  const manifest = JSON.parse(await (await get(`manifests/${digest.replace(':', '-')}.sig`)).text());
  const [layer] = manifest.layers;
  const payload = await (await get(`blobs/${layer.digest}`)).text();
  t.is(JSON.parse(payload).critical.image['docker-manifest-digest'], digest);
  const signature = Buffer.from(layer.annotations['dev.cosignproject.cosign/signature'], 'base64');
  writeFileSync(`${prefix}.sig`, signature);
  const verify = ['dgst', '-sha256', '-verify', `${prefix}.pub`, '-signature', `${prefix}.sig`];
  t.is(spawnSync('openssl', verify, { input: payload, encoding: 'utf8' }).stdout, 'Verified OK\n');
}

testWith(
  needs,
  'what the policy wants signed is used only with a signature of its key, for its name and content',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const [key, other] = [await makeKey(cli, 'key'), await makeKey(cli, 'other')];
    await cli.ok(['push', '-q', ...key.sign, 'busybox', `${host}/oracle:1`]);
    await verifiedByOpenssl(t, host, key.prefix);
    t.is(statSync(`${key.prefix}.private`).mode & 0o777, 0o600);
    const again = await cli.run([
      'generate-sigstore-key',
      '--output-prefix',
      key.prefix,
      '--passphrase-file',
      `${key.prefix}.pass`,
    ]);
    t.regex(again.stderr, /the file exists/);
    await cli.ok(['push', '-q', ...key.sign, 'busybox', `${host}/signed:1`]);
    await cli.ok(['push', '-q', 'busybox', `${host}/bare:1`]);
    await cli.ok(['push', '-q', ...other.sign, 'busybox', `${host}/foreign:1`]);
    await cli.ok([
      'push',
      '-q',
      ...key.sign,
      '--sign-identity',
      `${host}/other:2`,
      'busybox',
      `${host}/named:1`,
    ]);
    await cli.ok(['image', 'trust', 'set', '-t', 'sigstoreSigned', '-f', `${key.prefix}.pub`, host]);
    const policy = join(cli.directory, 'home', '.config', 'containers', 'policy.json');
    const shown = JSON.parse(await cli.ok(['image', 'trust', 'show', '--json']));
    t.deepEqual(
      shown
        .map(({ scope, type, keys }: { scope: string; type: string; keys: string[] }) => [scope, type, keys])
        .filter(([scope]: string[]) => scope === host),
      [[host, 'sigstoreSigned', [`${key.prefix}.pub`]]],
    );
    t.is(await cli.ok(['image', 'trust', 'show', '--raw']), readFileSync(policy, 'utf8'));

    await cli.ok(['pull', '-q', `${host}/signed:1`]);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    const refused = async (args: readonly string[], reason: RegExp): Promise<void> => {
      const outcome = await cli.run(args);
      t.true(outcome.code !== 0, args.join(' '));
      t.regex(outcome.stderr, reason);
      t.true(outcome.stderr.includes(policy), outcome.stderr);
    };
    await refused(['pull', '-q', `${host}/bare:1`], /it has none/);
    await refused(['pull', '-q', `${host}/foreign:1`], /not with a key of the policy/);
    await refused(['pull', '-q', `${host}/named:1`], /signed as ".*other:2"/);
    await refused(['run', '--rm', `${host}/bare:1`, 'true'], /it has none/);
    await refused(
      ['copy', `docker://${host}/bare:1`, `oci:${join(cli.directory, 'layout')}:x`],
      /it has none/,
    );
    writeFileSync(join(context, 'Dockerfile'), `FROM ${host}/bare:1\n`);
    await refused(['build', '-q', context], /it has none/);
    // A tag that was signed for one image names another one now.
    await cli.ok(['tag', 'busybox', `${host}/signed:1`]);
    writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nLABEL changed=1\n');
    await cli.ok(['build', '-q', '-t', 'changed', context]);
    await cli.ok(['push', '-q', 'changed', `${host}/signed:1`]);
    await refused(['pull', '-q', `${host}/signed:1`], /it has none/);
    t.false((await cli.ok(['images', '--format', '{{.Repository}}'])).includes(`${host}/bare`));
  },
);

testWith(
  needs,
  'each image of a list is signed and checked; a copy signs too; a wrong passphrase signs nothing',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const key = await makeKey(cli, 'key');
    await cli.ok(['manifest', 'create', 'list', 'busybox']);
    await cli.ok(['manifest', 'push', '-q', ...key.sign, 'list', `docker://${host}/list:1`]);
    await cli.ok(['copy', '-q', ...key.sign, 'store:busybox', `docker://${host}/copied:1`]);
    for (const name of ['list', 'copied']) {
      const signed = ['-t', 'sigstoreSigned', '-f', `${key.prefix}.pub`];
      await cli.ok(['image', 'trust', 'set', ...signed, `${host}/${name}`]);
    }
    await cli.ok(['image', 'trust', 'set', '-t', 'reject', 'default']);
    await cli.ok(['pull', '-q', `${host}/list:1`]);
    await cli.ok(['pull', '-q', `${host}/copied:1`]);
    await cli.ok(['copy', '-q', '--all', `docker://${host}/list:1`, `dir:${join(cli.directory, 'all')}`]);
    const model = `${host}/copied/model:1`;
    await cli.ok(['artifact', 'add', model, `${key.prefix}.pub`]);
    await cli.ok(['artifact', 'push', '-q', model]);
    await cli.ok(['artifact', 'rm', model]);
    t.regex((await cli.run(['artifact', 'pull', '-q', model])).stderr, /it has none/);
    await cli.ok(['artifact', 'add', model, `${key.prefix}.pub`]);
    await cli.ok(['artifact', 'push', '-q', ...key.sign, model]);
    await cli.ok(['artifact', 'rm', model]);
    await cli.ok(['artifact', 'pull', '-q', model]);
    writeFileSync(`${key.prefix}.pass`, 'wrong');
    const wrong = await cli.run(['push', '-q', ...key.sign, 'busybox', `${host}/unsigned:1`]);
    t.regex(wrong.stderr, /wrong passphrase/);
    t.is((await cli.run(['search', '--list-tags', `${host}/unsigned`])).code, 125);
    const lonely = await cli.run([
      'push',
      '-q',
      '--sign-identity',
      'a.io/b:1',
      'busybox',
      `${host}/unsigned:1`,
    ]);
    t.regex(lonely.stderr, /needs --sign-by-sigstore-private-key/);
    const gpg = await cli.run(['push', '-q', '--sign-by', 'me@example.com', 'busybox', `${host}/unsigned:1`]);
    t.regex(gpg.stderr, /sigstore keys/);
  },
);

testWith(needs, 'archives and directories are allowed by their place', async (t) => {
  const cli = await openCliWithBusybox(t);
  const file = (name: string): string => join(cli.directory, name);
  await cli.ok(['save', '-o', file('docker.tar'), 'busybox']);
  await cli.ok(['save', '--format', 'oci-archive', '-o', file('oci.tar'), 'busybox']);
  await cli.ok(['save', '--format', 'oci-dir', '-o', file('layout'), 'busybox']);
  const policy = file('policy.json');
  const accept = [{ type: 'insecureAcceptAnything' }];
  const write = (transports: object): void =>
    writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }], transports }));
  const loads = async (name: string): Promise<boolean> =>
    (await cli.run(['load', '-q', '--signature-policy', policy, '-i', file(name)])).code === 0;
  write({});
  t.deepEqual(
    [await loads('docker.tar'), await loads('oci.tar'), await loads('layout')],
    [false, false, false],
  );
  const imported = await cli.run(['import', '--signature-policy', policy, file('busybox.tar')]);
  t.regex(imported.stderr, /the policy rejects it/);
  write({
    'docker-archive': { '': accept },
    'oci-archive': { [cli.directory]: accept },
    oci: { [file('layout')]: accept },
  });
  t.deepEqual([await loads('docker.tar'), await loads('oci.tar'), await loads('layout')], [true, true, true]);
  write({ oci: { '': [{ type: 'sigstoreSigned', keyPath: '/no/key' }] } });
  t.false(await loads('layout'));
  const copied = await cli.run(['copy', '--policy', policy, `oci-archive:${file('oci.tar')}`, 'store:again']);
  t.regex(copied.stderr, /the policy rejects it/);
  writeFileSync(policy, '{"default": []}');
  const broken = await cli.run(['load', '-q', '--signature-policy', policy, '-i', file('oci.tar')]);
  t.true(broken.stderr.includes(policy), broken.stderr);
});
