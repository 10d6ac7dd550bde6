/** The fields of `--mount`: `KEY=VALUE` or `KEY`, apart by commas, quoted as in CSV where they hold one. */
import { bad, type FlagText } from './mount-text.js';

/** Keys that may stand several times. */
const repeatable = ['volume-opt', 'volume-label'];

export class MountFields {
  readonly what: FlagText;
  readonly #fields = new Map<string, readonly string[]>();

  constructor(text: string) {
    this.what = { flag: 'mount', text };
    for (const [, quoted, plain] of text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
      const field = quoted?.replaceAll('""', '"') ?? plain ?? '';
      if (field !== '') this.#add(field);
    }
  }

  #add(field: string): void {
    const equals = field.indexOf('=');
    const key = equals < 0 ? field : field.slice(0, equals);
    const before = this.#fields.get(key) ?? [];
    if (before.length > 0 && !repeatable.includes(key)) throw bad(this.what, `${key} is given twice`);
    this.#fields.set(key, [...before, equals < 0 ? 'true' : field.slice(equals + 1)]);
  }

  /** The value of a field under any of its names; it is then no longer there. @throws USAGE for two of the names. */
  take(...names: readonly string[]): string | undefined {
    const [name, second] = names.filter((each) => this.#fields.has(each));
    if (second !== undefined) throw bad(this.what, `${name} and ${second} say the same`);
    return name === undefined ? undefined : this.takeAll(name)[0];
  }

  takeAll(name: string): readonly string[] {
    const values = this.#fields.get(name) ?? [];
    this.#fields.delete(name);
    return values;
  }

  /** @throws USAGE for what is neither true nor false. */
  takeFlag(...names: readonly string[]): boolean | undefined {
    const value = this.take(...names);
    if (value === undefined) return undefined;
    if (/^(true|1)$/i.test(value)) return true;
    if (/^(false|0)$/i.test(value)) return false;
    throw bad(this.what, `${names[0]} is true or false, not ${value}`);
  }

  /** Two switches of which one says the contrary of the other; the first one's value. @throws USAGE for both. */
  takeEither(name: string, opposite: string): boolean | undefined {
    const [value, contrary] = [this.takeFlag(name), this.takeFlag(opposite)];
    if (value !== undefined && contrary !== undefined)
      throw bad(this.what, `${name} and ${opposite} exclude each other`);
    return value ?? (contrary === undefined ? undefined : !contrary);
  }

  /** A field that nobody took. */
  left(): string | undefined {
    return [...this.#fields.keys()][0];
  }
}
