/** Archives of images for several platforms, and of artifacts: one of them or all, out of the store and back. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [missingCli(), missingUserNamespaces()];
const platforms = ['amd64', 'arm64'];

/** The list `multi` of two images, which have no names of their own. Resolves with its digest. */
async function addMulti(cli: Cli): Promise<string> {
  const parts = platforms.map((architecture) => `part-${architecture}`);
  for (const [at, architecture] of platforms.entries()) {
    const input = makeTar([{ name: `only-${architecture}`, content: architecture }]);
    await cli.ok(['import', '-q', '--platform', `linux/${architecture}`, '-', parts[at] ?? ''], { input });
  }
  await cli.ok(['manifest', 'create', 'multi', ...parts]);
  await cli.ok(['rmi', ...parts]);
  return digestOf(cli, 'multi');
}

async function digestOf(cli: Cli, name: string, ...flags: string[]): Promise<string> {
  return (await cli.ok(['image', 'inspect', '-f', '{{.Digest}}', ...flags, name])).trim();
}

async function architectureOf(cli: Cli, name: string): Promise<string> {
  return (await cli.ok(['image', 'inspect', '-f', '{{.Architecture}}', name])).trim();
}

testWith(needs, 'inspect shows the image of a platform, with all names of the list', async (t) => {
  const cli = openCli(t);
  const whole = await addMulti(cli);
  await cli.ok(['tag', 'multi', 'other']);
  const seen: string[] = [];
  for (const architecture of platforms) {
    const text = await cli.ok(['image', 'inspect', '--platform', `linux/${architecture}`, 'multi']);
    const [image] = JSON.parse(text);
    t.is(image.Architecture, architecture);
    t.true(image.RepoTags.includes('localhost/multi:latest'));
    t.true(image.Size > 0);
    seen.push(image.Digest);
  }
  t.is(new Set([...seen, whole]).size, 3);
  const none = await cli.run(['image', 'inspect', '--platform', 'linux/s390x', 'multi']);
  t.is(none.code, 125);
  t.regex(none.stderr, /no image for linux\/s390x(.|\n)*there is: linux\/amd64, linux\/arm64/);
});

for (const format of ['docker-archive', 'oci-archive', 'oci-dir', 'docker-dir']) {
  testWith(needs, `${format}: one platform is saved alone and loaded again`, async (t) => {
    const cli = openCli(t);
    await addMulti(cli);
    const out = join(cli.directory, 'saved');
    const isLayout = format.startsWith('oci');
    const save = ['save', '--format', format, ...(isLayout ? ['--uncompressed'] : []), '-o', out];
    for (const architecture of platforms) {
      rmSync(out, { recursive: true, force: true });
      const digest = await digestOf(cli, 'multi', '--platform', architecture);
      await cli.ok([...save, '--platform', `linux/${architecture}`, 'multi']);
      await cli.ok(['tag', 'multi', 'kept']);
      await cli.ok(['rmi', 'multi']);
      const wrong = await cli.run(['load', '--platform', 'linux/s390x', '-i', out]);
      t.is(wrong.code, 125);
      t.regex(wrong.stderr, /linux\/s390x/);
      t.regex(wrong.stderr, new RegExp(`linux/${architecture}`));
      t.not((await cli.run(['image', 'exists', 'multi'])).code, 0, 'what is refused gets no name');
      const loaded = await cli.ok(['load', '-q', '--platform', `linux/${architecture}`, '-i', out]);
      const name = loaded.trim().replace('Loaded image: ', '');
      if (format !== 'docker-dir') t.is(name, 'localhost/multi:latest');
      t.is(await architectureOf(cli, name), architecture);
      if (isLayout) t.is(await digestOf(cli, name), digest);
      await cli.ok(['tag', 'kept', 'multi']);
    }
    const none = await cli.run([...save, '--platform', 'linux/s390x', 'multi']);
    t.is(none.code, 125);
    t.regex(none.stderr, /there is: linux\/amd64, linux\/arm64/);
  });
}

testWith(
  needs,
  'of a whole archive one platform is loaded, and the digest of all of them stays',
  async (t) => {
    const cli = openCli(t);
    const whole = await addMulti(cli);
    const out = join(cli.directory, 'all.tar');
    const arm = await digestOf(cli, 'multi', '--platform', 'arm64');
    await cli.ok(['save', '--format', 'oci-archive', '--uncompressed', '-o', out, 'multi']);
    await cli.ok(['rmi', 'multi']);
    await cli.ok(['load', '-q', '--platform', 'linux/arm64', '-i', out]);
    t.is(await digestOf(cli, 'multi'), whole);
    t.is(await architectureOf(cli, 'multi'), 'arm64', 'the only one there is');
    const other = await cli.run(['image', 'inspect', '--platform', 'amd64', 'multi']);
    t.regex(other.stderr, /no image for linux\/amd64(.|\n)*there is: linux\/arm64;/);
    t.is(await digestOf(cli, 'multi', '--platform', 'arm64'), arm);
  },
);

testWith([...needs, missingProgram('skopeo')], 'artifacts go to OCI archives and come back', async (t) => {
  const cli = openCli(t);
  const at = { cwd: cli.directory };
  writeFileSync(join(cli.directory, 'notes.txt'), 'hello\n');
  await cli.ok(['import', '-q', '-', 'image'], { input: makeTar([{ name: 'f', content: 'f' }]) });
  const digest = (await cli.ok(['artifact', 'add', 'notes:1', 'notes.txt'], at)).trim();
  for (const [format, place] of [
    ['oci-archive', 'oci-archive:out-oci-archive:localhost/notes:1'],
    ['oci-dir', 'oci:out-oci-dir:localhost/notes:1'],
  ] as const) {
    const out = `out-${format}`;
    await cli.ok(['save', '--format', format, '-o', out, 'notes:1', 'image'], at);
    const read = spawnSync('skopeo', ['inspect', '--raw', place], {
      ...at,
      env: { ...cli.env, TMPDIR: cli.directory },
    });
    t.is(read.status, 0, String(read.stderr));
    t.is(JSON.parse(String(read.stdout)).artifactType, 'application/vnd.unknown.artifact.v1');
    await cli.ok(['artifact', 'rm', 'notes:1']);
    t.is(
      await cli.ok(['load', '-q', '-i', out], at),
      'Loaded artifact: localhost/notes:1\nLoaded image: localhost/image:latest\n',
    );
    t.is(await cli.ok(['artifact', 'extract', 'notes:1', '-']), 'hello\n');
    await cli.ok(['copy', '-q', 'store:notes:1', `${place.split(':')[0]}:nameless-${format}`], at);
    const nameless = await cli.run(['load', '-i', `nameless-${format}`], at);
    t.is(nameless.code, 125);
    t.regex(nameless.stderr, /has no name: left out/);
    const back = ['copy', '-q', `${place.split(':')[0]}:nameless-${format}`, 'store:again:1'];
    t.is((await cli.ok(back, at)).trim(), digest);
    t.is(await cli.ok(['artifact', 'extract', 'again:1', '-']), 'hello\n');
  }
  t.is((await cli.ok(['copy', '-q', 'store:notes:1', 'dir:plain'], at)).trim(), digest);
  t.is(JSON.parse(readFileSync(join(cli.directory, 'plain/manifest.json'), 'utf8')).layers.length, 1);
  t.regex((await cli.run(['load', '-i', 'plain'], at)).stderr, /it holds an artifact, and gives it no name/);
  for (const args of [
    ['save', '-o', 'x.tar', 'notes:1'],
    ['copy', 'store:notes:1', 'docker-archive:x.tar:notes:1'],
  ]) {
    const refused = await cli.run(args, at);
    t.is(refused.code, 125);
    t.regex(refused.stderr, /holds no artifact/);
  }
});

testWith(
  [...needs, missingRegistry(), missingProgram('skopeo')],
  'one platform of a list is pushed alone, as it is or converted',
  async (t) => {
    const cli = openCli(t);
    const { host } = await startRegistry(t);
    await addMulti(cli);
    const env = { ...cli.env, TMPDIR: cli.directory };
    for (const [tag, flags] of [
      ['kept', []],
      ['converted', ['--format', 'v2s2']],
    ] as const) {
      const place = `${host}/multi:${tag}`;
      await cli.ok(['push', '-q', '--platform', 'linux/arm64', ...flags, 'multi', place]);
      const config = spawnSync('skopeo', ['inspect', '--config', '--tls-verify=false', `docker://${place}`], {
        env,
      });
      t.is(config.status, 0, String(config.stderr));
      t.is(JSON.parse(String(config.stdout)).architecture, 'arm64', tag);
    }
    const none = await cli.run(['push', '--platform', 'linux/s390x', 'multi', `${host}/multi:none`]);
    t.is(none.code, 125);
    t.regex(none.stderr, /there is: linux\/amd64, linux\/arm64/);
  },
);
