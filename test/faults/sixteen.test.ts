/** Sixteen processes that change one store for three minutes: none waits for ever, no name is lost, and nothing is left over. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Cli, cliIn, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingUserNamespaces } from '../helpers/host.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { leftovers } from './fixture.js';
import { numbers } from './random.js';
import { archive, otherLayers } from './scenarios.js';

const processes = 16;
const duration = 180_000;

/** What may become of something that others take away at the same time. */
const taken = /not in the store|no such|in use|used by/;

/** One of the sixteen, with the names it gave and did not take away again. */
type Worker = {
  readonly cli: Cli;
  readonly number: number;
  readonly random: () => number;
  readonly names: Set<string>;
  readonly shared: readonly string[];
  readonly context: string;
  readonly archive: string;
  done: number;
};

type Deed = { readonly weight: number; readonly act: (worker: Worker) => Promise<void> };

const deeds: readonly Deed[] = [
  { weight: 3, act: tag },
  { weight: 3, act: untag },
  { weight: 3, act: build },
  { weight: 3, act: pull },
  { weight: 2, act: removeShared },
  { weight: 1, act: load },
  { weight: 2, act: container },
  { weight: 1, act: prune },
];

async function tag(worker: Worker): Promise<void> {
  const name = newName(worker, 'tag');
  await worker.cli.ok(['tag', 'localhost/base', name]);
  worker.names.add(name);
}

/** Of a few contents, so that several make the same at once. */
async function build(worker: Worker): Promise<void> {
  const name = newName(worker, 'built');
  const value = Math.floor(worker.random() * 4);
  const args = ['--build-arg', `value=${value}`, ...(worker.random() < 0.3 ? ['--no-cache'] : [])];
  await worker.cli.ok(['build', '-q', '--network', 'none', ...args, '-t', name, worker.context]);
  worker.names.add(name);
}

async function untag(worker: Worker): Promise<void> {
  const name = choose(worker, [...worker.names]);
  if (name === undefined) return;
  if (await orTaken(worker, ['rmi', name])) worker.names.delete(name);
}

async function pull(worker: Worker): Promise<void> {
  await worker.cli.ok(['pull', '-q', choose(worker, worker.shared) ?? '']);
}

async function removeShared(worker: Worker): Promise<void> {
  const all = [...worker.shared, 'localhost/other:latest'];
  await orTaken(worker, ['rmi', choose(worker, all) ?? '']);
}

async function load(worker: Worker): Promise<void> {
  await worker.cli.ok(['load', '-q', '-i', worker.archive]);
}

/** Of an image that may go and come meanwhile. */
async function container(worker: Worker): Promise<void> {
  const name = `c${worker.number}-${worker.done}`;
  const image = choose(worker, [...worker.shared, ...worker.names]) ?? '';
  await worker.cli.ok(['create', '--name', name, '--network', 'none', '-v', '/data', image, '/x']);
  if (worker.random() < 0.3) {
    const committed = newName(worker, 'committed');
    if (await orTaken(worker, ['commit', '-q', name, committed])) worker.names.add(committed);
  }
  await worker.cli.ok(['rm', '-v', name]);
}

async function prune(worker: Worker): Promise<void> {
  const kinds = [
    ['image', 'prune', '-f'],
    ['builder', 'prune', '-f'],
    ['builder', 'prune', '-af'],
  ];
  await worker.cli.ok(choose(worker, kinds) ?? []);
}

/** Whether it was done. */
async function orTaken(worker: Worker, args: readonly string[]): Promise<boolean> {
  const { code, stderr } = await worker.cli.run(args);
  if (code !== 0 && !taken.test(stderr)) throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
  return code === 0;
}

function newName({ number, random }: Worker, kind: string): string {
  return `localhost/w${number}/${kind}${Math.floor(random() * 5)}:latest`;
}

function choose<T>({ random }: Pick<Worker, 'random'>, from: readonly T[]): T | undefined {
  return from[Math.floor(random() * from.length)];
}

async function work(worker: Worker, until: number): Promise<void> {
  const bag = deeds.flatMap(({ weight, act }) => Array.from({ length: weight }, () => act));
  for (; Date.now() < until; worker.done++) await choose(worker, bag)?.(worker);
}

testWith(
  [missingCli(), missingUserNamespaces(), missingRegistry()],
  'sixteen processes pull, build, tag, remove and prune at once: no name is lost and nothing is left',
  async (t) => {
    t.timeout(duration * 3);
    const seed = Number(process.env.CORACLE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.log(`CORACLE_TEST_SEED=${seed}`);
    const cli = openCli(t);
    const files = await prepare(t, cli);
    const workers = Array.from({ length: processes }, (_, number): Worker => {
      const random = numbers(seed + number);
      return { cli: cliIn(t, cli.directory), number, random, names: new Set(), done: 0, ...files };
    });
    const until = Date.now() + duration;
    const settled = await Promise.allSettled(workers.map((worker) => work(worker, until)));
    t.log(`${workers.reduce((sum, { done }) => sum + done, 0)} deeds`);
    const failures = settled.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
    t.deepEqual(failures, []);
    await expectNames(t, cli, workers);
    await expectWhole(t, cli);
  },
);

async function prepare(
  t: ExecutionContext<unknown>,
  cli: Cli,
): Promise<Pick<Worker, 'shared' | 'context' | 'archive'>> {
  const { host } = await startRegistry(t);
  const [context, file] = [join(cli.directory, 'context'), join(cli.directory, 'other.tar')];
  mkdirSync(context);
  writeFileSync(join(context, 'a'), 'a'.repeat(10_000));
  const lines = ['FROM localhost/base', 'ARG value', 'COPY a /data/', 'WORKDIR /work$value', 'ENV A=$value'];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  writeFileSync(file, archive('localhost/other:latest', otherLayers()));
  await cli.ok(['load', '-q', '-i', file]);
  await cli.ok(['tag', 'localhost/other', 'localhost/base']);
  const shared = [];
  for (let index = 0; index < 3; index++) {
    const name = `${host}/shared${index}:latest`;
    await cli.ok(['build', '-q', '--build-arg', `value=s${index}`, '-t', name, context]);
    await cli.ok(['push', '-q', name]);
    await cli.ok(['rmi', name]);
    shared.push(name);
  }
  return { shared, context, archive: file };
}

/** Every name that was given and not taken away is there, and no other; each is an image that can be used. */
async function expectNames(
  t: ExecutionContext<unknown>,
  cli: Cli,
  workers: readonly Worker[],
): Promise<void> {
  const listed = (await cli.ok(['images', '--format', '{{.Repository}}:{{.Tag}}'])).trim().split('\n');
  const own = listed.filter((name) => name.startsWith('localhost/w')).sort();
  t.deepEqual(own, workers.flatMap(({ names }) => [...names]).sort());
  for (const name of own) {
    const id = (await cli.ok(['create', '--network', 'none', name, '/x'])).trim();
    await cli.ok(['rm', id]);
  }
}

/** All is whole; without its images the store is empty. */
async function expectWhole(t: ExecutionContext<unknown>, cli: Cli): Promise<void> {
  const check = await cli.run(['system', 'check', '--deep', '--max', '0s']);
  t.is(check.code, 0, `${check.stdout}${check.stderr}`);
  await cli.ok(['system', 'prune', '-af', '--volumes']);
  t.is((await cli.ok(['images', '-aq'])).trim(), '');
  t.deepEqual(leftovers(cli), []);
  const places = [
    'blobs/sha256',
    'snapshots/chains',
    'snapshots/images',
    'volumes',
    'build/cache',
    'build/compressed',
  ];
  const left = places.flatMap((place) =>
    readdirSync(join(cli.root, place)).map((name) => `${place}/${name}`),
  );
  const layers = readdirSync(join(cli.root, 'snapshots')).filter((name) => name.length === 26);
  const locks = readdirSync(join(cli.root, 'locks')).filter((name) => name.includes('-'));
  t.deepEqual([...left, ...layers, ...locks], []);
}
