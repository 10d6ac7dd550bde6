/** A store with Debian, busybox and this machine's Node.js, and what the tests of real Dockerfiles do with it. */
import { existsSync, mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { journeyNeeds } from '../helpers/busybox.js';
import { type Cli, cliIn, runProgram } from '../helpers/cli.js';
import {
  findProgram,
  fixturePath,
  type Missing,
  missingDevice,
  missingProgram,
  removeTree,
} from '../helpers/host.js';
import { debianTar, missingArchive, missingDebootstrap, writeBusyboxTar } from '../helpers/image.js';

export const needs = [
  ...journeyNeeds,
  missingDebootstrap(),
  missingProgram('pasta'),
  missingDevice('/dev/net/tun'),
  missingArchive(),
];

/** One store for all of them: one Debian, and one index of packages in the cache mounts that they share. */
export const shared = mkdtempSync(join(tmpdir(), 'c-'));
let imported: Promise<unknown> | undefined;
let nodeBuilt: Promise<unknown> | undefined;

test.after.always('the store is removed', () => removeTree(shared));

export async function openStore(t: ExecutionContext<unknown>): Promise<Cli> {
  t.timeout(300_000);
  const cli = cliIn(t, shared);
  imported ??= Promise.all([
    cli.ok(['import', debianTar(), 'debian'], { timeout: 120_000 }),
    cli.ok(['import', writeBusyboxTar(join(shared, 'busybox.tar')), 'busybox']),
  ]);
  await imported;
  return cli;
}

/** As above, with an image of this machine's Node.js and npm. */
export async function openStoreWithNode(t: ExecutionContext<unknown>): Promise<Cli> {
  const cli = await openStore(t);
  const words = ['build', '-q', '-t', 'node', '--build-context', `nodejs=${nodePrefix()}`];
  nodeBuilt ??= cli.ok([...words, fixturePath('real', 'node-base')], { timeout: 120_000 });
  await nodeBuilt;
  return cli;
}

/** Where bin/node and lib/node_modules/npm are. */
function nodePrefix(): string | undefined {
  const npm = findProgram('npm');
  const prefix = npm === undefined ? undefined : join(realpathSync(npm), '../../../../..');
  const has = (path: string): boolean => prefix !== undefined && existsSync(join(prefix, path));
  return has('bin/node') && has('lib/node_modules/npm/package.json') ? prefix : undefined;
}

export function missingNode(): Missing {
  return nodePrefix() === undefined ? 'no Node.js with npm beside it' : undefined;
}

/** Builds `directory` twice: the second time nothing runs. */
export async function build(
  t: ExecutionContext<unknown>,
  cli: Cli,
  tag: string,
  directory: string,
  ...options: readonly string[]
): Promise<void> {
  const words = ['build', '--progress', 'plain', '-t', tag, ...options, directory];
  const built = await cli.run(words, { timeout: 240_000 });
  t.is(built.code, 0, built.stderr.slice(-4000));
  const again = await cli.run(words);
  const [, cached, all] = /\((\d+) of (\d+) steps cached\)/.exec(again.stderr) ?? [];
  t.truthy(all, again.stderr);
  t.is(cached, all, again.stderr);
}

/** Runs a server with its port published on loopback until the test ends. */
export async function serveImage(t: ExecutionContext<unknown>, cli: Cli, image: string, port: number) {
  await cli.ok(['run', '-d', '--name', image, '-p', `127.0.0.1::${port}`, image]);
  t.teardown(() => cli.ok(['rm', '-f', image]));
  const shown = await cli.ok(['port', image]);
  return Number(/127\.0\.0\.1:(\d+)/.exec(shown)?.[1]);
}

/** The paths of an image's files. */
export async function listImage(cli: Cli, image: string): Promise<readonly string[]> {
  const id = (await cli.ok(['create', '--network', 'none', image, 'none'])).trim();
  try {
    const file = join(cli.directory, `${id}.tar`);
    await cli.ok(['export', '-o', file, id]);
    const { stdout } = await runProgram('tar', ['-tf', file]);
    return stdout.split('\n').filter((path) => path !== '' && !path.endsWith('/'));
  } finally {
    await cli.ok(['rm', id]);
  }
}
