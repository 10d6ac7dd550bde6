/** The store is an OCI image layout: skopeo, umoci and podman read from it what has its blobs, and what is given some. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

const needs = [...journeyNeeds, missingRegistry(), ...['skopeo', 'umoci', 'podman'].map(missingProgram)];

function tool(cli: Cli, program: string, ...args: readonly string[]): SpawnSyncReturns<string> {
  const env = { ...cli.env, TMPDIR: cli.directory };
  return spawnSync(program, args, { encoding: 'utf8', env, cwd: cli.directory });
}

/** What podman says, with a store of its own. */
function podman(cli: Cli, ...args: readonly string[]): SpawnSyncReturns<string> {
  const at = (name: string): string => join(cli.directory, name);
  const places = ['--root', at('podman'), '--runroot', at('podman-run'), '--storage-driver', 'vfs'];
  return tool(cli, 'podman', ...places, ...args);
}

/** All three read the image of this name, and find the file `/f` in it. */
async function readByAll(t: ExecutionContext<unknown>, cli: Cli, name: string): Promise<void> {
  const store = basename(cli.root);
  const digest = (await cli.ok(['inspect', '-f', '{{.Digest}}', name])).trim();
  const copied = tool(cli, 'skopeo', '--insecure-policy', 'copy', '-q', `oci:${store}:${name}`, 'dir:copied');
  t.is(copied.status, 0, copied.stderr);
  t.is((await cli.ok(['copy', '-q', 'dir:copied', 'oci:again:x'], { cwd: cli.directory })).trim(), digest);
  const bundle = join(cli.directory, 'bundle');
  rmSync(bundle, { recursive: true, force: true });
  const unpacked = tool(cli, 'umoci', 'unpack', '--rootless', '--image', `${store}:${name}`, bundle);
  t.is(unpacked.status, 0, unpacked.stderr);
  t.is(readFileSync(join(bundle, 'rootfs', 'f'), 'utf8'), 'deep\n');
  const pulled = podman(cli, 'pull', '-q', `oci:${store}:${name}`);
  t.is(pulled.status, 0, pulled.stderr);
  const id = (await cli.ok(['inspect', '-f', '{{.Id}}', name])).trim();
  t.is(`sha256:${pulled.stdout.trim()}`, id);
}

testWith(needs, 'other tools read from the store what was pulled, loaded and made', async (t) => {
  const cli = await openCliWithBusybox(t);
  const { host } = await startRegistry(t);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN echo deep > /f\n');
  await cli.ok(['build', '-q', '-t', 'made:1', context]);
  await cli.ok(['push', '-q', 'made:1', `${host}/made:1`]);
  await cli.ok(['save', '-o', join(cli.directory, 'docker.tar'), 'made:1']);
  await cli.ok(['save', '--format', 'oci-archive', '-o', join(cli.directory, 'oci.tar'), 'made:1']);
  const gone = tool(cli, 'skopeo', 'copy', `oci:${basename(cli.root)}:localhost/made:1`, 'dir:none');
  t.not(gone.status, 0, 'layers made here have no blobs');
  const before = await cli.ok(['run', '--rm', '--network', 'none', 'made:1', 'cat', '/f']);
  await cli.ok(['copy', '-q', '--dest-compress', 'store:made:1', 'store:made:1']);
  await readByAll(t, cli, 'localhost/made:1');
  t.is(await cli.ok(['run', '--rm', '--network', 'none', 'made:1', 'cat', '/f']), before);
  const digest = (await cli.ok(['inspect', '-f', '{{.Digest}}', 'made:1'])).trim();
  t.is((await cli.ok(['push', '-q', 'made:1', `${host}/again:1`])).trim(), digest, 'which then stays');

  await cli.ok(['rmi', '-af']);
  await cli.ok(['pull', '-q', `${host}/made:1`]);
  await readByAll(t, cli, `${host}/made:1`);
  await cli.ok(['rmi', '-af']);
  await cli.ok(['load', '-q', '-i', join(cli.directory, 'oci.tar')]);
  await readByAll(t, cli, 'localhost/made:1');
  await cli.ok(['rmi', '-af']);
  await cli.ok(['load', '-q', '-i', join(cli.directory, 'docker.tar')]);
  await cli.ok(['copy', '-q', '--dest-compress', 'store:made:1', 'store:made:1']);
  await readByAll(t, cli, 'localhost/made:1');
});

testWith(needs, "a manifest of docker's is said, and found by the others when it is converted", async (t) => {
  const cli = await openCliWithBusybox(t);
  const at = { cwd: cli.directory };
  await cli.ok(['copy', '-q', '--dest-compress', '--format', 'v2s2', 'store:busybox', 'store:docker:1']);
  const kept = await cli.run(['copy', 'store:docker:1', 'oci:layout:docker:1'], at);
  t.regex(kept.stderr, /holds a manifest of docker's type(.|\n)*--format oci converts it/);
  t.not(tool(cli, 'skopeo', 'inspect', 'oci:layout:docker:1').status, 0);
  const converted = await cli.run(['copy', '--format', 'oci', 'store:docker:1', 'oci:layout:oci:1'], at);
  t.notRegex(converted.stderr, /docker's type/);
  const { status, stdout } = tool(cli, 'skopeo', 'inspect', 'oci:layout:oci:1');
  t.is(status, 0);
  t.is(JSON.parse(stdout).Digest, converted.stdout.trim());
});
