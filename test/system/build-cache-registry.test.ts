/** Build caches that go through a registry: steps, and what cache mounts hold, from one store to an empty one. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';

/** Two runs of it never give the same. */
const unique = 'cat /proc/sys/kernel/random/uuid';
const dockerfile = `FROM localhost/busybox AS made
RUN ${unique} > /made
FROM localhost/busybox
RUN --mount=type=cache,id=words,target=/c test -e /c/word || ${unique} > /c/word; cp /c/word /word
COPY --from=made /made /made
RUN ${unique} > /own
`;

function context(cli: Cli, text = dockerfile): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'Dockerfile'), text);
  return directory;
}

type Machines = { readonly first: Cli; readonly second: Cli; readonly third: Cli };

/** Stores with one and the same base image: an image imported twice is two. */
async function machines(t: ExecutionContext<unknown>): Promise<Machines> {
  const first = await openCliWithBusybox(t);
  const base = join(first.directory, 'base.tar');
  await first.ok(['save', '-o', base, 'busybox']);
  const [second, third] = [openCli(t), openCli(t)];
  for (const cli of [second, third]) await cli.ok(['load', '-i', base]);
  return { first, second, third };
}

function read(cli: Cli, ...files: readonly string[]): Promise<string> {
  return cli.ok(['run', '--rm', '--network', 'none', 'made', 'cat', ...files]);
}

const needs = [...journeyNeeds, missingRegistry()];
const build = ['build', '--network', 'none', '--progress', 'plain', '-t', 'made'];

testWith(needs, "all steps come from a registry's cache of mode=max", async (t) => {
  const registry = await startRegistry(t);
  const place = `type=registry,ref=${registry.host}/cache:1`;
  const { first, second } = await machines(t);
  await first.ok([...build, '--cache-to', `${place},mode=max`, context(first)]);
  const taken = await second.run([...build, '--cache-from', place, '--expect-cached', context(second)]);
  t.is(taken.code, 0, taken.stderr);
  const files = ['/made', '/word', '/own'];
  t.is(await read(second, ...files), await read(first, ...files));
  const layers = ['inspect', '-f', '{{json .RootFS.Layers}}', 'made'];
  t.is(await second.ok(layers), await first.ok(layers));
  // A change runs what comes after it, and nothing else.
  const changed = dockerfile.replace('COPY --from=made', 'RUN echo new\nCOPY --from=made');
  const built = await second.run([...build, '--cache-from', place, context(second, changed)]);
  t.is(built.code, 0, built.stderr);
  t.is(await read(second, '/made', '/word'), await read(first, '/made', '/word'));
  t.not(await read(second, '/own'), await read(first, '/own'));
});

testWith(needs, 'a cache of mode=min serves the image, and not the stages it copies from', async (t) => {
  const registry = await startRegistry(t);
  const place = `type=registry,ref=${registry.host}/cache:1`;
  const { first, second, third } = await machines(t);
  await first.ok([...build, '--cache-to', place, context(first)]);
  const taken = await second.run([...build, '--cache-from', place, context(second)]);
  t.is(taken.code, 0, taken.stderr);
  const files = ['/made', '/word', '/own'];
  t.is(await read(second, ...files), await read(first, ...files));
  // What is copied onto something else is needed itself.
  const changed = dockerfile.replace('COPY --from=made', 'RUN echo new\nCOPY --from=made');
  const built = await third.run([...build, '--cache-from', place, context(third, changed)]);
  t.is(built.code, 0, built.stderr);
  t.is(await read(third, '/word'), await read(first, '/word'));
  t.not(await read(third, '/made'), await read(first, '/made'));
});

testWith(needs, 'a cache that is not there is a warning, and the build goes on', async (t) => {
  const registry = await startRegistry(t);
  const cli = await openCliWithBusybox(t);
  const place = `type=registry,ref=${registry.host}/none:1`;
  const built = await cli.run([...build, '--cache-from', place, context(cli)]);
  t.is(built.code, 0, built.stderr);
  t.regex(built.stderr, /warning: .*none:1/);
});

testWith(needs, 'cache mounts go through a registry, and what is there already stays', async (t) => {
  const registry = await startRegistry(t);
  const place = `type=registry,ref=${registry.host}/mounts:1`;
  const { first, second, third } = await machines(t);
  await first.ok([...build, '--cache-mounts-to', place, context(first)]);
  const word = await read(first, '/word');
  const taken = await second.run([...build, '--no-cache', '--cache-mounts-from', place, context(second)]);
  t.is(taken.code, 0, taken.stderr);
  t.is(await read(second, '/word'), word);
  t.not(await read(second, '/own'), await read(first, '/own'));
  await third.ok([...build, context(third)]);
  const own = await read(third, '/word');
  await third.ok([...build, '--no-cache', '--cache-mounts-from', place, context(third)]);
  t.is(await read(third, '/word'), own);
  t.not(own, word);
});
