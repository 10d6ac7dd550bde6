/**
 * Each system call of the commands that change a store is made to fail, or to be the last, in whatever process: afterwards the store
 * opens, `system check --deep` has nothing to say, the error tells why, and after a prune nothing is left. A part of all points,
 * evenly spread, is a thousand; with CORACLE_TEST_POINTS=all it is all of them (`npm run test:faults`). Which error meets which
 * calls is told in test/native/inject.c.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import {
  findProgram,
  missingCli,
  missingUserNamespaces,
  repositoryRoot,
  temporaryDirectory,
} from '../helpers/host.js';
import { missingCompiler } from '../helpers/hostile-image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { archive, otherLayers, scenarios } from './scenarios.js';

const needs = [missingCli(), missingUserNamespaces(), missingCompiler(), missingRegistry()];
const reached: number[] = [];

for (const name of Object.keys(scenarios('', ''))) {
  testWith(
    needs,
    `${name}: whatever system call fails, the store is whole and nothing is left`,
    async (t) => {
      t.timeout(30 * 60_000);
      const directory = temporaryDirectory(t);
      const registry = name === 'pull' ? await offer(t) : '';
      const worker = [process.execPath, join(import.meta.dirname, 'points-process.js'), name, directory];
      const mount = `mount -t tmpfs -o mode=700 none ${directory} && exec "$@"`;
      const words = ['--user', '--map-root-user', '--map-auto', '--mount', 'sh', '-c', mount, 'sh'];
      const { code, stdout, stderr } = await runProgram(
        'unshare',
        [...words, ...worker, injector(t), registry],
        {
          timeout: 30 * 60_000,
          env: { CORACLE_TEST_POINTS: process.env.CORACLE_TEST_POINTS },
        },
      );
      t.is(code, 0, stderr);
      const { points, failures }: { points: number; failures: readonly string[] } = JSON.parse(stdout);
      t.log(`${points} points`);
      reached.push(points);
      t.deepEqual(failures, []);
    },
  );
}

testWith(needs, 'the points are a thousand', (t) => {
  t.true(reached.reduce((sum, points) => sum + points, 0) >= 1000, `${reached}`);
});

function injector(t: ExecutionContext<unknown>): string {
  const program = join(temporaryDirectory(t), 'inject');
  const source = join(repositoryRoot(), 'test', 'native', 'inject.c');
  const made = spawnSync(findProgram('gcc') ?? 'gcc', ['-O1', '-Wall', '-o', program, source], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`compile ${source}: ${made.stderr}`);
  return program;
}

/** A registry that has the image. */
async function offer(t: ExecutionContext<unknown>): Promise<string> {
  const { host } = await startRegistry(t);
  const cli = openCli(t);
  await cli.ok(['load', '-q'], { input: archive('localhost/other:latest', otherLayers()) });
  await cli.ok(['push', '-q', 'other', `${host}/other:1`]);
  return host;
}
