/** BuildKit's plain form: `#3 [2/4] RUN make`, `#3 0.52 output`, `#3 DONE 1.2s`, each step's lines under its number. */
import type { BuildEvent, BuildStep } from '../../lib/index.js';
import { say, visible } from '../terminal/output.js';
import type { BuildProgress } from './build-progress.js';

type Numbered = { readonly number: number; readonly step: BuildStep; started: number; partial: string };

/** Prints every event as lines on standard error. */
export function plainProgress(): BuildProgress {
  const steps = new Map<string, BuildStep>();
  const shown = new Map<string, Numbered>();

  const open = (id: string, time: number): Numbered => {
    const known = shown.get(id);
    if (known !== undefined) return known;
    const step = steps.get(id) ?? { id, name: id, inputs: [] };
    const numbered = { number: shown.size + 1, step, started: time, partial: '' };
    shown.set(id, numbered);
    if (shown.size > 1) say('');
    say(`#${numbered.number} ${visible(step.name)}`);
    return numbered;
  };

  const onEvent = (event: BuildEvent): void => {
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
      case 'log':
        return printLog(open(event.step, event.time), event.data, event.time);
      case 'progress':
        return;
      case 'done':
      case 'failed': {
        const numbered = open(event.step, event.time);
        flush(numbered, event.time);
        const seconds = ((event.time - numbered.started) / 1000).toFixed(1);
        say(
          event.kind === 'done'
            ? `#${numbered.number} DONE ${seconds}s`
            : `#${numbered.number} ERROR: ${event.reason}`,
        );
        return;
      }
      case 'warning':
        say(`warning: ${event.rule === undefined ? '' : `${event.rule}: `}${event.message}`);
        if (event.excerpt !== undefined) say(event.excerpt);
        return;
    }
  };
  return { onEvent, close: () => undefined };
}

function printLog(numbered: Numbered, data: Uint8Array, time: number): void {
  const lines = (numbered.partial + Buffer.from(data).toString()).split('\n');
  numbered.partial = lines.pop() ?? '';
  for (const line of lines) printLogLine(numbered, line, time);
}

function flush(numbered: Numbered, time: number): void {
  if (numbered.partial !== '') printLogLine(numbered, numbered.partial, time);
  numbered.partial = '';
}

function printLogLine(numbered: Numbered, line: string, time: number): void {
  const seconds = ((time - numbered.started) / 1000).toFixed(3);
  // A carriage return redraws a line on terminals; only its last state is worth a line here.
  const last = line.replace(/\r$/, '').split('\r').at(-1) ?? '';
  say(`#${numbered.number} ${seconds} ${visible(last)}`);
}
