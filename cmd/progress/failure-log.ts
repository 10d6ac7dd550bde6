/** The end of what failed steps printed, apart from all other output, as BuildKit shows it when a build is over. */
import type { BuildEvent, BuildStep } from '../../lib/index.js';
import { LogLines } from './log-lines.js';

type Log = { started: number; readonly lines: LogLines; last: string[]; failed: boolean };

/** As many lines of a step as are shown. */
const shownLines = 10;

export class FailureLog {
  readonly #steps = new Map<string, BuildStep>();
  readonly #logs = new Map<string, Log>();

  onEvent(event: BuildEvent): void {
    switch (event.kind) {
      case 'planned':
        for (const step of event.steps) this.#steps.set(step.id, step);
        return;
      case 'started':
        this.#open(event.step, event.time);
        return;
      case 'log':
        return this.#take(event.step, event.time, (lines) => lines.push(event.data));
      case 'failed':
        this.#take(event.step, event.time, (lines) => lines.end());
        this.#open(event.step, event.time).failed = !event.canceled;
        return;
    }
  }

  /** ` > NAME:` and the last lines of each failed step between rules; none for a step that printed nothing. */
  get blocks(): readonly string[] {
    const rule = '------';
    return [...this.#logs]
      .filter(([, { failed, last }]) => failed && last.length > 0)
      .flatMap(([id, { last }]) => [rule, ` > ${this.#steps.get(id)?.name ?? id}:`, ...last, rule]);
  }

  #open(id: string, time: number): Log {
    const known = this.#logs.get(id);
    if (known !== undefined) return known;
    const log = { started: time, lines: new LogLines(), last: [], failed: false };
    this.#logs.set(id, log);
    return log;
  }

  #take(id: string, time: number, read: (lines: LogLines) => readonly string[]): void {
    const log = this.#open(id, time);
    const seconds = ((time - log.started) / 1000).toFixed(3);
    const found = read(log.lines).map((line) => `${seconds} ${line}`);
    if (found.length > 0) log.last = [...log.last, ...found].slice(-shownLines);
  }
}
