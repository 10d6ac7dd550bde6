/** Where the native programs lie: beside the bundled command line, beside the compiled library, or where CORACLE_NATIVE_DIR says. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CoracleError } from '../errors.js';

export type NativeProgram =
  | 'coracle-sv'
  | 'coracle-zstd'
  | 'coracle.node'
  | 'coracle-gzip.node'
  | 'coracle-frames.node'
  | 'coracle-expand.node';

let found: string | undefined;

/** The directory that holds the native programs. @throws HOST when they have not been built. */
export function nativeDirectory(): string {
  found ??= findDirectory();
  return found;
}

/** Absolute path of a native program. */
export function nativePath(program: NativeProgram): string {
  return join(nativeDirectory(), program);
}

function findDirectory(): string {
  const chosen = process.env.CORACLE_NATIVE_DIR;
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = chosen
    ? [resolve(chosen)]
    : [join(here, 'native'), resolve(here, '../../../dist/native'), resolve(here, '../../dist/native')];
  const directory = candidates.find((candidate) => existsSync(join(candidate, 'coracle.node')));
  if (directory !== undefined) return directory;
  throw new CoracleError('HOST', `find native programs: none in ${candidates.join(', ')}`, {
    hint: 'run npm run build:native, or set CORACLE_NATIVE_DIR to their directory',
  });
}
