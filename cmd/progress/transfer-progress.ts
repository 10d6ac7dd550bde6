/** Shows a pull or push: a line a layer, redrawn in place on a terminal, one line per finished layer elsewhere. */
import type { TransferEvent } from '../../lib/index.js';
import { fitLine, formatSize, say, visible, writeAll } from '../terminal/output.js';

type LayerEvent = Extract<TransferEvent, { kind: 'layer' }>;
type Line = { readonly event: LayerEvent; readonly since: number };

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
  const lines = new Map<string, Line>();
  let drawn = 0;
  let closed = false;
  const draw = (): void => {
    const text = [...lines.values()].map((line) =>
      fitLine(lineText(line), (process.stderr.columns || 80) - 1),
    );
    const rows = text.slice(-Math.max(4, (process.stderr.rows || 24) - 1));
    const erase = drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '';
    if (rows.length > 0) writeAll(2, `${erase}${rows.map((row) => `${row}\n`).join('')}`);
    drawn = rows.length;
  };
  const timer = setInterval(draw, redrawMilliseconds);
  return {
    onEvent: (event) => {
      if (event.kind === 'message') {
        if (drawn > 0) writeAll(2, `\x1b[${drawn}A\x1b[J`);
        drawn = 0;
        say(visible(event.text));
        return draw();
      }
      const before = lines.get(event.id);
      const since = before !== undefined && before.event.status === event.status ? before.since : Date.now();
      lines.set(event.id, { event, since });
    },
    close: () => {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      draw();
    },
  };
}

/** Nothing of it is on its way any more, so there is no bar. */
const finished: ReadonlySet<string> = new Set(['done', 'exists', 'pushed']);

function lineText({ event, since }: Line): string {
  const head = `${shortId(event.id)}: ${event.status}`;
  if (event.current === undefined || finished.has(event.status)) return head;
  const seconds = Math.max(0.1, (Date.now() - since) / 1000);
  const rate = event.current / seconds;
  const left =
    event.total === undefined || rate === 0
      ? ''
      : ` ${Math.ceil((event.total - event.current) / rate)}s left`;
  return `${head} ${bar(event.current, event.total)} ${formatSize(rate)}/s${left}`;
}

function bar(current: number, total: number | undefined): string {
  if (total === undefined || total === 0) return formatSize(current);
  const width = 24;
  const filled = Math.min(width, Math.floor((current / total) * width));
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}] ${formatSize(current)}/${formatSize(total)}`;
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
