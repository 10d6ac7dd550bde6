/** What the live display of a pull or push shows of each layer, and of which layers where the screen has not room for all. Pure. */
import type { TransferEvent } from '../../lib/index.js';
import { fitLine, formatSize } from '../terminal/output.js';

export type LayerEvent = Extract<TransferEvent, { kind: 'layer' }>;

/** A layer as it is now. */
export type LayerLine = {
  readonly event: LayerEvent;
  /** When its status began, and how many bytes it had then: what was there already says nothing of the rate. */
  readonly since: number;
  readonly before: number;
};

/** Nothing of it is on its way any more, so there is no bar. */
const finished: ReadonlySet<string> = new Set(['done', 'exists', 'pushed']);

/** A layer's line after an event. */
export function advance(line: LayerLine | undefined, event: LayerEvent, now: number): LayerLine {
  const { current = 0 } = event;
  const goesOn = line?.event.status === event.status && (line.event.current ?? 0) > 0;
  return goesOn ? { ...line, event } : { event, since: now, before: current };
}

/** As much of a layer as fits: with fewer columns first the bar goes, then the sizes, and the time left last. */
export function lineText({ event, since, before }: LayerLine, now: number, columns: number): string {
  const { id, status, current, total } = event;
  const head = `${id.replace(/^sha256:/, '').slice(0, 12)}: ${status}`;
  if (current === undefined || finished.has(status)) return fitLine(head, columns);
  const rate = (current - before) / Math.max(0.1, (now - since) / 1000);
  const speed = `${formatSize(Math.round(rate))}/s`;
  const left =
    total === undefined || rate === 0 ? [] : [`${durationText(Math.max(0, total - current) / rate)} left`];
  const size = total === undefined ? formatSize(current) : `${formatSize(current)}/${formatSize(total)}`;
  const forms = [
    [head, ...bar(current, total, 24), size, speed, ...left],
    [head, ...bar(current, total, 10), size, speed, ...left],
    [head, size, speed, ...left],
    [head, speed, ...left],
    [head, ...left],
  ].map((parts) => parts.join(' '));
  return fitLine(forms.find((form) => form.length <= columns) ?? head, columns);
}

function bar(current: number, total: number | undefined, width: number): readonly string[] {
  if (total === undefined || total === 0) return [];
  const filled = Math.min(width, Math.floor((current / total) * width));
  return [`[${'='.repeat(filled)}${' '.repeat(width - filled)}]`];
}

/** `12s`, `3m5s`, `2h4m`. */
function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${whole % 60}s`;
  return `${Math.floor(whole / 3600)}h${Math.floor((whole % 3600) / 60)}m`;
}

/** The layers that a screen of so many rows shows, in their order: those on their way, then others while there is room. */
export function chooseLines(
  lines: readonly LayerLine[],
  rows: number,
): { readonly shown: readonly LayerLine[]; readonly summary: string | undefined } {
  if (lines.length <= rows) return { shown: lines, summary: undefined };
  const isDone = ({ event }: LayerLine): boolean => finished.has(event.status);
  const isWaiting = ({ event }: LayerLine): boolean => event.status === 'waiting';
  const active = lines.filter((line) => !isDone(line) && !isWaiting(line));
  const wanted = [...active, ...lines.filter(isWaiting), ...lines.filter(isDone)];
  const chosen = new Set(wanted.slice(0, Math.max(1, rows - 1)));
  const others = lines.filter((line) => !chosen.has(line));
  const [done, waiting] = [others.filter(isDone).length, others.filter(isWaiting).length];
  const summary = `${others.length} more layers: ${done} done, ${waiting} waiting`;
  return { shown: lines.filter((line) => chosen.has(line)), summary };
}

/** Rows that lines of these lengths take on a screen of so many columns: a terminal that was made narrower wraps them. */
export function rowsOf(lengths: readonly number[], columns: number): number {
  return lengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / Math.max(1, columns))), 0);
}
