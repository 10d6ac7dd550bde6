/** One script, run by coracle and by podman: the same output and exit codes, save where differences.md says why not. */
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findTools, type Store, type Tool } from '../bench/tools.js';
import { endPauseProcesses } from '../bench/workspace.js';
import { journeyNeeds } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath, type Missing, removeTree } from '../helpers/host.js';
import { commandLines, type Engine, type LineResult, mask, runLines } from './parity-script.js';

const lines = commandLines(readFileSync(fixturePath('parity', 'script.sh'), 'utf8'));
const listed = listedLines(readFileSync(fixturePath('parity', 'differences.md'), 'utf8'));

test('the script is long, and each line that is listed as different is in it once', (t) => {
  t.true(lines.length >= 150);
  t.deepEqual(
    listed.filter((line) => lines.filter((other) => other === line).length !== 1),
    [],
  );
  t.is(new Set(listed).size, listed.length);
});

test('what differs from run to run is masked, and nothing else', (t) => {
  const id = '0123456789abcdef'.repeat(4);
  t.is(
    mask(`${id} ${id.slice(0, 12)} /w/file\n`, { '/w': '<directory>' }),
    '<id> <short id> <directory>/file\n',
  );
  t.is(
    mask('Up 3 seconds   x  \nAbout a minute ago 12 1.5kB', { '/w': '<directory>' }),
    'Up <age>  x\n<age> 12 <size>',
  );
  t.is(
    mask('2026-01-02T03:04:05.678901234Z 2026-01-02 03:04:05.6 +0000 UTC', { '/w': '<directory>' }),
    '<time> <time>',
  );
  t.is(mask('deadbeef 1234 CAP_CHOWN', { '/w': '<directory>' }), 'deadbeef 1234 CAP_CHOWN');
});

testWith([...journeyNeeds, missingPodman()], 'coracle answers the script as podman does', async (t) => {
  t.timeout(300_000, 'two engines run hundreds of lines');
  const workspace = mkdtempSync(join(tmpdir(), 'p-'));
  t.teardown(() => removeTree(workspace));
  t.teardown(() => endPauseProcesses(workspace));
  const { coracle, podman } = findTools(workspace);
  if (podman === undefined) return t.fail('podman was here a moment ago');
  const [ours, first] = await Promise.all([run(coracle, workspace, t), run(podman, workspace, t)]);
  // On a busy machine podman 4.3 at times loses what a short process wrote: what it says then counts the second time.
  const isOdd = ({ line, output }: LineResult, index: number): boolean =>
    !listed.includes(line) && output !== '' && first[index]?.output === '';
  const again = ours.some(isOdd) ? await run(podman, join(workspace, '2'), t) : first;
  const theirs = ours.map((result, index) => (isOdd(result, index) ? again[index] : first[index]));
  const differing = ours.filter((result, index) => !isSame(result, theirs[index]));
  for (const { line } of differing)
    if (!listed.includes(line)) t.log(describe(line, ours, [...first, ...again]));
  t.deepEqual(
    { unexpected: differing.map(({ line }) => line).filter((line) => !listed.includes(line)) },
    { unexpected: [] },
  );
  t.deepEqual(
    { listedThoughSame: listed.filter((line) => !differing.some((result) => result.line === line)) },
    { listedThoughSame: [] },
  );
});

async function run(
  tool: Tool,
  workspace: string,
  t: ExecutionContext<unknown>,
): Promise<readonly LineResult[]> {
  const store = tool.open(join(workspace, tool.name));
  const engine = engineOf(store);
  const directory = join(workspace, 'w', tool.name);
  mkdirSync(directory, { recursive: true });
  t.teardown(async () => {
    await runLines(engine, ['engine rm -f -a -t 0'], directory);
  });
  return runLines(engine, lines, directory);
}

function engineOf(store: Store): Engine {
  const { program, args, env } = store.command();
  return { program, args, env };
}

function isSame(one: LineResult, other: LineResult | undefined): boolean {
  return one.line === other?.line && one.code === other.code && one.output === other.output;
}

function describe(line: string, ours: readonly LineResult[], theirs: readonly LineResult[]): string {
  const told = (results: readonly LineResult[]): string =>
    results
      .filter((result) => result.line === line)
      .map(({ code, output, errors }) => `  exit ${code} ${JSON.stringify(output)} (${errors.trim()})`)
      .join('\n');
  return `${line}\n${told(ours)}\n${told(theirs)}`;
}

/** The indented lines of the document. */
function listedLines(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('    ') ? [line.slice(4)] : []));
}

/** Whether there is a podman that can run containers as this user. */
function missingPodman(): Missing {
  const workspace = mkdtempSync(join(tmpdir(), 'p-'));
  try {
    const { podman, skipped } = findTools(workspace);
    return podman === undefined ? skipped.join('; ') : undefined;
  } finally {
    endPauseProcesses(workspace);
    removeTree(workspace);
  }
}
