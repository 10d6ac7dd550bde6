/** Several logs as one, in the order of time as far as it is known. */
import { setImmediate as turn } from 'node:timers/promises';
import { type LogEntry, notBefore } from './log-line.js';

/** An entry and the number of the log it is from. */
export type NamedLogEntry = { readonly source: number; readonly entry: LogEntry };

type Next = { readonly source: number; readonly result: IteratorResult<LogEntry, unknown> };

/** What is there comes by time; of logs that are followed, what comes later comes when it does. */
export async function* mergeLogs(logs: readonly AsyncGenerator<LogEntry>[]): AsyncGenerator<NamedLogEntry> {
  const pending = new Map<number, Promise<Next>>();
  const ready = new Map<number, LogEntry>();
  const ask = (source: number): void => {
    const log = logs[source];
    if (log !== undefined)
      pending.set(
        source,
        log.next().then((result) => ({ source, result })),
      );
  };
  const take = ({ source, result }: Next): void => {
    pending.delete(source);
    if (result.done !== true) ready.set(source, result.value);
  };
  try {
    for (const source of logs.keys()) ask(source);
    while (pending.size > 0 || ready.size > 0) {
      if (ready.size === 0) take(await Promise.race(pending.values()));
      for (let next = await settledNow(pending); next !== undefined; next = await settledNow(pending))
        take(next);
      const first = oldest(ready);
      if (first === undefined) continue;
      ready.delete(first.source);
      yield first;
      ask(first.source);
    }
  } finally {
    for (const log of logs) void log.return(undefined);
  }
}

/** One that has its answer already; reading a file takes no turn of the event loop, waiting for more does. */
async function settledNow(pending: ReadonlyMap<number, Promise<Next>>): Promise<Next | undefined> {
  if (pending.size === 0) return undefined;
  return Promise.race([...pending.values(), turn(undefined)]);
}

function oldest(ready: ReadonlyMap<number, LogEntry>): NamedLogEntry | undefined {
  let first: NamedLogEntry | undefined;
  for (const [source, entry] of ready) {
    if (first === undefined || !notBefore(entry.time, first.entry.time)) first = { source, entry };
  }
  return first;
}
