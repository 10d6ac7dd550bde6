/** kill -9 of the command line tool at any moment of each command: the next command tells the truth and collects. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import {
  familyOf,
  image,
  leftovers,
  mountsBelow,
  openStore,
  type Process,
  statusOf,
  survivors,
  until,
} from './fixture.js';

const base = [missingCli(), missingUserNamespaces(), missingBusybox()];

/** Kills the tool and nothing else after so many milliseconds; returns what it had started by then. */
async function killAfter(
  cli: Cli,
  milliseconds: number,
  args: readonly string[],
): Promise<readonly Process[]> {
  const child = cli.start(args);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await sleep(milliseconds);
  const family = child.pid === undefined ? [] : familyOf(child.pid);
  child.kill('SIGKILL');
  await ended;
  return family;
}

/** Spread over a command's length, never the same twice: over many runs every moment is met. */
function moments(count: number, longest: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => ((index + Math.random()) * longest) / count);
}

/** The next commands collect everything; what they leave is named. */
async function expectNothingLeft(cli: Cli): Promise<void> {
  const collected = async (): Promise<boolean> => {
    await cli.ok(['ps', '-a']);
    return leftovers(cli).length === 0;
  };
  await until(() => `nothing is left of ${leftovers(cli).join(', ')}`, collected);
}

async function expectClean(
  t: ExecutionContext<unknown>,
  cli: Cli,
  families: readonly (readonly Process[])[],
): Promise<void> {
  await until('what the tool started has ended', () => survivors(families.flat()).length === 0);
  t.deepEqual(mountsBelow(cli.directory), []);
  await expectNothingLeft(cli);
  t.is((await cli.ok(['run', '--rm', '--network', 'none', image, 'echo', 'works'])).trim(), 'works');
}

testWith(base, 'run can be killed at any moment: the container runs or was never there', async (t) => {
  const { cli } = await openStore(t);
  for (const mode of [['-d'], []]) {
    for (const moment of moments(6, 260)) {
      const flags = ['--name', 'x', '--network', 'none'];
      await killAfter(cli, moment, ['run', ...mode, ...flags, image, 'sleep', '1000']);
      await until('it does not start any more', async () => !(await statusOf(cli, 'x')).includes('tarting'));
      const status = await statusOf(cli, 'x');
      t.regex(status, /^($|Up|Created|Exited)/, `killed after ${moment} ms`);
      if (status !== '') await cli.ok(['rm', '-f', 'x']);
      await expectNothingLeft(cli);
    }
  }
  await expectClean(t, cli, []);
});

testWith(base, 'a build can be killed in RUN, in COPY and while it exports', async (t) => {
  const { cli } = await openStore(t);
  const context = join(cli.directory, 'context');
  mkdirSync(context);
  for (let index = 0; index < 60; index++) writeFileSync(join(context, `file${index}`), 'x'.repeat(100_000));
  const lines = [
    `FROM ${image}`,
    'RUN echo 1 > /one && chown 33 /one',
    'COPY . /data/',
    'RUN sleep 0.3; echo 2 > /two',
  ];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  const families = [];
  for (const moment of moments(8, 1300)) {
    families.push(await killAfter(cli, moment, ['build', '--no-cache', '-t', 'localhost/built', context]));
  }
  await cli.ok(['build', '-t', 'localhost/built', context]);
  await expectClean(t, cli, families);
  const run = await cli.ok([
    'run',
    '--rm',
    '--network',
    'none',
    'localhost/built',
    'sh',
    '-c',
    'cat /one /two; ls /data | wc -l',
  ]);
  t.deepEqual(run.trim().split('\n'), ['1', '2', '61']);
});

testWith(base, 'import, load and save can be killed at any moment', async (t) => {
  const { cli, tar } = await openStore(t);
  const archive = join(cli.directory, 'archive.tar');
  await cli.ok(['save', '-o', archive, image]);
  const families = [];
  for (const moment of moments(5, 600)) {
    families.push(await killAfter(cli, moment, ['import', tar, 'localhost/imported']));
    await cli.run(['rmi', image]);
    families.push(await killAfter(cli, moment, ['load', '-i', archive]));
    families.push(await killAfter(cli, moment, ['save', '-o', join(cli.directory, 'other.tar'), image]));
  }
  await cli.ok(['import', tar, 'localhost/imported']);
  await cli.ok(['load', '-i', archive]);
  await expectClean(t, cli, families);
});

testWith(base, 'sockets that a killed removal left without their link are collected', async (t) => {
  const { cli } = await openStore(t);
  await cli.ok(['run', '-d', '--name', 'x', '--network', 'none', image, 'sleep', '1000']);
  const sockets = join(cli.runtime, 'coracle', 'c');
  const alive = readdirSync(sockets);
  for (const name of ['empty', 'unlinked']) mkdirSync(join(sockets, name), { mode: 0o700 });
  writeFileSync(join(sockets, 'unlinked', 's'), '');
  await cli.ok(['ps', '-a']);
  t.deepEqual(readdirSync(sockets), alive);
  await cli.ok(['rm', '-f', 'x']);
  await expectClean(t, cli, []);
});

testWith(base, 'rm -v can be killed at any moment: no volume loses its container', async (t) => {
  const { cli } = await openStore(t);
  for (const moment of moments(6, 250)) {
    await cli.ok(['run', '--name', 'x', '--network', 'none', '-v', '/data', image, 'touch', '/data/a']);
    await killAfter(cli, moment, ['rm', '-v', 'x']);
    if ((await statusOf(cli, 'x')) !== '') await cli.ok(['rm', '-v', 'x']);
    t.deepEqual(readdirSync(join(cli.root, 'volumes')), [], `killed after ${moment} ms`);
  }
  await expectClean(t, cli, []);
});

testWith(base, 'rm and rmi can be killed at any moment and done again', async (t) => {
  const { cli, tar } = await openStore(t);
  const families = [];
  for (const moment of moments(5, 250)) {
    await cli.ok([
      'run',
      '--name',
      'x',
      '--network',
      'none',
      image,
      'sh',
      '-c',
      'mkdir -p /a/b; touch /a/b/c',
    ]);
    families.push(await killAfter(cli, moment, ['rm', '-f', 'x']));
    if ((await statusOf(cli, 'x')) !== '') await cli.ok(['rm', 'x']);
    await cli.ok(['import', tar, 'localhost/passing']);
    families.push(await killAfter(cli, moment, ['rmi', 'localhost/passing']));
    await cli.run(['rmi', 'localhost/passing']);
  }
  t.false((await cli.ok(['images'])).includes('passing'));
  await expectClean(t, cli, families);
});

testWith(
  [...base, missingRegistry()],
  'pull and push can be killed at any moment and done again',
  async (t) => {
    const { cli } = await openStore(t);
    const { host } = await startRegistry(t);
    const name = `${host}/busybox:1`;
    await cli.ok(['tag', image, name]);
    const families = [];
    for (const moment of moments(4, 500)) families.push(await killAfter(cli, moment, ['push', name]));
    await cli.ok(['push', name]);
    await cli.ok(['rmi', name, image]);
    for (const moment of moments(6, 700)) {
      families.push(await killAfter(cli, moment, ['pull', name]));
      await cli.run(['rmi', name]);
    }
    await cli.ok(['pull', name]);
    await cli.ok(['tag', name, image]);
    await expectClean(t, cli, families);
  },
);
