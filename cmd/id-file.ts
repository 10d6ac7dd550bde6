/** `--cidfile`: a file that must not exist, and is gone again if no container was made. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../lib/index.js';

export type IdFile = {
  readonly write: (id: string) => void;
  /** Removes the file unless an id was written. */
  readonly close: () => void;
};

/** Makes the file. @throws USAGE when it is there. */
export function reserveIdFile(path: string): IdFile {
  const descriptor = create(path);
  let written = false;
  return {
    write: (id) => {
      writeSync(descriptor, id);
      written = true;
    },
    close: () => {
      closeSync(descriptor);
      if (!written) rmSync(path, { force: true });
    },
  };
}

function create(path: string): number {
  try {
    return openSync(path, 'wx', 0o644);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create ${path} for --cidfile`, error);
    throw new CoracleError('USAGE', `create ${path} for --cidfile: it exists`, {
      cause: error,
      hint: 'remove it, or make sure that the container it names is gone',
    });
  }
}
