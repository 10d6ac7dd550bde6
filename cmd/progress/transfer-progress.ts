/** Shows a pull or push: a line a layer, redrawn in place on a terminal, one line per finished layer elsewhere. */
import type { TransferEvent } from '../../lib/index.js';
import { fitLine, say, visible, writeAll } from '../terminal/output.js';
import { advance, chooseLines, type LayerLine, lineText, rowsOf } from './transfer-lines.js';

export type TransferProgress = {
  readonly onEvent: (event: TransferEvent) => void;
  readonly close: () => void;
};

const redrawMilliseconds = 100;

/**
 * The display; `quiet` shows nothing. It is chosen at the first event: looking whether standard error is a terminal
 * loads what a run without a pull does not need.
 */
export function transferProgress(quiet: boolean): TransferProgress {
  if (quiet) return { onEvent: () => undefined, close: () => undefined };
  let chosen: TransferProgress | undefined;
  return {
    onEvent: (event) => {
      chosen ??= process.stderr.isTTY && process.env.TERM !== 'dumb' ? liveTransfer() : plainTransfer();
      chosen.onEvent(event);
    },
    close: () => chosen?.close(),
  };
}

function plainTransfer(): TransferProgress {
  const last = new Map<string, string>();
  return {
    onEvent: (event) => {
      if (event.kind === 'message') return say(visible(event.text));
      if (last.get(event.id) === event.status || event.status === 'waiting') return;
      last.set(event.id, event.status);
      say(`${shortId(event.id)}: ${event.status}`);
    },
    close: () => undefined,
  };
}

function liveTransfer(): TransferProgress {
  const lines = new Map<string, LayerLine>();
  /** Lengths of the lines on the screen. */
  let drawn: readonly number[] = [];
  let closed = false;
  const columns = (): number => process.stderr.columns || 80;
  const erase = (): string => (drawn.length > 0 ? `\x1b[${rowsOf(drawn, columns())}A\x1b[J` : '');
  const draw = (rows: number): void => {
    const width = columns() - 1;
    const { shown, summary } = chooseLines([...lines.values()], rows);
    const texts = shown.map((line) => lineText(line, Date.now(), width));
    if (summary !== undefined) texts.push(fitLine(summary, width));
    if (texts.length > 0) writeAll(2, `${erase()}${texts.map((text) => `${text}\n`).join('')}`);
    drawn = texts.map(({ length }) => length);
  };
  const redraw = (): void => draw(Math.max(2, (process.stderr.rows || 24) - 1));
  const timer = setInterval(redraw, redrawMilliseconds);
  return {
    onEvent: (event) => {
      if (event.kind === 'message') {
        writeAll(2, erase());
        drawn = [];
        say(visible(event.text));
        return redraw();
      }
      lines.set(event.id, advance(lines.get(event.id), event, Date.now()));
    },
    close: () => {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      // nothing is drawn over it any more, so it may be longer than the screen
      draw(Number.POSITIVE_INFINITY);
    },
  };
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
