/** BuildKit's plain form: `#3 [2/4] RUN make`, `#3 0.52 output`, `#3 DONE 1.2s`, each step's lines under its number. */
import type { BuildEvent, BuildStep } from '../../lib/index.js';
import { formatSize, say, visible } from '../terminal/output.js';
import type { BuildProgress } from './build-progress.js';
import { FailureLog } from './failure-log.js';
import { LogLines } from './log-lines.js';

type Numbered = {
  readonly number: number;
  readonly step: BuildStep;
  readonly started: number;
  readonly lines: LogLines;
  /** When each transfer was shown last. */
  readonly transfers: Map<string, number>;
};

type Transfer = Extract<BuildEvent, { kind: 'progress' }>;

/** A transfer is shown when it begins, now and then, and at its end. */
const transferMilliseconds = 2000;

/** Prints every event as lines on standard error. */
export function plainProgress(): BuildProgress {
  const steps = new Map<string, BuildStep>();
  const shown = new Map<string, Numbered>();
  const failures = new FailureLog();

  const open = (id: string, time: number): Numbered => {
    const known = shown.get(id);
    if (known !== undefined) return known;
    const step = steps.get(id) ?? { id, name: id, inputs: [] };
    const numbered = {
      number: shown.size + 1,
      step,
      started: time,
      lines: new LogLines(),
      transfers: new Map<string, number>(),
    };
    shown.set(id, numbered);
    if (shown.size > 1) say('');
    say(`#${numbered.number} ${visible(step.name)}`);
    return numbered;
  };

  const onEvent = (event: BuildEvent): void => {
    failures.onEvent(event);
    switch (event.kind) {
      case 'planned':
        for (const step of event.steps) steps.set(step.id, step);
        return;
      case 'started':
        open(event.step, event.time);
        return;
      case 'cached':
        say(`#${open(event.step, event.time).number} CACHED`);
        return;
      case 'log': {
        const numbered = open(event.step, event.time);
        return printLines(numbered, numbered.lines.push(event.data), event.time);
      }
      case 'progress':
        return printTransfer(open(event.step, event.time), event);
      case 'done':
      case 'failed': {
        const numbered = open(event.step, event.time);
        printLines(numbered, numbered.lines.end(), event.time);
        const seconds = secondsSince(numbered.started, event.time, 1);
        say(
          event.kind === 'done'
            ? `#${numbered.number} DONE ${seconds}s`
            : `#${numbered.number} ${event.canceled ? 'CANCELED' : `ERROR: ${event.reason}`}`,
        );
        return;
      }
      case 'warning':
        say(`warning: ${event.rule === undefined ? '' : `${event.rule}: `}${event.message}`);
        if (event.excerpt !== undefined) say(event.excerpt);
        return;
    }
  };
  const close = (): void => {
    for (const line of failures.blocks) say(visible(line));
  };
  return { onEvent, close };
}

function printLines({ number, started }: Numbered, lines: readonly string[], time: number): void {
  for (const line of lines) say(`#${number} ${secondsSince(started, time, 3)} ${visible(line)}`);
}

function printTransfer(numbered: Numbered, { id, current, total, time }: Transfer): void {
  const before = numbered.transfers.get(id);
  const isOver = current === total;
  if (before !== undefined && !isOver && time - before < transferMilliseconds) return;
  if (before === Number.POSITIVE_INFINITY) return;
  numbered.transfers.set(id, isOver ? Number.POSITIVE_INFINITY : time);
  const amount = [current, ...(total === undefined ? [] : [total])].map(formatSize).join(' / ');
  const seconds = secondsSince(numbered.started, time, 1);
  say(`#${numbered.number} ${visible(id)} ${amount} ${seconds}s${isOver ? ' done' : ''}`);
}

function secondsSince(started: number, time: number, digits: number): string {
  return ((time - started) / 1000).toFixed(digits);
}
