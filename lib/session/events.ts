/** Reading the journal of events. What is no event, because a writer died over it, is passed over. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LineReader } from '../container/log-file.js';
import { notBefore } from '../container/log-line.js';
import { DirectoryChanges } from '../host/directory-changes.js';
import type { EventType } from '../native/journal.js';
import type { Session } from './session.js';

/** Something that happened, in podman's words. */
export type StoreEvent = {
  /** RFC 3339 in UTC. */
  readonly time: string;
  readonly type: EventType;
  readonly status: string;
  readonly id: string | undefined;
  readonly name: string | undefined;
  /** Of a container: what it was made of. */
  readonly image: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  /** Of died and exec_died. */
  readonly exitCode: number | undefined;
  /** Of health_status. */
  readonly health: string | undefined;
};

export type EventsRequest = {
  /** RFC 3339 in UTC; without it, events of the past are left out when following. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Events in the order in which they were written. */
export async function* readEvents(session: Session, request: EventsRequest): AsyncGenerator<StoreEvent> {
  const { paths } = await session.stores();
  const { since, until, follow = false, signal } = request;
  const journal = new Journal(paths.events);
  const changes = follow ? new DirectoryChanges(paths.root, signal) : undefined;
  const isOver = (): boolean => until !== undefined && notBefore(new Date().toISOString(), until);
  try {
    if (follow && since === undefined) journal.skip();
    for (;;) {
      const last = isOver();
      for (const event of journal.read()) {
        const wanted = since === undefined || notBefore(event.time, since);
        if (wanted && (until === undefined || notBefore(until, event.time))) yield event;
      }
      if (changes === undefined || last || signal?.aborted === true) return;
      await Promise.race([changes.wait(patience), ...(until === undefined ? [] : [timer(until, signal)])]);
    }
  } finally {
    changes?.close();
    journal.close();
  }
}

/** Changes are noticed; this is for those that were not. Milliseconds. */
const patience = 2000;

async function timer(until: string, signal: AbortSignal | undefined): Promise<void> {
  const left = Math.min(patience, Math.max(0, Date.parse(until) - Date.now()) + 1);
  await sleep(left, undefined, { ref: false });
  signal?.throwIfAborted();
}

/** The two files of the journal as one that can be read on. A writer may still append to a file that was just moved. */
class Journal {
  readonly #path: string;
  #older: LineReader | undefined;
  #current: LineReader | undefined;
  #begun = false;

  constructor(path: string) {
    this.#path = path;
  }

  *read(): Generator<StoreEvent> {
    if (!this.#begun) this.#older = LineReader.open(`${this.#path}.1`);
    this.#begun = true;
    for (;;) {
      this.#current ??= LineReader.open(this.#path);
      const isNamed = this.#current?.isAt(this.#path) ?? true;
      yield* eventsOf(this.#older);
      yield* eventsOf(this.#current);
      if (isNamed) return;
      this.#older?.close();
      this.#older = this.#current;
      this.#current = undefined;
    }
  }

  /** Passes over what is there. */
  skip(): void {
    for (const _ of this.read());
  }

  close(): void {
    this.#older?.close();
    this.#current?.close();
  }
}

function* eventsOf(reader: LineReader | undefined): Generator<StoreEvent> {
  for (const line of reader?.lines() ?? []) {
    const event = line.length > 1 ? parseEvent(line.toString()) : undefined;
    if (event !== undefined) yield event;
  }
}

const types: readonly EventType[] = ['container', 'image', 'volume', 'network', 'secret', 'system'];

/** What happens to a pod's holder and is an event of the pod; the rest is its own affair. */
const ofPods = ['create', 'start', 'stop', 'kill', 'pause', 'unpause', 'restart', 'rename', 'remove'];

function parseEvent(line: string): StoreEvent | undefined {
  const value = tryJson(line);
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Readonly<Record<string, unknown>>;
  const text = (name: string): string | undefined =>
    typeof record[name] === 'string' ? record[name] : undefined;
  const [time, status] = [text('time'), text('status')];
  const type = record.pod === true ? 'pod' : types.find((known) => known === record.type);
  if (time === undefined || status === undefined || type === undefined) return undefined;
  if (type === 'pod' && !ofPods.includes(status)) return undefined;
  return {
    time,
    type,
    status,
    id: text('id'),
    name: text('name'),
    image: text('image'),
    attributes: attributesOf(record.attributes),
    exitCode: typeof record.exitCode === 'number' ? record.exitCode : undefined,
    health: text('health'),
  };
}

function attributesOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
