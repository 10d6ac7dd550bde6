/**
 * Pushes an archive's entries into a consumer that may have to wait. While it need not, everything is done in one go:
 * a promise for each entry and each piece would cost more than most entries do.
 */
import type { TarHeader, TarLimits } from './tar-entry.js';
import { TarParser } from './tar-parser.js';
import type { TarObserver } from './tar-reader.js';

type Pending = Promise<void> | undefined;

/** For each entry `begin`, then `write` as often as needed, then `end`. A promise has the next call wait for it. */
export type EntryConsumer = {
  begin(header: TarHeader): Pending;
  write(chunk: Buffer): Pending;
  end(): Pending;
};

export class EntryFeed {
  readonly #parser: TarParser;
  /** What the consumer waits for. */
  #pending: Pending;
  /** Calls that came meanwhile: the rest of what the parser had in hand. */
  #calls: (() => Pending)[] = [];

  constructor(consumer: EntryConsumer, limits: TarLimits, observer?: TarObserver) {
    const { begin, write, end } = {
      begin: consumer.begin.bind(consumer),
      write: consumer.write.bind(consumer),
      end: consumer.end.bind(consumer),
    };
    this.#parser = new TarParser(
      {
        entry: (header, offset) => {
          observer?.entry(header, offset);
          if (this.#pending === undefined) this.#note(begin(header));
          else this.#calls.push(() => begin(header));
        },
        data: (chunk) => {
          if (this.#pending === undefined) this.#note(write(chunk));
          else this.#calls.push(() => write(chunk));
        },
        end: () => {
          if (this.#pending === undefined) this.#note(end());
          else this.#calls.push(end);
        },
        raw: (bytes, start, stop) => observer?.raw(bytes, start, stop),
      },
      limits,
    );
  }

  /** Takes the next bytes, which must stay as they are. Undefined: they are used up; a promise: wait before the next call. */
  push(chunk: Buffer): Pending {
    this.#parser.push(chunk);
    return this.#pending === undefined ? undefined : this.#drain();
  }

  /** Says that the archive is over. @throws INVALID when it ends inside an entry. */
  finish(): void {
    this.#parser.finish();
  }

  #note(pending: Pending): void {
    if (pending === undefined) return;
    this.#pending = pending;
    // its failure is met where it is waited for, also when the archive turns out to be damaged first
    pending.catch(() => undefined);
    this.#parser.hold();
  }

  async #drain(): Promise<void> {
    while (this.#pending !== undefined) {
      await this.#pending;
      this.#pending = undefined;
      const calls = this.#calls;
      this.#calls = [];
      for (const call of calls) await call();
      this.#parser.resume();
    }
  }
}
