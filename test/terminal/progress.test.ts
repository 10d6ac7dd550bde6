/** The live displays of build, push and pull on a terminal. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { openOuterShell } from './outer-shell.js';
import { renderScreen } from './screen.js';

const dockerfile = `FROM busybox
RUN printf 'a\\tb\\tc\\td\\te\\tf\\tg\\th\\ti\\tj\\tk\\tl\\tm\\n'; for i in 1 2 3 4 5 6 7 8; do echo "line $i"; sleep 0.1; done
RUN <<END
echo one
sleep 0.3
END
RUN echo ${'long '.repeat(60)}; sleep 0.3
`;

function writeContext(cli: Cli, text: string): string {
  const directory = join(cli.directory, 'context');
  mkdirSync(directory);
  writeFileSync(join(directory, 'Dockerfile'), text);
  return directory;
}

test('the screen of these tests moves, erases, wraps and hides as terminals do', (t) => {
  const screen = renderScreen('abcdefgh\r\n12\r\n\x1b[1A\x1b[Jx\x1b[?25l', 5);
  t.deepEqual(screen, { lines: ['abcde', 'fgh', 'x'], cursor: { row: 2, column: 1, visible: false } });
});

testWith(
  journeyNeeds,
  'a build on a terminal ends with each step shown once and the cursor back',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = writeContext(cli, dockerfile);
    for (const columns of [80, 45]) {
      const args = ['build', '--no-cache', '--progress', 'tty', '-t', 'made', directory];
      const terminal = cli.terminal(args, { columns });
      t.is((await terminal.exit).code, 0, terminal.text());
      t.true(terminal.text().includes('\x1b[?25l'));
      const { lines, cursor } = renderScreen(terminal.text(), columns);
      const steps = lines.filter((line) => line.startsWith(' => '));
      t.regex(lines[0] ?? '', /^\[\+\] Building [\d.]+s \(\d\/\d\) FINISHED$/, lines.join('\n'));
      t.is(steps.length, 5, lines.join('\n'));
      t.is(lines.filter((line) => line.startsWith('[+] Building')).length, 1);
      t.is(lines.filter((line) => /line \d/.test(line) && !line.startsWith(' => ')).length, 0);
      t.deepEqual([cursor.column, cursor.visible], [0, true]);
    }
  },
);

testWith(
  journeyNeeds,
  'a build that fails shows the last words of the step, and Ctrl-C gives the cursor back',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const directory = writeContext(cli, 'FROM busybox\nRUN echo so far; exit 3\n');
    const failed = cli.terminal(['build', '--progress', 'tty', directory]);
    t.is((await failed.exit).code, 1);
    const { lines, cursor } = renderScreen(failed.text(), 80);
    t.true(lines.some((line) => line.startsWith(' => ERROR ')));
    const at = lines.indexOf('------');
    t.regex(
      lines.slice(at, at + 4).join('\n'),
      /^------\n > \[2\/2\] RUN echo so far; exit 3:\n\d\.\d{3} so far\n------$/,
      lines.join('\n'),
    );
    t.true(cursor.visible);
    writeFileSync(join(directory, 'Dockerfile'), 'FROM busybox\nRUN echo started; sleep 1000\n');
    const shell = await openOuterShell(t, cli);
    const before = await shell.settings();
    shell.type(`coracle build --progress tty ${directory}`);
    await shell.waitFor('=> # started');
    shell.write('\x03');
    await shell.waitFor('outer$ ');
    shell.type('echo code:$?:');
    await shell.waitFor('code:130:');
    t.true(renderScreen(shell.text(), 80).cursor.visible);
    t.is(await shell.settings(), before);
  },
);

testWith(
  journeyNeeds,
  'steps at the same time, a screen of few lines and few columns: no line is torn and none is left over',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const work = 'for i in 1 2 3 4 5 6; do echo "working $i"; sleep 0.1; done';
    const stages = ['a', 'b', 'c'].map(
      (name) => `FROM busybox AS ${name}\nRUN echo ${name}; ${work}\nRUN true\n`,
    );
    const copies = ['a', 'b', 'c'].map((name) => `COPY --from=${name} /bin/busybox /${name}\n`);
    const directory = writeContext(cli, `${stages.join('')}FROM scratch\n${copies.join('')}`);
    const args = ['build', '--progress', 'tty', '--jobs', '3', directory];
    const terminal = cli.terminal([...args, '--no-cache'], { columns: 20, rows: 10 });
    await terminal.waitFor(' => # working 1');
    t.is((await terminal.exit).code, 0, terminal.text());
    for (const frame of terminal.text().split('\x1b[J')) {
      const lines = renderScreen(frame, 1000).lines.filter((line) => /^( =>|\[\+\])/.test(line));
      t.true(
        lines.every((line) => line.length <= 20),
        lines.join('\n'),
      );
    }
    // What scrolled away stays, so only the last picture can be whole.
    const { lines } = renderScreen(terminal.text(), 20);
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith('[+] Building')));
    t.is(last.filter((line) => line.startsWith(' => ')).length, 14, lines.join('\n'));
    t.false(last.some((line) => line.includes('#')));
    const again = cli.terminal(args, { columns: 80, rows: 30 });
    t.is((await again.exit).code, 0);
    const cached = renderScreen(again.text(), 80).lines.filter((line) => line.startsWith(' => CACHED '));
    t.is(cached.length, 9, again.text());
    t.true(cached.every((line) => /\d+\.\ds$/.test(line)));
  },
);

testWith(
  journeyNeeds,
  'a failure is told at its end, whatever else runs, in lines and in quiet',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const fail = 'for i in 1 2 3 4 5 6 7 8 9 10 11; do echo "try $i"; done; printf "no end\\033[2J"; exit 3';
    const directory = writeContext(
      cli,
      `FROM busybox AS other\nRUN echo slow; sleep 1000\nFROM busybox\nCOPY --from=other / /\nFROM busybox\nRUN sleep 0.2; ${fail}\nCOPY --from=1 / /\n`,
    );
    const plain = await cli.run(['build', '--progress', 'plain', directory]);
    t.is(plain.code, 1);
    t.regex(plain.stderr, /^#\d+ CANCELED$/m);
    const block = /^------\n > \[stage-2 2\/3\] RUN .*:\n((?:\d+\.\d{3} .*\n)+)------\n/m;
    const shown = block.exec(plain.stderr)?.[1]?.trimEnd().split('\n') ?? [];
    t.is(shown.length, 10, plain.stderr);
    t.regex(shown[0] ?? '', / try 3$/);
    t.regex(shown[9] ?? '', / no end\\x1b\[2J$/);
    t.regex(plain.stderr.slice(plain.stderr.lastIndexOf('------')), /\nDockerfile:6:1|Dockerfile:6:1/);
    const quiet = await cli.run(['build', '-q', directory]);
    t.deepEqual([quiet.code, quiet.stdout], [1, '']);
    t.regex(quiet.stderr, block);
    const json = await cli.run(['build', '--progress', 'rawjson', directory]);
    const lines = json.stderr.split('\n').filter((line) => line.startsWith('{'));
    const vertexes = lines.flatMap(
      (line) => (JSON.parse(line) as { vertexes?: { error?: string }[] }).vertexes ?? [],
    );
    const errors = vertexes.flatMap(({ error }) => error ?? []).sort();
    t.is(errors.length, 2);
    t.is(errors[0], 'canceled');
  },
);

testWith(
  [...journeyNeeds, missingRegistry()],
  'plain progress tells how far a base image has come',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const registry = await startRegistry(t);
    await cli.ok(['push', '-q', 'busybox', `${registry.host}/busybox`]);
    const directory = writeContext(cli, `FROM ${registry.host}/busybox\n`);
    const { code, stderr } = await cli.run(['build', '--progress', 'plain', directory]);
    t.is(code, 0, stderr);
    t.regex(stderr, /^#1 [0-9a-f]{12} [\d.]+[kM]B \/ [\d.]+[kM]B [\d.]+s done$/m);
  },
);

const layerLine = /^[0-9a-f]{12}: /;

testWith(
  [...journeyNeeds, missingRegistry()],
  'a push on a terminal shows a line a blob, then that the registry has it',
  async (t) => {
    const cli = openCli(t);
    const tar = join(cli.directory, 'big.tar');
    writeFileSync(tar, makeTar([{ name: 'big', content: randomBytes(60_000_000) }]));
    for (const columns of [80, 40]) {
      const name = `${(await startRegistry(t)).host}/big:1`;
      await cli.ok(['import', '-q', tar, name]);
      const push = async (): Promise<readonly string[]> => {
        const terminal = cli.terminal(['push', name], { columns });
        t.is((await terminal.exit).code, 0, terminal.text());
        const { lines, cursor } = renderScreen(terminal.text(), columns);
        t.deepEqual([cursor.column, cursor.visible], [0, true]);
        t.true(
          lines.every((line) => /^$|^[0-9a-f]{12}: (pushed|exists)$|^sha256:|^[0-9a-f]+$/.test(line)),
          lines.join('\n'),
        );
        return lines.filter((line) => layerLine.test(line)).map((line) => line.slice(14));
      };
      t.deepEqual(await push(), ['pushed', 'pushed'], 'the layer and the configuration');
      t.deepEqual([...new Set(await push())], ['exists']);
    }
  },
);

testWith(
  [...journeyNeeds, missingRegistry()],
  'a pull on a terminal shows a line a layer, however often it is redrawn',
  async (t) => {
    const cli = openCli(t);
    const registry = await startRegistry(t);
    const name = `${registry.host}/big:1`;
    const tar = join(cli.directory, 'big.tar');
    writeFileSync(tar, makeTar([{ name: 'big', content: randomBytes(60_000_000) }]));
    await cli.ok(['import', '-q', tar, name]);
    await cli.ok(['push', '-q', name]);
    for (const columns of [80, 40]) {
      const other = openCli(t);
      const terminal = other.terminal(['pull', name], { columns });
      t.is((await terminal.exit).code, 0, terminal.text());
      const { lines, cursor } = renderScreen(terminal.text(), columns);
      const layers = lines.filter((line) => layerLine.test(line));
      t.is(layers.length, 1, lines.join('\n'));
      t.true(
        lines.every((line) => /^$|^[0-9a-f]{12}: done$|^sha256:|^[0-9a-f]+$/.test(line)),
        lines.join('\n'),
      );
      t.deepEqual([cursor.column, cursor.visible], [0, true]);
    }
  },
);
