/** kill -9 of copies: what a place had before is whole, the next copy succeeds, and nothing stays in the store. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { makeTar, missingBusybox } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { image, leftovers, openStore, until } from './fixture.js';

const needs = [
  missingCli(),
  missingUserNamespaces(),
  missingBusybox(),
  missingRegistry(),
  missingProgram('skopeo'),
];

async function killAfter(cli: Cli, milliseconds: number, args: readonly string[]): Promise<void> {
  const child = cli.start(args, { cwd: cli.directory });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await sleep(milliseconds);
  child.kill('SIGKILL');
  await ended;
}

function moments(count: number, longest: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => ((index + Math.random()) * longest) / count);
}

/** Whether skopeo copies all of an image, which checks every digest. */
function isWhole(cli: Cli, place: string): boolean {
  const target = join(cli.directory, 'checked');
  const args = ['--insecure-policy', 'copy', '-q', '--src-tls-verify=false', place, `dir:${target}`];
  const done = spawnSync('skopeo', args, { env: { ...cli.env, TMPDIR: cli.directory }, cwd: cli.directory });
  spawnSync('rm', ['-rf', target]);
  return done.status === 0;
}

async function expectNothingLeft(cli: Cli): Promise<void> {
  const collected = async (): Promise<boolean> => {
    await cli.ok(['ps', '-a']);
    return leftovers(cli).length === 0;
  };
  await until(() => `nothing is left of ${leftovers(cli).join(', ')}`, collected);
}

testWith(needs, 'a copy can be killed at any moment, wherever it goes', async (t) => {
  const { cli } = await openStore(t);
  const { host } = await startRegistry(t);
  // Some megabytes that do not compress away, so that there are moments in between.
  const noise = Buffer.alloc(12_000_000);
  for (let at = 0, state = 1; at < noise.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    noise.writeUInt32LE(state, at);
  }
  await cli.ok(['import', '-', 'large'], { input: makeTar([{ name: 'noise', content: noise }]) });
  await cli.ok(['push', '-q', 'large', `${host}/large`]);
  const at = { cwd: cli.directory };
  const from = `docker://${host}/large`;
  const first = ['oci:layout:first', 'oci-archive:archive.tar:first', 'dir:plain', 'store:kept'];
  for (const place of first) await cli.ok(['copy', '-q', `store:${image}`, place], at);
  for (const [to, before] of [
    ['oci:layout:second', 'oci:layout:first'],
    ['oci-archive:archive.tar:second', 'oci-archive:archive.tar'],
    ['docker-archive:new.tar:x:1', undefined],
    ['store:kept', undefined],
    ['dir:plain', undefined],
  ] as const) {
    for (const moment of moments(4, 500)) {
      await killAfter(cli, moment, ['copy', '-q', from, to]);
      if (before !== undefined) t.true(isWhole(cli, before), `${before} after ${moment} ms of ${to}`);
      if (to.startsWith('docker-archive:') && existsSync(join(cli.directory, 'new.tar'))) {
        t.true(isWhole(cli, 'docker-archive:new.tar'), 'an archive is whole or not there');
        break;
      }
      t.is((await cli.run(['run', '--rm', '--network', 'none', image, 'true'])).code, 0);
    }
    if (to.startsWith('docker-archive:')) continue;
    const digest = (await cli.ok(['copy', '-q', from, to], at)).trim();
    t.regex(digest, /^sha256:/);
    if (!to.startsWith('store:')) t.true(isWhole(cli, to), to);
  }
  await expectNothingLeft(cli);
  await cli.ok(['rmi', '-af']);
  t.deepEqual(readdirSync(join(cli.root, 'blobs', 'sha256')), []);
});
