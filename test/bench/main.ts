/** `npm run bench`: coracle against podman, buildah and skopeo, whole processes, as a Markdown table. */
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import type { Bench, Case } from './case.js';
import { cachedCase, contextCase, copyCase, stagesCase, stepsCase } from './cases/build.js';
import { fleetCase } from './cases/fleet.js';
import { nodeCase, outputCase } from './cases/foreground.js';
import { listCase, smallFilesCase } from './cases/images.js';
import { lifecycleCase } from './cases/lifecycle.js';
import { networksCase } from './cases/networks.js';
import { realCase } from './cases/real.js';
import { execCase, networkCase, runCase } from './cases/start.js';
import { archiveCase, copyImageCase, pullCase, pushCase } from './cases/transfer.js';
import { volumeCase } from './cases/volume.js';
import { timeCommand } from './command.js';
import { type BenchOptions, parseBenchOptions, usage } from './options.js';
import { playRounds } from './rounds.js';
import { median } from './statistics.js';
import { evaluate, type Result, renderTable } from './table.js';
import { type Notes, withBench } from './workspace.js';

const cases: readonly Case[] = [
  runCase,
  networkCase,
  execCase,
  stepsCase,
  cachedCase,
  stagesCase,
  copyCase,
  contextCase,
  realCase,
  pullCase,
  pushCase,
  copyImageCase,
  archiveCase,
  smallFilesCase,
  listCase,
  fleetCase,
  lifecycleCase,
  outputCase,
  nodeCase,
  networksCase,
  volumeCase,
];

type Report = { readonly markdown: string; readonly json: string; readonly failed: boolean };

process.exitCode = main(process.argv.slice(2));

function main(argv: readonly string[]): number {
  const options = parseBenchOptions(
    argv,
    cases.map(({ name }) => name),
  );
  if (options.help) {
    process.stdout.write(`${usage}\ncases: ${cases.map(({ name }) => name).join(', ')}\n`);
    return 0;
  }
  if (process.getuid?.() === 0) {
    process.stderr.write('bench: run as root: the tools are to be compared rootless; use npm run bench\n');
    return 1;
  }
  const report = withBench(options.scale, (bench, notes) => measure(bench, notes, options));
  process.stdout.write(report.markdown);
  if (options.output !== undefined) writeFileSync(options.output, report.markdown);
  if (options.json !== undefined) writeFileSync(options.json, report.json);
  return report.failed ? 1 : 0;
}

function measure(bench: Bench, notes: Notes, options: BenchOptions): Report {
  const chosen = cases.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  const failures: string[] = [];
  const results = chosen.flatMap((one) => {
    process.stderr.write(`bench: ${one.name}\n`);
    try {
      return play(bench, one);
    } catch (error) {
      // One broken case must not hide the figures of the others.
      if (!(error instanceof Error)) throw error;
      process.stderr.write(`bench: ${one.name}: ${error.message}\n`);
      failures.push(`${one.name}: ${error.message.split('\n').slice(0, 3).join(' ')}`);
      return [];
    }
  });
  const broken = failures.length > 0 || notes.checks.some(({ met }) => !met);
  return {
    markdown: render(bench, results, notes, failures),
    json: `${JSON.stringify({ machine: machine(bench), results, ...notes, failures }, undefined, 2)}\n`,
    failed: broken,
  };
}

function play(bench: Bench, one: Case): Result[] {
  const { contenders, rows } = one.open(bench);
  const rounds = one.speed === 'fast' ? bench.scale.rounds : bench.scale.slowRounds;
  const samples = playRounds(contenders, rounds);
  return rows
    .filter((row) => row.theirs === 'podman' || samples.has(row.theirs))
    .map((row) => evaluate(one.name, row, samples));
}

function render(bench: Bench, results: readonly Result[], notes: Notes, failures: readonly string[]): string {
  const lines = [
    ...notes.checks.map(
      ({ title, met, detail }) => `- ${met ? 'Holds' : '**Does not hold**'}: ${title} (${detail}).`,
    ),
    ...failures.map((failure) => `- **Failed**: ${failure}`),
    ...bench.tools.skipped.map((reason) => `- Skipped: ${reason}.`),
    ...notes.remarks.map((text) => `- ${text}`),
    `- Starting any process from here takes ${floor(bench).toFixed(1)} ms, which all figures include.`,
  ];
  return `${machine(bench)}\n\n${renderTable(results)}\n${lines.join('\n')}\n`;
}

function machine({ tools }: Bench): string {
  const processors = cpus();
  const versions = [tools.coracle, tools.podman, tools.buildah, tools.skopeo]
    .map((tool) => tool?.version)
    .filter(Boolean);
  return (
    `Medians of whole processes, alternating, after a warm-up, on ${processors.length} × ` +
    `${processors[0]?.model.trim() ?? 'unknown processor'}, Linux ${release()}, Node.js ${process.version}: ` +
    `${versions.join('; ')}.`
  );
}

function floor({ workspace }: Bench): number {
  const command = { program: '/bin/true', args: [], env: { TMPDIR: workspace } };
  return median(Array.from({ length: 20 }, () => timeCommand(command)));
}
