/** Programs of the host that turn one byte stream into another: zstd (ours), bzip2, xz. */
import { CoracleError, hasErrno } from '../errors.js';
import { startedChild } from '../host/child.js';
import { asBuffer } from './tar-reader.js';

/** The formats a program handles. */
export type FilterName = 'zstd' | 'bzip2' | 'xz';

const packages: Readonly<Record<FilterName, string>> = {
  zstd: 'build the native part with `npm run build:native`, or install the package zstd',
  bzip2: 'install the package bzip2',
  xz: 'install the package xz-utils',
};

/**
 * The program's standard output for this input. It gets an empty environment but PATH and no descriptor besides
 * its three. Throws HOST when there is no such program, INTEGRITY when it fails; ends it when the reader leaves.
 */
export async function* filterProgram(
  source: AsyncIterable<Uint8Array>,
  name: FilterName,
  args: readonly string[],
): AsyncGenerator<Buffer, void> {
  const { spawn } = await import('node:child_process');
  const { pipeline, Readable } = await import('node:stream');
  const path = await programPath(name);
  const child = startedChild(
    spawn(path, args, { env: { PATH: systemPath }, cwd: '/', stdio: 'pipe' }),
    `filter ${name}`,
  );
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(hasErrno(error, 'ENOENT') ? 'missing' : error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`));
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = (complaint + text.toString('utf8')).slice(0, 500);
  });
  let sourceError: unknown;
  const noted = noteError(source, (error) => {
    sourceError = error;
    child.kill('SIGKILL');
  });
  const input = Readable.from(noted, { objectMode: false });
  // a program that ends early closes its input, which then fails with EPIPE; its exit status tells why
  pipeline(input, child.stdin, () => undefined);
  try {
    for await (const chunk of child.stdout) yield asBuffer(chunk);
    const failure = await ended;
    if (sourceError !== undefined) throw sourceError;
    if (failure !== undefined) throw filterError(name, failure, complaint);
    // bzip2 takes what follows the end for no failure, and says so
    if (complaint.includes('trailing garbage')) throw filterError(name, 'garbage follows its end', '');
  } finally {
    child.kill('SIGKILL');
    input.destroy();
  }
}

/** The same bytes; whoever reads them may not see an error of their source, which is told here. */
export async function* noteError(
  source: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* source;
  } catch (error) {
    onError(error);
    throw error;
  }
}

const systemPath = '/usr/local/bin:/usr/bin:/bin';

async function programPath(name: FilterName): Promise<string> {
  if (name !== 'zstd') return name;
  const { nativePath } = await import('../native/location.js');
  return nativePath('coracle-zstd');
}

function filterError(name: FilterName, failure: string, complaint: string): CoracleError {
  if (failure === 'missing') {
    return new CoracleError('HOST', `filter ${name} stream: the program ${name} is not installed`, {
      hint: packages[name],
    });
  }
  const detail = complaint.trim() === '' ? failure : `${failure}: ${complaint.trim().split('\n')[0]}`;
  return new CoracleError('INTEGRITY', `filter ${name} stream: ${detail}`, {
    hint: 'the data is damaged or truncated; fetch it again',
  });
}
