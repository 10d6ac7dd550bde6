/** The live display: one line a step with its time, the last log lines of the running ones, redrawn in place. */
import type { BuildEvent, BuildStep } from '../../lib/index.js';
import { fitLine, formatSize, say, visible, writeAll } from '../terminal/output.js';
import type { BuildProgress } from './build-progress.js';
import { FailureLog } from './failure-log.js';
import { LogLines } from './log-lines.js';

type State = {
  readonly step: BuildStep;
  status: 'waiting' | 'running' | 'done' | 'cached' | 'failed' | 'canceled';
  started: number;
  ended: number;
  lines: string[];
  readonly log: LogLines;
  transfer: string;
};

const tailLines = 6;
const labels: Partial<Record<State['status'], string>> = {
  cached: 'CACHED ',
  failed: 'ERROR ',
  canceled: 'CANCELED ',
};
const redrawMilliseconds = 80;
/** https://no-color.org */
const colour =
  (process.env.NO_COLOR ?? '') === ''
    ? { plain: '\x1b[0m', done: '\x1b[34m', failed: '\x1b[31m', dim: '\x1b[2m' }
    : { plain: '', done: '', failed: '', dim: '' };

/** Draws on standard error until closed; finished steps stay in the scrollback. */
export function liveProgress(): BuildProgress {
  const states = new Map<string, State>();
  const warnings: string[] = [];
  const failures = new FailureLog();
  const begun = Date.now();
  let drawn = 0;
  let closed = false;

  const draw = (final: boolean): void => {
    const frame = render([...states.values()], begun, final);
    const clipped = final ? frame : frame.slice(-Math.max(4, screenRows() - 1));
    const erase = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '';
    writeAll(2, `${erase}${clipped.map((line) => `${line}\n`).join('')}`);
    drawn = final ? 0 : clipped.length;
  };
  writeAll(2, '\x1b[?25l');
  const timer = setInterval(() => draw(false), redrawMilliseconds);
  const restore = (): void => writeAll(2, '\x1b[?25h');
  process.once('exit', restore);

  return {
    onEvent: (event) => {
      failures.onEvent(event);
      apply(states, warnings, event);
    },
    close: () => {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      draw(true);
      for (const line of failures.blocks) say(visible(line));
      for (const warning of warnings) writeAll(2, `${warning}\n`);
      process.removeListener('exit', restore);
      restore();
    },
  };
}

function apply(states: Map<string, State>, warnings: string[], event: BuildEvent): void {
  if (event.kind === 'planned') {
    for (const step of event.steps) {
      states.set(step.id, {
        step,
        status: 'waiting',
        started: 0,
        ended: 0,
        lines: [],
        log: new LogLines(),
        transfer: '',
      });
    }
    return;
  }
  if (event.kind === 'warning') {
    warnings.push(
      `warning: ${event.rule === undefined ? '' : `${event.rule}: `}${event.message}${event.excerpt === undefined ? '' : `\n${event.excerpt}`}`,
    );
    return;
  }
  const state = states.get(event.step);
  if (state === undefined) return;
  switch (event.kind) {
    case 'started':
      state.status = 'running';
      state.started = event.time;
      return;
    case 'log':
      state.lines = [...state.lines, ...state.log.push(event.data)].slice(-tailLines);
      return;
    case 'progress':
      state.transfer = `${formatSize(event.current)}${event.total === undefined ? '' : ` / ${formatSize(event.total)}`}`;
      return;
    default:
      state.status = event.kind === 'failed' && event.canceled ? 'canceled' : event.kind;
      state.started ||= event.time;
      state.ended = event.time;
  }
}

function render(states: readonly State[], begun: number, final: boolean): string[] {
  const finished = states.filter((state) => state.status !== 'waiting' && state.status !== 'running').length;
  const seconds = ((Date.now() - begun) / 1000).toFixed(1);
  const end = final && finished === states.length ? ' FINISHED' : '';
  const lines = [fitLine(`[+] Building ${seconds}s (${finished}/${states.length})${end}`, screenColumns())];
  for (const state of states.filter((one) => one.status !== 'waiting')) {
    lines.push(stepLine(state));
    if (state.status === 'running' && !final) lines.push(...logTail(state));
  }
  return lines;
}

function stepLine(state: State): string {
  const running = state.status === 'running';
  const time = `${(((running ? Date.now() : state.ended) - state.started) / 1000).toFixed(1)}s`;
  const label = labels[state.status] ?? '';
  const name = ` => ${label}${state.step.name}${running && state.transfer !== '' ? ` ${state.transfer}` : ''}`;
  const width = screenColumns() - time.length - 1;
  const text = `${fitLine(name, width).padEnd(width)} ${time}`;
  const tint = state.status === 'failed' ? colour.failed : running ? colour.plain : colour.done;
  return `${tint}${text}${colour.plain}`;
}

function logTail(state: State): string[] {
  const width = screenColumns() - 7;
  const { partial } = state.log;
  const tail = partial === '' ? state.lines : [...state.lines, partial];
  return tail.slice(-tailLines).map((line) => `${colour.dim} => # ${fitLine(line, width)}${colour.plain}`);
}

function screenColumns(): number {
  return process.stderr.columns || 80;
}

function screenRows(): number {
  return process.stderr.rows || 24;
}
