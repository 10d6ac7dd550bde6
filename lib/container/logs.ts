/** What a container printed, from its log files. */
import { dirname } from 'node:path';
import { CoracleError } from '../errors.js';
import { DirectoryChanges } from '../host/directory-changes.js';
import { LineReader } from './log-file.js';
import { type LogEntry, type LogPiece, notBefore, outputOf, parseLogLine } from './log-line.js';
import { isHeld } from './state.js';
import type { ContainerView } from './view.js';

export type { LogEntry, LogPiece } from './log-line.js';

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
  if (log.driver === 'journald' || log.driver === 'passthrough') throw elsewhere(view, log.driver);
  const { driver } = log;
  const wanted = (entry: LogEntry): boolean =>
    (options.since === undefined || notBefore(entry.time, options.since)) &&
    (options.until === undefined || notBefore(options.until, entry.time));
  const reader = new LogReader(log.path, (line) => {
    const entry = parseLogLine(line, driver);
    return entry !== undefined && wanted(entry) ? entry : undefined;
  });
  try {
    if (options.tail === undefined) for (const entry of reader.read()) yield entry;
    else yield* reader.readLast(options.tail);
    const read = (): Iterable<LogEntry> => reader.read();
    if (options.follow) yield* followed(read, view.directory, dirname(log.path), options.signal);
  } finally {
    reader.close();
  }
}

/** Everything printed, as it was, in large pieces. @throws as `readLogs` */
export async function* readOutput(
  view: ContainerView,
  options: Pick<LogOptions, 'follow' | 'signal'> = {},
): AsyncGenerator<LogPiece> {
  const { log } = view.record;
  if (log?.driver !== 'k8s-file') {
    yield* readLogs(view, options);
    return;
  }
  const reader = new LogReader(log.path, () => undefined);
  try {
    for (const block of reader.readBlocks()) yield* outputOf(block);
    if (options.follow !== true) return;
    const read = (): Iterable<Buffer> => reader.readBlocks();
    for await (const block of followed(read, view.directory, dirname(log.path), options.signal))
      yield* outputOf(block);
  } finally {
    reader.close();
  }
}

function elsewhere({ record: { name } }: ContainerView, driver: 'journald' | 'passthrough'): CoracleError {
  const where = driver === 'journald' ? 'the journal has it' : 'it went to the streams of who started it';
  return new CoracleError('UNSUPPORTED', `read log of ${name}: ${where}`, {
    ...(driver === 'journald' ? { hint: `journalctl CONTAINER_NAME=${name}` } : {}),
  });
}

/** How much of a file's end is tried first for the last lines. */
const firstTail = 64 * 1024;

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
  read(): Generator<LogEntry> {
    return this.#read((reader) => this.#entries(reader));
  }

  /** The same as whole lines of the files, many together. */
  readBlocks(): Generator<Buffer> {
    return this.#read((reader) => reader.blocks());
  }

  *#read<T>(take: (reader: LineReader) => Iterable<T>): Generator<T> {
    this.#current ??= LineReader.openOldest(this.#path);
    while (this.#current !== undefined) {
      const newest = this.#current.isAt(this.#path);
      yield* take(this.#current);
      // It may have been moved on more than once meanwhile: the next newer file follows, not the newest.
      const next = newest ? undefined : this.#current.next(this.#path);
      if (next === undefined) return;
      this.#current.close();
      this.#current = next;
    }
  }

  /** The last `count` lines that are there: from the end of the current file if they are in it, else from all files. */
  readLast(count: number): readonly LogEntry[] {
    for (let size = firstTail; ; size *= 8) {
      const reader = LineReader.open(this.#path, size);
      if (reader === undefined || reader.atStart) {
        reader?.close();
        return lastLines(this.read(), count).flat();
      }
      const lines = lastLines(this.#entries(reader), count + 1);
      if (lines.length > count) {
        this.#current = reader;
        return lines.slice(1).flat();
      }
      reader.close();
    }
  }

  close(): void {
    this.#current?.close();
  }

  *#entries(reader: LineReader): Generator<LogEntry> {
    for (const line of reader.lines()) {
      const entry = this.#parse(line);
      if (entry !== undefined) yield entry;
    }
  }
}

/** The last `count` lines; the parts of one line, which others may interrupt, are together. */
function lastLines(entries: Iterable<LogEntry>, count: number): LogEntry[][] {
  const lines: LogEntry[][] = [];
  const open: Record<LogEntry['stream'], LogEntry[] | undefined> = { stdout: undefined, stderr: undefined };
  for (const entry of entries) {
    const line = open[entry.stream];
    if (line !== undefined) line.push(entry);
    else {
      open[entry.stream] = [entry];
      lines.push(open[entry.stream] ?? []);
      if (lines.length > 2 * count + 1000) lines.splice(0, lines.length - count);
    }
    if (entry.data.at(-1) === 10) open[entry.stream] = undefined;
  }
  return lines.slice(Math.max(0, lines.length - count));
}

/** New entries until the supervisor is gone and its last word was read. */
async function* followed<T>(
  read: () => Iterable<T>,
  directory: string,
  logDirectory: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  const changes = new DirectoryChanges(logDirectory, signal);
  try {
    while (signal?.aborted !== true) {
      const held = isHeld(directory);
      for (const entry of read()) yield entry;
      if (!held) return;
      await changes.wait();
    }
  } finally {
    changes.close();
  }
}
