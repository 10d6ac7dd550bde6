/** Signatures go along with what they are for: between registries, through directories and the store. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry()];

type Scene = {
  readonly cli: Cli;
  readonly host: string;
  readonly sign: readonly string[];
  /** Whether a pull finds a signature of the key for `src:1`. */
  readonly isSigned: (name: string) => Promise<boolean>;
};

/** A key, and an image that is signed with it: `src:1`. */
async function openScene(t: ExecutionContext<unknown>): Promise<Scene> {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  const prefix = join(cli.directory, 'key');
  writeFileSync(`${prefix}.pass`, 'secret\n');
  const pass = `${prefix}.pass`;
  await cli.ok(['generate-sigstore-key', '--output-prefix', prefix, '--passphrase-file', pass]);
  const sign = ['--sign-by-sigstore-private-key', `${prefix}.private`, '--sign-passphrase-file', pass];
  await cli.ok(['push', '-q', ...sign, 'busybox', `${host}/src:1`]);
  const policy = join(cli.directory, 'policy.json');
  const signedIdentity = { type: 'exactReference', dockerReference: `${host}/src:1` };
  const demand = { type: 'sigstoreSigned', keyPath: `${prefix}.pub`, signedIdentity };
  writeFileSync(policy, JSON.stringify({ default: [demand] }));
  const isSigned = async (name: string): Promise<boolean> => {
    const { code, stderr } = await cli.run(['pull', '-q', '--signature-policy', policy, `${host}/${name}`]);
    if (code !== 0) t.regex(stderr, /it has none/);
    return code === 0;
  };
  return { cli, host, sign, isSigned };
}

function setAttachments(cli: Cli, attached: boolean): void {
  const directory = join(cli.directory, 'home', '.config', 'containers', 'registries.d');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'all.yaml'), `default-docker:\n  use-sigstore-attachments: ${attached}\n`);
}

testWith(
  needs,
  'a copy between registries takes signatures along, unless they are to stay behind',
  async (t) => {
    const { cli, host, isSigned } = await openScene(t);
    const copy = ['copy', '-q', `docker://${host}/src:1`];
    await cli.ok([...copy, `docker://${host}/along:1`]);
    await cli.ok([...copy, `docker://${host}/along:1`]);
    t.true(await isSigned('along:1'));
    await cli.ok([...copy, '--remove-signatures', `docker://${host}/bare:1`]);
    t.false(await isSigned('bare:1'));
    const changed = await cli.run([...copy, '--format', 'v2s2', `docker://${host}/changed:1`]);
    t.regex(changed.stderr, /would make its signatures void[\s\S]*--remove-signatures/);
    await cli.ok([...copy, '--format', 'v2s2', '--remove-signatures', `docker://${host}/changed:1`]);
  },
);

testWith(needs, 'signatures of a list and of its images go along with all of it', async (t) => {
  const { cli, host, sign } = await openScene(t);
  await cli.ok(['manifest', 'create', 'list', 'busybox']);
  await cli.ok(['manifest', 'push', '-q', ...sign, 'list', `docker://${host}/list:1`]);
  await cli.ok(['copy', '-q', '--all', `docker://${host}/list:1`, `docker://${host}/lists:1`]);
  const tags = async (name: string): Promise<readonly string[]> => {
    const answer: unknown = await (await fetch(`http://${host}/v2/${name}/tags/list`)).json();
    return Object(answer)
      .tags.filter((tag: string) => tag.endsWith('.sig'))
      .sort();
  };
  t.is((await tags('list')).length, 2);
  t.deepEqual(await tags('lists'), await tags('list'));
  const directory = join(cli.directory, 'list');
  await cli.ok(['copy', '-q', '--all', `docker://${host}/list:1`, `dir:${directory}`]);
  t.is(readdirSync(directory).filter((name) => /^([0-9a-f]{64}\.)?signature-1$/.test(name)).length, 2);
  await cli.ok(['copy', '-q', '--all', `dir:${directory}`, `docker://${host}/back:1`]);
  t.deepEqual(await tags('back'), await tags('list'));
});

testWith(
  [...needs, missingProgram('skopeo')],
  'a directory keeps signatures in the form of skopeo; what has no place for them says so',
  async (t) => {
    const { cli, host, isSigned } = await openScene(t);
    const directory = join(cli.directory, 'image');
    await cli.ok(['copy', '-q', `docker://${host}/src:1`, `dir:${directory}`]);
    t.true(readFileSync(join(directory, 'signature-1'), 'latin1').startsWith('\0sigstore-json\n{'));
    const other = join(cli.directory, 'other');
    const copied = spawnSync('skopeo', ['copy', '--insecure-policy', `dir:${directory}`, `dir:${other}`], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: cli.directory },
    });
    t.is(copied.status, 0, copied.stderr);
    t.deepEqual(readFileSync(join(other, 'signature-1')), readFileSync(join(directory, 'signature-1')));
    await cli.ok(['copy', '-q', `dir:${other}`, `docker://${host}/again:1`]);
    t.true(await isSigned('again:1'));
    await cli.ok(['copy', '-q', '--remove-signatures', `docker://${host}/src:1`, `dir:${directory}`]);
    t.false(existsSync(join(directory, 'signature-1')));

    const toLayout = ['copy', `docker://${host}/src:1`, `oci:${join(cli.directory, 'layout')}:x`];
    t.regex((await cli.run(toLayout)).stderr, /its signatures stay behind/);
    setAttachments(cli, true);
    const demanded = await cli.run(toLayout);
    t.is(demanded.code, 125);
    t.regex(demanded.stderr, /no place for signatures[\s\S]*--remove-signatures/);
    await cli.ok([...toLayout, '--remove-signatures']);
    setAttachments(cli, false);
    await cli.ok(['copy', '-q', `docker://${host}/src:1`, `docker://${host}/unseen:1`]);
    setAttachments(cli, true);
    t.false(await isSigned('unseen:1'));
  },
);

testWith(needs, 'what was pulled with signatures is pushed with them', async (t) => {
  const { cli, host, isSigned } = await openScene(t);
  t.true(await isSigned('src:1'));
  await cli.ok(['push', '-q', `${host}/src:1`, `${host}/pushed:1`]);
  t.true(await isSigned('pushed:1'));
  await cli.ok(['push', '-q', '--remove-signatures', `${host}/src:1`, `${host}/bare:1`]);
  t.false(await isSigned('bare:1'));
  const changed = await cli.run(['push', '-q', '--format', 'v2s2', `${host}/src:1`, `${host}/changed:1`]);
  t.regex(changed.stderr, /would make its signatures void/);
  await cli.ok(['copy', '-q', `store:${host}/src:1`, `docker://${host}/copied:1`]);
  t.true(await isSigned('copied:1'));
  setAttachments(cli, false);
  const refused = await cli.run(['push', '-q', `${host}/src:1`, `${host}/refused:1`]);
  t.regex(refused.stderr, /use-sigstore-attachments: false/);
});

/** Puts what cosign 3 makes beside an image: a referrer, found by the tag that stands in for the API. */
async function attachBundle(host: string, repository: string): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const headers = { accept: manifestType };
  const subject =
    (await fetch(`${base}/manifests/1`, { headers })).headers.get('docker-content-digest') ?? '';
  const empty = Buffer.from('{}');
  const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const opened = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const place = `${opened.headers.get('location')}&digest=${digestOf(empty)}`;
  await fetch(place, { method: 'PUT', body: empty, headers: { 'content-type': 'application/octet-stream' } });
  const put = async (name: string, mediaType: string, value: object) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...value }));
    const answer = await fetch(`${base}/manifests/${name === '' ? digestOf(bytes) : name}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: bytes,
    });
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: 2 };
  const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const bundle = await put('', manifestType, {
    artifactType,
    config,
    layers: [{ ...config, mediaType: artifactType }],
  });
  await put(subject.replace(':', '-'), 'application/vnd.oci.image.index.v1+json', {
    manifests: [{ ...bundle, artifactType }],
  });
}

testWith(
  needs,
  'a bundle of cosign 3, which names no image, is no signature that a policy takes, and that is said',
  async (t) => {
    const { cli, host } = await openScene(t);
    await cli.ok(['push', '-q', 'busybox', `${host}/bundled:1`]);
    await attachBundle(host, 'bundled');
    const refused = await cli.run([
      'pull',
      '-q',
      '--signature-policy',
      join(cli.directory, 'policy.json'),
      `${host}/bundled:1`,
    ]);
    t.is(refused.code, 125);
    t.regex(refused.stderr, /sigstore bundle alone/);
    t.regex(
      await cli.ok(['artifact', 'referrers', `${host}/bundled:1`]),
      /application\/vnd\.dev\.sigstore\.bundle/,
    );
  },
);

testWith(
  [...needs, missingProgram('skopeo')],
  'signatures that skopeo takes along are those that were made here',
  async (t) => {
    const { cli, host, isSigned } = await openScene(t);
    setAttachments(cli, true);
    const directory = join(cli.directory, 'home', '.config', 'containers', 'registries.d');
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    const args = ['--insecure-policy', '--registries.d', directory, 'copy', '-q', ...plain];
    const { status, stderr } = spawnSync(
      'skopeo',
      [...args, `docker://${host}/src:1`, `docker://${host}/theirs:1`],
      {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: cli.directory, XDG_RUNTIME_DIR: cli.runtime },
      },
    );
    t.is(status, 0, stderr);
    t.true(await isSigned('theirs:1'));
  },
);
