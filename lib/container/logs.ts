/** What a container printed, from its log files. */
import { watch } from 'node:fs';
import { CoracleError } from '../errors.js';
import { LineReader, logFiles } from './log-file.js';
import { type LogEntry, notBefore, parseLogLine } from './log-line.js';
import { isHeld } from './state.js';
import type { ContainerView } from './view.js';

export type { LogEntry } from './log-line.js';

export type LogOptions = {
  /** Go on until the container ends or `signal` is aborted. */
  readonly follow?: boolean | undefined;
  /** Only so many of the last lines; undefined is all. */
  readonly tail?: number | undefined;
  /** RFC 3339 in UTC. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * The entries, oldest first.
 * @throws UNSUPPORTED for a container without log.
 */
export async function* readLogs(view: ContainerView, options: LogOptions = {}): AsyncGenerator<LogEntry> {
  const { log, name } = view.record;
  if (log === undefined) {
    throw new CoracleError('UNSUPPORTED', `read log of ${name}: it was made with --log-driver none`);
  }
  const reader = new LogReader(log.path, (line) => parseLogLine(line, log.driver));
  try {
    const wanted = (entry: LogEntry): boolean =>
      (options.since === undefined || notBefore(entry.time, options.since)) &&
      (options.until === undefined || notBefore(options.until, entry.time));
    const there = filtered(reader.read(), wanted);
    yield* options.tail === undefined ? there : lastLines(there, options.tail);
    if (options.follow) yield* filtered(followed(reader, view.directory, options.signal), wanted);
  } finally {
    reader.close();
  }
}

/** All files of a log as one sequence that can be read on. */
class LogReader {
  readonly #path: string;
  readonly #parse: (line: Buffer) => LogEntry | undefined;
  #current: LineReader | undefined;

  constructor(path: string, parse: (line: Buffer) => LogEntry | undefined) {
    this.#path = path;
    this.#parse = parse;
  }

  /** What was written since the last call. */
  *read(): Generator<LogEntry> {
    if (this.#current === undefined) yield* this.#readOlder();
    for (;;) {
      this.#current ??= LineReader.open(this.#path);
      if (this.#current === undefined) return;
      const current = this.#current.isAt(this.#path);
      yield* this.#entries(this.#current);
      if (current) return;
      this.#current.close();
      this.#current = undefined;
    }
  }

  close(): void {
    this.#current?.close();
  }

  *#readOlder(): Generator<LogEntry> {
    for (const path of logFiles(this.#path).filter((each) => each !== this.#path)) {
      const older = LineReader.open(path);
      if (older === undefined) continue;
      yield* this.#entries(older);
      older.close();
    }
  }

  *#entries(reader: LineReader): Generator<LogEntry> {
    for (const line of reader.lines()) {
      const entry = this.#parse(line);
      if (entry !== undefined) yield entry;
    }
  }
}

async function* filtered(
  entries: Iterable<LogEntry> | AsyncIterable<LogEntry>,
  wanted: (entry: LogEntry) => boolean,
): AsyncGenerator<LogEntry> {
  for await (const entry of entries) if (wanted(entry)) yield entry;
}

/** The last `count` lines; parts of one line count as one. */
async function* lastLines(entries: AsyncIterable<LogEntry>, count: number): AsyncGenerator<LogEntry> {
  const lines: LogEntry[][] = [];
  let open = new Map<LogEntry['stream'], LogEntry[]>();
  for await (const entry of entries) {
    const line = open.get(entry.stream) ?? [];
    if (line.length === 0) lines.push(line);
    line.push(entry);
    const complete = entry.data.at(-1) === 10;
    open = new Map([...open, [entry.stream, complete ? [] : line]]);
    if (lines.length > count) lines.shift();
  }
  for (const line of lines) yield* line;
}

/** New entries until the supervisor is gone and its last word was read. */
async function* followed(
  reader: LogReader,
  directory: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogEntry> {
  const changes = new DirectoryChanges(directory, signal);
  try {
    while (signal?.aborted !== true) {
      const held = isHeld(directory);
      yield* reader.read();
      if (!held) return;
      await changes.wait();
    }
  } finally {
    changes.close();
  }
}

/** How long a change may go unnoticed: a lost supervisor changes no file. */
const patience = 500;

class DirectoryChanges {
  readonly #watcher: ReturnType<typeof watch>;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(directory: string, signal: AbortSignal | undefined) {
    signal?.addEventListener('abort', () => this.#notice(), { once: true });
    this.#watcher = watch(directory, () => this.#notice());
    // The directory may be removed while it is watched; the lock then says that the container is gone.
    this.#watcher.on('error', () => this.#notice());
  }

  async wait(): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patience);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#changed = false;
  }

  close(): void {
    this.#watcher.close();
  }

  #notice(): void {
    this.#changed = true;
    this.#wake();
  }
}
