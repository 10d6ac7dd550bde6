/** What the entries of one archive ask for, held against its limits (native.md S23). */
import { CoracleError } from '../errors.js';
import { printablePath, type TarHeader, type TarLimits } from './tar-entry.js';

export class TarBudget {
  readonly #limits: TarLimits;
  #entries = 0;
  #bytes = 0;

  constructor(limits: TarLimits) {
    this.#limits = limits;
  }

  /** Counts an entry; `archived` is where its content ends in the archive. @throws INVALID */
  take({ path, size }: TarHeader, archived: number): void {
    const { entries, bytes, ratio, ratioAfter } = this.#limits;
    this.#entries++;
    this.#bytes += size;
    if (this.#entries > entries) throw new CoracleError('INVALID', `read tar: more than ${entries} entries`);
    if (this.#bytes > bytes) throw refused(path, `the files exceed ${bytes} bytes`);
    if (this.#bytes > ratioAfter && this.#bytes > ratio * archived) {
      throw refused(path, `with its holes it is more than ${ratio} times the archive`);
    }
  }
}

function refused(path: Buffer, reason: string): CoracleError {
  return new CoracleError('INVALID', `read tar entry ${printablePath(path)}: ${reason}`, {
    hint: 'this looks like a bomb; if you trust it, unpack it yourself and import the result',
  });
}
