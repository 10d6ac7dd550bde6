/** Results as data and as a Markdown table. */
import type { Row } from './case.js';
import type { Samples } from './rounds.js';
import { median, minimum } from './statistics.js';

/** One row with its figures; those of a contender that did not run are undefined. */
export type Result = {
  readonly case: string;
  readonly title: string;
  readonly unit: Row['unit'];
  readonly ours: Figures | undefined;
  readonly theirs: (Figures & { readonly name: string }) | undefined;
  readonly ratio: number | undefined;
  readonly target: Row['target'];
  /** Undefined where there is no target, or nothing to compare with. */
  readonly met: boolean | undefined;
};

type Figures = { readonly median: number; readonly min: number; readonly samples: readonly number[] };

export function evaluate(name: string, row: Row, samples: Samples): Result {
  const ours = figures(samples.get(row.ours)?.get(row.measure));
  const theirs = figures(samples.get(row.theirs)?.get(row.measure));
  const ratio = ours === undefined || theirs === undefined ? undefined : ours.median / theirs.median;
  const measured = row.target?.of === 'value' ? ours?.median : ratio;
  return {
    case: name,
    title: row.title,
    unit: row.unit,
    ours,
    theirs: theirs === undefined ? undefined : { name: row.theirs, ...theirs },
    ratio,
    target: row.target,
    met: row.target === undefined || measured === undefined ? undefined : measured <= row.target.atMost,
  };
}

function figures(samples: readonly number[] | undefined): Figures | undefined {
  if (samples === undefined || samples.length === 0) return undefined;
  return { median: median(samples), min: minimum(samples), samples };
}

const header = ['Case', 'coracle', 'peer', 'ratio', 'target', 'met', 'min', "peer's min", 'rounds'];

/** The table alone, one line per result. */
export function renderTable(results: readonly Result[]): string {
  const lines = [header, header.map((_, column) => (column === 0 ? '---' : '---:')), ...results.map(cells)];
  return lines.map((line) => `| ${line.join(' | ')} |\n`).join('');
}

function cells({ title, unit, ours, theirs, ratio, target, met }: Result): string[] {
  const show = (value: number | undefined): string => (value === undefined ? '–' : quantity(value, unit));
  return [
    title,
    show(ours?.median),
    theirs === undefined ? '–' : `${theirs.name} ${show(theirs.median)}`,
    ratio === undefined ? '–' : ratio.toFixed(2),
    target === undefined ? '–' : `≤ ${target.of === 'ratio' ? target.atMost : quantity(target.atMost, unit)}`,
    met === undefined ? '–' : met ? 'yes' : '**no**',
    show(ours?.min),
    show(theirs?.min),
    `${ours?.samples.length ?? 0}`,
  ];
}

function quantity(value: number, unit: Row['unit']): string {
  if (unit === 'KiB') return `${Math.round(value)} KiB`;
  return value < 100 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}
