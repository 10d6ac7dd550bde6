/** `coracle build` as people type it: drivers, words of failures, exit codes, interrupts. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

function context(cli: Cli, files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(cli.directory, 'context-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** Nothing unfinished is left in the store. */
function unfinished(cli: Cli): readonly string[] {
  return ['staging', 'trash'].flatMap((place) => {
    const path = join(cli.root, place);
    return existsSync(path) ? readdirSync(path).filter((name) => !name.endsWith('.lock')) : [];
  });
}

const drivers = [
  ['overlay', []],
  ['fuse-overlayfs', [missingDevice('/dev/fuse'), missingProgram('fuse-overlayfs')]],
  ['copy', []],
] as const;

for (const [driver, missing] of drivers) {
  testWith(
    [...journeyNeeds, ...missing],
    `a build runs on ${driver}, and every driver reads what it made`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      const directory = context(cli, {
        Dockerfile:
          'FROM busybox\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b\nRUN rm /d/a && echo 3 >> /d/b\nCOPY f /d/\nRUN cat /d/*\n',
        f: 'file\n',
      });
      const built = await cli.run(['--storage-driver', driver, 'build', '-t', 'made', directory]);
      t.is(built.code, 0, built.stderr);
      for (const [reader, missingReader] of drivers) {
        if (missingReader.some((reason) => reason !== undefined)) continue;
        const seen = await cli.ok([
          '--storage-driver',
          reader,
          'run',
          '--rm',
          '--network',
          'none',
          'made',
          'sh',
          '-c',
          'ls /d; cat /d/b',
        ]);
        t.is(seen, 'b\nf\n2\n3\n', reader);
      }
      const other = await cli.run(['--storage-driver', 'copy', 'build', '-t', 'made', directory]);
      t.regex(other.stderr, /\(4 of 4 steps cached\)/);
      t.deepEqual(unfinished(cli), []);
    },
  );
}

testWith(
  journeyNeeds,
  'a failing RUN shows its output, its lines with a caret and its exit code; the build exits with 1',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, {
      Dockerfile: 'FROM busybox\nRUN echo fine\nRUN echo words; \\\n    exit 42\n',
    });
    const failed = await cli.run(['build', '-t', 'never', directory]);
    t.is(failed.code, 1);
    t.regex(failed.stderr, /words/);
    t.regex(failed.stderr, /did not complete successfully: exit code: 42/);
    t.regex(
      failed.stderr,
      /Dockerfile:3:1\n2 \| RUN echo fine\n3 \| RUN echo words; \\\n {2}\| \^\n4 \| {5}exit 42\n/,
    );
    t.is((await cli.run(['inspect', 'never'])).code, 125);
    t.deepEqual(unfinished(cli), []);
  },
);

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['an unknown instruction', 'FROM busybox\nRUNN x\n', /RUNN[\s\S]*Dockerfile:2[\s\S]*hint: .*RUN/],
  ['a missing base', 'FROM localhost/no-such-image\n', /localhost\/no-such-image[\s\S]*hint: /],
  ['a missing file', 'FROM busybox\nCOPY nothing /\n', /copy nothing: not found in the build context/],
  [
    'an unknown command',
    'FROM busybox\nRUN nosuchcommand\n',
    /nosuchcommand: not found[\s\S]*exit code: 127/,
  ],
  [
    'a device in a RUN',
    'FROM busybox\nRUN --device=vendor.com/x true\n',
    /RUN --device is not supported[\s\S]*\^/,
  ],
];

for (const [what, text, words] of refusals) {
  testWith(journeyNeeds, `${what} ends the build with 1 and one clear error`, async (t) => {
    const cli = await openCliWithBusybox(t);
    const failed = await cli.run(['build', context(cli, { Dockerfile: text })]);
    t.is(failed.code, 1, failed.stderr);
    t.regex(failed.stderr, words);
    t.is(failed.stderr.match(/^coracle: /gm)?.length, 1, failed.stderr);
    t.deepEqual(unfinished(cli), []);
  });
}

testWith(journeyNeeds, 'an unreadable Dockerfile and a bad tag are refused before any work', async (t) => {
  const cli = await openCliWithBusybox(t);
  const directory = context(cli, { Dockerfile: 'FROM busybox\nRUN echo worked\n' });
  const tagged = await cli.run(['build', '-t', 'Not A Name', directory]);
  t.not(tagged.code, 0);
  t.notRegex(tagged.stderr, /worked/);
  chmodSync(join(directory, 'Dockerfile'), 0);
  const unreadable = await cli.run(['build', directory]);
  t.is(unreadable.code, 1);
  t.regex(unreadable.stderr, /Dockerfile/);
  t.regex(unreadable.stderr, /permission denied|EACCES/i);
});

testWith(
  journeyNeeds,
  'Ctrl-C on a terminal stops the build at once with 130, and the next one works',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, { Dockerfile: 'FROM busybox\nRUN echo begun; sleep 60\n' });
    const terminal = cli.terminal(['build', directory]);
    await terminal.waitFor(/begun/);
    const asked = performance.now();
    terminal.write('\u0003');
    const { code } = await terminal.exit;
    t.is(code, 130);
    t.true(performance.now() - asked < 2000, `${performance.now() - asked} ms`);
    t.deepEqual(unfinished(cli), []);
    writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nRUN echo again\n');
    t.is((await cli.run(['build', directory])).code, 0);
  },
);

testWith(
  journeyNeeds,
  'the ignore file beside the Dockerfile wins, and -f names the Dockerfile from where one stands',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = context(cli, {
      '.dockerignore': 'a\n',
      'deploy/other.Dockerfile': 'FROM busybox\nCOPY . /c\nRUN ls /c\n',
      'deploy/other.Dockerfile.dockerignore': 'b\ndeploy\n.dockerignore\n',
      a: '',
      b: '',
    });
    const built = await cli.run(['build', '--progress', 'plain', '-f', 'deploy/other.Dockerfile', '.'], {
      cwd: directory,
    });
    t.is(built.code, 0, built.stderr);
    t.regex(built.stderr, /RUN ls \/c\n#\d+ [\d.]+ a\n#\d+ DONE/);
  },
);
