/** Output of a step as lines: pieces are put together, characters that came in two pieces as well. */
import { StringDecoder } from 'node:string_decoder';

export class LogLines {
  readonly #decoder = new StringDecoder('utf8');
  #partial = '';

  /** The lines that `data` completes. */
  push(data: Uint8Array): readonly string[] {
    const lines = (this.#partial + this.#decoder.write(Buffer.from(data))).split('\n');
    this.#partial = lines.pop() ?? '';
    return lines.map(lastState);
  }

  /** What the last line has so far. */
  get partial(): string {
    return lastState(this.#partial);
  }

  /** The last line, where it has no end. */
  end(): readonly string[] {
    const rest = this.#partial + this.#decoder.end();
    this.#partial = '';
    return rest === '' ? [] : [lastState(rest)];
  }
}

/** A carriage return redraws a line on terminals; only its last state is worth a line of its own. */
function lastState(line: string): string {
  return (
    line
      .split('\r')
      .filter((part) => part !== '')
      .at(-1) ?? ''
  );
}
