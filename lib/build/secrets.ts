/**
 * The secrets of a build. Read when a step asks for one, held in memory, handed to the step by descriptor: never part of a
 * record, a plan, a key or a message (S32).
 */
import { readFileSync, statSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { BuildSecret } from './run-settings.js';

/** BuildKit's limit. */
const secretLimit = 500 * 1024;

export class Secrets {
  readonly #secrets: ReadonlyMap<string, BuildSecret>;
  /** What was read: a pipe gives its bytes once only. */
  readonly #values = new Map<string, Uint8Array>();

  /** @throws USAGE for two secrets of one id. */
  constructor(secrets: readonly BuildSecret[]) {
    this.#secrets = new Map(secrets.map((secret) => [secret.id, secret]));
    const twice = secrets.find((secret) => this.#secrets.get(secret.id) !== secret);
    if (twice !== undefined) throw new CoracleError('USAGE', `give secret ${twice.id}: it is given twice`);
  }

  /** Undefined for one the build was not given. @throws NOT_FOUND, INVALID and IO naming the file, never its content. */
  read(id: string): Uint8Array | undefined {
    const secret = this.#secrets.get(id);
    if (secret === undefined) return undefined;
    const value =
      this.#values.get(id) ??
      (secret.kind === 'value' ? Buffer.from(secret.value) : readFile(id, secret.path));
    this.#values.set(id, value);
    if (value.length <= secretLimit) return value;
    throw tooLarge(id, value.length);
  }
}

function readFile(id: string, path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > secretLimit) throw tooLarge(id, size);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof CoracleError) throw error;
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw ioError(`read secret ${id} from ${path}`, error);
    throw new CoracleError('NOT_FOUND', `read secret ${id}: there is no file ${path}`, { cause: error });
  }
}

function tooLarge(id: string, size: number): CoracleError {
  return new CoracleError(
    'INVALID',
    `read secret ${id}: ${size} bytes, more than the ${secretLimit} allowed`,
  );
}
