/** `system check`: each kind of damage is found, said and mended, and nothing is lost without a word. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

type Report = {
  readonly findings: readonly {
    readonly kind: string;
    readonly level: string;
    readonly object: string;
    readonly images: readonly string[];
    readonly containers: readonly string[];
    readonly outcome: string;
    readonly done?: string;
  }[];
  readonly errors: number;
  readonly remaining: number;
};

/** Runs a check; its exit code must agree with what it says. */
async function check(t: ExecutionContext<unknown>, cli: Cli, ...flags: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await cli.run(['system', 'check', '--format', 'json', ...flags]);
  t.is(stderr, '');
  const report = JSON.parse(stdout) as Report;
  t.is(code, report.remaining > 0 ? 1 : 0);
  return report;
}

const kinds = ({ findings }: Report): readonly string[] =>
  findings.map(({ kind, outcome }) => `${kind} ${outcome}`);

/** An image of two more layers, and a container of it. */
async function openBuilt(t: ExecutionContext<unknown>): Promise<Cli> {
  const cli = await openCliWithBusybox(t);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'file'), 'copied\n');
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN echo made > /made\nCOPY file /file\n');
  await cli.ok(['build', '-q', '-t', 'web', context]);
  await cli.ok([
    'create',
    '--name',
    'box',
    '--network',
    'none',
    '-v',
    '/data',
    'web',
    'cat',
    '/made',
    '/file',
  ]);
  return cli;
}

const snapshots = (cli: Cli): string => join(cli.root, 'snapshots');

/** The id of an image's uppermost layer. */
async function topOf(cli: Cli, image: string): Promise<string> {
  const id = (await cli.ok(['image', 'inspect', '-f', '{{.Id}}', image])).trim().replace('sha256:', '');
  return JSON.parse(readFileSync(join(snapshots(cli), 'images', `sha256-${id}`, 'record.json'), 'utf8')).id;
}

function writeBlob(cli: Cli, digest: string, change: (bytes: Buffer) => Buffer): void {
  const path = join(cli.root, 'blobs', digest.replace(':', '/'));
  writeFileSync(path, change(readFileSync(path)));
}

const flip = (bytes: Buffer): Buffer => {
  bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
  return bytes;
};

testWith(journeyNeeds, 'a store that is whole has nothing to say, at any depth', async (t) => {
  const cli = await openBuilt(t);
  for (const flag of ['--quick', '--deep', '--repair']) t.deepEqual((await check(t, cli, flag)).findings, []);
  t.regex(
    await cli.ok(['system', 'check']),
    /^checked 4 blobs \([\d.]+kB\), 3 layers, 2 images, 1 container: 0 errors, 0 notices\n$/,
  );
  const wrong = await cli.run(['system', 'check', '--quick', '--deep']);
  t.is(wrong.code, 125);
  t.is((await cli.run(['system', 'check', '--force'])).code, 0, 'it repairs');
  t.is((await cli.run(['system', 'check', '--max', 'soon'])).code, 125);
});

testWith(
  [...journeyNeeds, missingRegistry()],
  'damaged and lost blobs are fetched again by digest',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host, stop } = await startRegistry(t);
    const name = `${host}/busybox:1`;
    await cli.ok(['push', 'busybox', name]);
    await cli.ok(['rmi', 'busybox']);
    await cli.ok(['image', 'prune', '-af']);
    await cli.ok(['pull', '-q', name]);
    // The tag means something else by now.
    const index = JSON.parse(readFileSync(join(cli.root, 'index.json'), 'utf8'));
    const [{ digest }] = index.manifests;
    const manifest = JSON.parse(readFileSync(join(cli.root, 'blobs', digest.replace(':', '/')), 'utf8'));
    const layer: string = manifest.layers[0].digest;
    const config: string = manifest.config.digest;
    writeBlob(cli, layer, flip);
    t.deepEqual((await check(t, cli, '--quick')).findings, [], 'a check of sizes does not see it');
    const found = await check(t, cli);
    t.deepEqual(kinds(found), ['blob-damaged found']);
    t.deepEqual(found.findings[0]?.images, [name]);
    t.is(found.findings[0]?.object, `blob ${layer}`);
    t.deepEqual(kinds(await check(t, cli, '--repair')), ['blob-damaged repaired']);
    t.deepEqual((await check(t, cli)).findings, []);
    rmSync(join(cli.root, 'blobs', config.replace(':', '/')));
    writeBlob(cli, digest, (bytes) => bytes.subarray(0, 100));
    t.deepEqual(kinds(await check(t, cli, '--quick')), ['blob-damaged found']);
    const mended = await check(t, cli, '--repair');
    t.deepEqual(kinds(mended), ['blob-damaged repaired', 'blob-missing repaired']);
    t.regex(mended.findings[0]?.done ?? '', /fetched again from 127/);
    t.is(await cli.ok(['run', '--rm', '--network', 'none', name, 'echo', 'whole']), 'whole\n');

    await stop();
    writeBlob(cli, layer, flip);
    const left = await check(t, cli, '--repair');
    t.deepEqual(kinds(left), ['blob-damaged left']);
    t.deepEqual((await cli.ok(['images', '-q'])).split('\n').length, 2, 'the tag is kept');
    t.is(
      readFileSync(join(cli.root, 'blobs', layer.replace(':', '/'))).length > 0,
      true,
      'and so are the bytes',
    );
    const forced = await check(t, cli, '--repair', '--force', '--max', '0s');
    t.regex(forced.findings[0]?.done ?? '', /removed 127/);
    t.is(await cli.ok(['images', '-q']), '');
  },
);

testWith(
  [...journeyNeeds, missingRegistry()],
  'changed files of a pulled layer are unpacked again under a container',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const { host } = await startRegistry(t);
    const name = `${host}/busybox:1`;
    await cli.ok(['push', 'busybox', name]);
    await cli.ok(['rmi', 'busybox']);
    await cli.ok(['image', 'prune', '-af']);
    await cli.ok(['pull', '-q', name]);
    await cli.ok(['create', '--name', 'box', '--network', 'none', name, 'cat', '/etc/motd']);
    const top = await topOf(cli, name);
    writeFileSync(join(snapshots(cli), top, 'fs', 'intruder'), 'x');
    t.deepEqual((await check(t, cli)).findings, [], 'only a deep check reads files');
    const found = await check(t, cli, '--deep');
    t.deepEqual(kinds(found), ['layer-changed found']);
    t.deepEqual([found.findings[0]?.images, found.findings[0]?.containers], [[name], ['box']]);
    await cli.ok(['run', '-d', '--name', 'busy', '--network', 'none', name, 'sleep', '100']);
    const busy = await check(t, cli, '--deep', '--repair');
    t.regex(busy.findings[0]?.done ?? '', /busy runs on it/);
    await cli.ok(['rm', '-f', '-t', '0', 'busy']);
    t.deepEqual(kinds(await check(t, cli, '--deep', '--repair')), ['layer-changed repaired']);
    t.deepEqual((await check(t, cli, '--deep')).findings, []);
    t.is(await topOf(cli, name), top);

    for (const harm of [
      () => rmSync(join(snapshots(cli), top, 'record.json')),
      () => writeFileSync(join(snapshots(cli), top, 'record.json'), '{"version":1'),
      () => renameSync(join(snapshots(cli), top), join(cli.directory, `gone${Date.now()}`)),
    ]) {
      harm();
      const [error] = (await check(t, cli, '--quick')).findings;
      t.is(error?.level, 'error');
      t.true(kinds(await check(t, cli, '--repair')).every((kind) => kind.endsWith(' repaired')));
      t.deepEqual((await check(t, cli, '--deep')).findings, []);
      t.is((await cli.run(['start', '-a', 'box'])).code, 1, 'it starts; there is no such file');
    }
  },
);

testWith(journeyNeeds, 'what was made here and is damaged is named, and only goes by force', async (t) => {
  const cli = await openBuilt(t);
  const top = await topOf(cli, 'web');
  const file = join(snapshots(cli), top, 'fs', 'file');
  chmodSync(file, 0o644);
  writeFileSync(file, 'other\n');
  t.deepEqual(kinds(await check(t, cli, '--deep', '--repair')), ['layer-changed left']);
  t.is((await cli.run(['image', 'exists', 'web'])).code, 0);
  rmSync(join(snapshots(cli), top, 'fs'), { recursive: true });
  const { findings } = await check(t, cli);
  t.deepEqual(
    findings.map(({ kind, images, containers }) => [kind, images, containers]),
    [['layer-damaged', ['localhost/web:latest'], ['box']]],
  );
  t.deepEqual(
    kinds(await check(t, cli, '--repair', '--force')),
    ['layer-damaged left'],
    'a container lies on it',
  );
  await cli.ok(['rm', 'box']);
  const forced = await check(t, cli, '--repair', '--force');
  t.regex(forced.findings[0]?.done ?? '', /removed localhost\/web:latest/);
  t.is((await cli.run(['image', 'exists', 'web'])).code, 1);
  t.is((await cli.run(['image', 'exists', 'busybox'])).code, 0);
});

testWith(journeyNeeds, 'a torn index is made again, with the names that containers know', async (t) => {
  const cli = await openBuilt(t);
  writeFileSync(join(cli.root, 'index.json'), '{"schemaVersion":2,"manif');
  rmSync(join(cli.root, 'oci-layout'));
  t.is((await cli.run(['images'])).code, 125);
  t.deepEqual(kinds(await check(t, cli)), ['layout-missing found', 'index-damaged found']);
  t.deepEqual(kinds(await check(t, cli, '--repair')), ['layout-missing repaired', 'index-damaged repaired']);
  t.is((await cli.ok(['images', '-q', '--no-trunc'])).split('\n').length, 3, 'both images');
  t.is((await cli.run(['image', 'exists', 'web'])).code, 0);
  t.regex(readFileSync(join(cli.root, 'index.json.damaged'), 'utf8'), /"manif$/);
  t.deepEqual((await check(t, cli)).findings, []);
  t.is(await cli.ok(['start', '-a', 'box']), 'made\ncopied\n');
});

testWith(journeyNeeds, 'damaged records, leftovers and what nothing needs', async (t) => {
  const cli = await openBuilt(t);
  await cli.ok(['create', '--name', 'torn', '--network', 'none', 'web']);
  await cli.ok(['volume', 'create', 'data']);
  const id = (await cli.ok(['inspect', '-f', '{{.Id}}', 'torn'])).trim();
  const record = join(cli.root, 'containers', id, 'container.json');
  writeFileSync(record, readFileSync(record, 'utf8').replace('"version":1', '"version":7'));
  writeFileSync(join(cli.root, 'volumes', 'data', 'volume.json'), '{');
  symlinkSync(`${'0'.repeat(64)}:1:1:none`, join(cli.root, 'containers', '.names', 'lost'));
  symlinkSync(`../${'a'.repeat(26)}`, join(snapshots(cli), 'chains', `sha256-${'1'.repeat(64)}`));
  writeFileSync(join(cli.root, 'locks', `partial-sha256-${'2'.repeat(64)}`), '');
  writeFileSync(join(cli.root, 'index.json.123456.tmp'), '');
  const found = await check(t, cli, '--max', '0s');
  t.deepEqual(kinds(found), [
    'container-damaged found',
    'record-damaged found',
    'link-dangling found',
    'leftover found',
    'lock-stale found',
    'leftover found',
  ]);
  t.deepEqual(found.findings[0]?.containers, ['torn']);
  t.deepEqual(kinds(await check(t, cli, '--repair', '--force', '--max', '0s')), [
    'container-damaged repaired',
    'record-damaged left',
    'link-dangling repaired',
    'lock-stale repaired',
    'leftover repaired',
  ]);
  rmSync(join(cli.root, 'volumes', 'data'), { recursive: true });
  t.deepEqual((await check(t, cli, '--max', '0s')).findings, []);
  await cli.ok(['create', '--name', 'half', '--network', 'none', '-v', '/data', 'web']);
  const half = (await cli.ok(['inspect', '-f', '{{.Id}}', 'half'])).trim();
  writeFileSync(join(cli.root, 'containers', half, 'removing'), '');
  rmSync(join(cli.root, 'containers', half, 'fs'), { recursive: true });
  const { findings } = await check(t, cli);
  t.like(findings[0], { kind: 'leftover', level: 'notice', object: 'container half' });
  t.deepEqual(kinds(await check(t, cli, '--repair', '--max', '0')), ['leftover repaired']);
  t.is(await cli.ok(['ps', '-a', '--format', '{{.Names}}']), 'box\n');

  const stray = join(cli.root, 'blobs', 'sha256', '3'.repeat(64));
  writeFileSync(stray, 'stray');
  t.deepEqual(kinds(await check(t, cli)), ['blob-damaged found']);
  const blob = await cli.ok(['image', 'inspect', '-f', '{{.Id}}', 'web']);
  await cli.ok(['rm', 'box']);
  await cli.ok(['build', '-q', '-t', 'other', '--label', 'a=b', join(cli.directory, 'context')]);
  const index = JSON.parse(readFileSync(join(cli.root, 'index.json'), 'utf8'));
  index.manifests = index.manifests.filter((one: object) => !JSON.stringify(one).includes('other'));
  writeFileSync(join(cli.root, 'index.json'), JSON.stringify(index));
  t.deepEqual(kinds(await check(t, cli, '--repair')), ['blob-damaged repaired'], 'what is new is left alone');
  t.deepEqual(kinds(await check(t, cli, '--repair', '--max', '0s')), ['unreferenced repaired']);
  t.is(await cli.ok(['image', 'inspect', '-f', '{{.Id}}', 'web']), blob);
  t.false(readdirSync(join(cli.root, 'blobs', 'sha256')).includes('3'.repeat(64)));
});

testWith(
  journeyNeeds,
  'after a command was killed over its work the next one looks at the store, once',
  async (t) => {
    const cli = await openBuilt(t);
    const crash = (): void => {
      const owner = join(cli.root, 'staging', '0123456789abcdef');
      mkdirSync(owner);
      writeFileSync(join(owner, 'lock'), '');
      writeFileSync(join(owner, 'blob-1'), 'half');
    };
    crash();
    t.is((await cli.run(['images', '-q'])).stderr, '', 'nothing is damaged');
    t.deepEqual(readdirSync(join(cli.root, 'staging')), []);
    const config = (await cli.ok(['image', 'inspect', '-f', '{{.Id}}', 'busybox']))
      .trim()
      .replace('sha256:', '');
    rmSync(join(cli.root, 'blobs', 'sha256', config));
    t.is((await cli.run(['images', '-q'])).stderr, '', 'nobody was killed');
    crash();
    const first = await cli.run(['volume', 'ls']);
    t.is(first.code, 0);
    t.regex(
      first.stderr,
      /^warning: a command was killed over its work.*blob sha256:.*coracle system check\n$/,
    );
    t.is((await cli.run(['volume', 'ls'])).stderr, '');
  },
);
