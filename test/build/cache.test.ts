/** The layer cache: keyed by content, shared by processes, never wrong. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { testWith } from '../helpers/declare.js';
import { Builder, missingForBuilds } from './builder.js';

const copying = 'FROM localhost/busybox\nCOPY . /c\nRUN cat /c/f\n';

/** Whether a second build takes everything from the cache after `change` was made to the context. */
async function hitsAfter(t: ExecutionContext<unknown>, change: (context: string) => void): Promise<boolean> {
  const builder = await Builder.open(t);
  const context = builder.context({
    Dockerfile: copying,
    f: 'one',
    'd/g': 'two',
    '.dockerignore': 'ignored\n.dockerignore\n',
  });
  const first = await builder.build(context);
  t.is(first.cached, 0);
  change(context);
  const second = await builder.build(context);
  const hit = second.cached === 2;
  t.is(second.image.id === first.image.id, hit);
  return hit;
}

const changes: readonly (readonly [string, boolean, (context: string) => void])[] = [
  ['nothing', true, () => undefined],
  ['a touched file', true, (context) => utimesSync(join(context, 'f'), 1, 2)],
  ['a file rewritten with the same bytes', true, (context) => writeFileSync(join(context, 'f'), 'one')],
  ['an ignored file', true, (context) => writeFileSync(join(context, 'ignored'), 'x')],
  ['other bytes of the same size', false, (context) => writeFileSync(join(context, 'f'), 'two')],
  ['another mode', false, (context) => chmodSync(join(context, 'd/g'), 0o600)],
  ['another mode of a directory', false, (context) => chmodSync(join(context, 'd'), 0o700)],
  ['another name', false, (context) => renameSync(join(context, 'd/g'), join(context, 'd/h'))],
  ['a new file', false, (context) => writeFileSync(join(context, 'new'), '')],
  ['a new empty directory', false, (context) => mkdirSync(join(context, 'd/empty'))],
  ['a file that is gone', false, (context) => rmSync(join(context, 'd/g'))],
  [
    'a link in place of its file',
    false,
    (context) => {
      renameSync(join(context, 'd/g'), join(context, 'd/target'));
      symlinkSync('target', join(context, 'd/g'));
    },
  ],
];

for (const [what, isHit, change] of changes) {
  testWith(
    missingForBuilds,
    `${what}: the cache ${isHit ? 'serves' : 'does not serve'} the copy`,
    async (t) => {
      t.is(await hitsAfter(t, change), isHit);
    },
  );
}

testWith(missingForBuilds, 'the same size, time and inode do not hide other bytes', async (t) => {
  const hit = await hitsAfter(t, (context) => {
    utimesSync(join(context, 'f'), 5, 5);
    writeFileSync(join(context, 'f'), 'eno');
    utimesSync(join(context, 'f'), 5, 5);
  });
  t.false(hit);
});

testWith(missingForBuilds, 'a later process finds what an earlier one built', async (t) => {
  const first = await Builder.open(t);
  const context = first.context({ Dockerfile: copying, f: 'x' });
  const { image } = await first.build(context);
  await first.close();
  const second = await Builder.open(t, { directory: first.directory });
  const again = await second.build(context);
  t.deepEqual([again.cached, again.image.id], [2, image.id]);
});

testWith(missingForBuilds, '--no-cache runs everything again and gives the same files', async (t) => {
  const builder = await Builder.open(t);
  const context = builder.context({ Dockerfile: copying, f: 'x' });
  const first = await builder.build(context);
  const again = await builder.build(context, { noCache: true });
  t.is(again.cached, 0);
  t.is(again.output, 'x');
  t.deepEqual(await builder.tree(again.image), await builder.tree(first.image));
  t.is((await builder.build(context)).image.id, again.image.id);
});

const variants: readonly (readonly [string, string, string, number])[] = [
  ['another command', 'RUN echo 1', 'RUN echo 2', 0],
  ['another environment', 'ENV A=1\nRUN echo', 'ENV A=2\nRUN echo', 0],
  ['an ARG that RUN sees', 'ARG A=1\nRUN echo', 'ARG A=2\nRUN echo', 0],
  ['an ARG after the RUN', 'RUN echo\nARG A=1', 'RUN echo\nARG A=2', 1],
  ['a comment and white space', 'RUN echo', '# words\n\nrun   echo', 1],
  ['another user', 'USER 1\nRUN echo', 'USER 2\nRUN echo', 0],
  ['another directory', 'WORKDIR /tmp\nRUN echo', 'WORKDIR /var\nRUN echo', 0],
  ['a label', 'RUN echo\nLABEL a=1', 'RUN echo\nLABEL a=2', 1],
  ['another heredoc', 'RUN <<E\necho 1\nE', 'RUN <<E\necho 2\nE', 0],
  ['another owner', 'COPY --chown=1 f /', 'COPY --chown=2 f /', 0],
  ['another mode', 'COPY --chmod=600 f /', 'COPY --chmod=644 f /', 0],
  ['another destination', 'COPY f /a', 'COPY f /b', 0],
  ['another destination kind', 'COPY f /a', 'COPY f /a/', 0],
  ['the same file under another name of destination directory', 'COPY f /tmp/', 'COPY g /tmp/', 0],
  ['another shell', 'RUN echo', 'SHELL ["/bin/busybox", "sh", "-c"]\nRUN echo', 0],
];

for (const [what, before, after, cached] of variants) {
  testWith(missingForBuilds, `${what}: ${cached} steps come from the cache`, async (t) => {
    const builder = await Builder.open(t);
    const files = { f: 'f', g: 'f' };
    await builder.make(`FROM localhost/busybox\n${before}\n`, files);
    const second = await builder.make(`FROM localhost/busybox\n${after}\n`, files);
    const steps = second.steps - second.cached;
    t.is(steps === 0 ? 1 : 0, cached);
  });
}

testWith(
  missingForBuilds,
  'a stage that gives the same files leaves what copies from it cached',
  async (t) => {
    const builder = await Builder.open(t);
    const text = (extra: string): string =>
      `FROM localhost/busybox AS a\nCOPY f /f\nRUN echo ${extra} > /noise && touch -d @0 /f\nFROM localhost/busybox\nCOPY --from=a /f /f\nRUN cat /f\n`;
    await builder.make(text('1'), { f: 'same' });
    const second = await builder.make(text('2'), { f: 'same' });
    t.deepEqual([second.steps, second.cached], [4, 3]);
  },
);

testWith(missingForBuilds, 'another base image makes everything above it anew', async (t) => {
  const builder = await Builder.open(t);
  await builder.make('FROM localhost/busybox\nRUN echo 1 > /base\n', {}, { tags: ['localhost/base'] });
  const child = 'FROM localhost/base\nRUN cat /base\n';
  t.is((await builder.make(child)).output, '1\n');
  await builder.make('FROM localhost/busybox\nRUN echo 2 > /base\n', {}, { tags: ['localhost/base'] });
  t.is((await builder.make(child)).output, '2\n');
});

testWith(
  missingForBuilds,
  'damaged cache records and lost snapshots cost a rebuild, nothing else',
  async (t) => {
    const builder = await Builder.open(t);
    const context = builder.context({ Dockerfile: copying, f: 'x' });
    await builder.build(context);
    const cache = join(builder.stores.paths.build, 'cache');
    for (const name of readdirSync(cache)) writeFileSync(join(cache, name), '{"version":1,');
    for (const name of readdirSync(join(builder.stores.paths.build, 'contexts')))
      writeFileSync(join(builder.stores.paths.build, 'contexts', name), '\0');
    t.is((await builder.build(context)).cached, 0);
    t.is((await builder.build(context)).cached, 2);
  },
);

testWith(
  missingForBuilds,
  'two processes that build the same thing at the same time both succeed',
  async (t) => {
    const first = await Builder.open(t);
    const second = await Builder.open(t, { directory: first.directory });
    const context = first.context({ Dockerfile: `${copying}RUN sleep 0.3; echo slow > /slow\n`, f: 'x' });
    const built = await Promise.all([first.build(context), second.build(context)]);
    t.deepEqual(await first.tree(built[0].image), await second.tree(built[1].image));
  },
);
