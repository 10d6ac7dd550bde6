/** Buildah makes the same image of every fixture: the same config and the same files, but for the differences listed here. */
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { testWith } from '../helpers/declare.js';
import { fixturePath, missingProgram, removeTree, temporaryDirectory } from '../helpers/host.js';
import { Buildah } from './buildah.js';
import { missingForBuilds, prepareFixture } from './builder.js';
import { comparableConfig } from './comparable-config.js';
import { SharedBuilders } from './shared-builders.js';

const missing = [...missingForBuilds, missingProgram('buildah')];
const builders = new SharedBuilders();
let directory: string | undefined;
let oracle: Promise<Buildah> | undefined;

function openOracle(): Promise<Buildah> {
  directory ??= mkdtempSync(join(tmpdir(), 'c-'));
  oracle ??= Buildah.open(directory);
  return oracle;
}

test.after.always('the stores are removed', async () => {
  await builders.close();
  if (directory !== undefined) removeTree(directory);
});

/** Fixtures that older releases of Buildah, Debian 12's among them, do not read as Docker does. */
const notRead: Readonly<Record<string, string>> = {
  'heredoc-copy': 'heredocs came with 1.33',
  'heredoc-run': 'heredocs came with 1.33',
  onbuild: 'its `from`, with which the files are looked at, runs the triggers again',
  syntax: 'an escape directive is only seen in the first line',
};

type Difference = { readonly ours: readonly string[]; readonly theirs: readonly string[] };
const same: Difference = { ours: [], theirs: [] };

/** Where Buildah's files are other ones than Docker's, whose way is ours. */
const intended: Readonly<Record<string, Difference>> = {
  // WORKDIR makes its directory, also when no RUN comes after it.
  // A stage made from another inherits its ARGs in BuildKit alone.
  'arg-env': {
    ours: ['next-stage file 644 0:0 14 95e4b996957a', 'o-2 directory 755 0:0'],
    theirs: ['next-stage file 644 0:0 10 2e224d4a196d'],
  },
  scratch: { ours: ['app directory 755 0:0'], theirs: [] },
  // The same, and the directory belongs to the user set before it, as in BuildKit.
  workdir: {
    ours: [
      'a/b directory 755 0:0',
      'from directory 755 0:0',
      'from/env directory 755 0:0',
      'with space directory 755 33:33',
    ],
    theirs: [],
  },
  // Set-ID bits of the context's files are kept.
  'copy-chmod': {
    ours: ['kept/2755 file 2755 0:0 5 5bfa7728c838', 'kept/4755 file 4755 0:0 5 c18908c45bfc'],
    theirs: ['kept/2755 file 755 0:0 5 5bfa7728c838', 'kept/4755 file 755 0:0 5 c18908c45bfc'],
  },
};

/** Config fields in which Buildah differs: it reads CMD and ENTRYPOINT with the last SHELL, not with that of their line. */
const notCompared: Readonly<Record<string, readonly string[]>> = { shell: ['Cmd', 'Entrypoint'] };

/** What Buildah's own preparation of a root file system leaves behind. */
const leftovers = /^(\.|dev|etc|proc|run|sys|run\/\.containerenv|etc\/(hosts|hostname|resolv\.conf)) /;

function difference(ours: readonly string[], theirs: readonly string[]): Difference {
  const without = (lines: readonly string[], others: ReadonlySet<string>): string[] =>
    lines.filter((line) => !others.has(line) && !leftovers.test(line));
  return { ours: without(ours, new Set(theirs)), theirs: without(theirs, new Set(ours)) };
}

for (const name of readdirSync(fixturePath('build'))) {
  testWith([...missing, notRead[name]], `${name}: buildah makes the same config and files`, async (t) => {
    const context = join(temporaryDirectory(t), name);
    prepareFixture(name, context);
    const expected = await (await openOracle()).build(context, name);
    const builder = await builders.get('overlay');
    const { image } = await builder.build(context);
    const ignored = notCompared[name] ?? [];
    t.deepEqual(
      comparableConfig(image.config.config ?? {}, ignored),
      comparableConfig(expected.config, ignored),
    );
    t.deepEqual(difference(await builder.tree(image), expected.tree), intended[name] ?? same);
  });
}
