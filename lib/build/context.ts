/** Opens what a build reads: the Dockerfile, the ignore file that goes with it, and the context directory. */
import { realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Dockerfile } from '../dockerfile/instructions.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { readBytes } from '../host/files.js';
import { ContextTree } from './context-tree.js';
import { IgnoreMatcher, parseIgnoreFile } from './ignore.js';
import type { BuildOptions } from './options.js';

export type OpenedContext = { readonly dockerfile: Dockerfile; readonly tree: ContextTree };

/** A Dockerfile has a page, an ignore file a few; anything larger is a mistake (or /dev/zero). */
const dockerfileLimit = 16 * 1024 * 1024;
const defaultNames = ['Dockerfile', 'Containerfile'];

/**
 * Reads and parses the Dockerfile and opens the context.
 * @throws NOT_FOUND, INVALID with an excerpt, IO.
 */
export function openContext(options: BuildOptions): OpenedContext {
  const root = openDirectory(options.context);
  const { path, bytes } = readDockerfile(root, options);
  const dockerfile = parseDockerfile(bytes, path ?? 'Dockerfile');
  const ignore = readIgnore(root, path);
  return { dockerfile, tree: new ContextTree(root, ignore) };
}

function openDirectory(context: string): string {
  try {
    const root = realpathSync(context);
    if (statSync(root).isDirectory()) return root;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw ioError(`open build context ${context}`, error);
    throw new CoracleError('NOT_FOUND', `open build context ${context}: no such directory`, {
      hint: 'the last argument of build is the directory with the files of the image, often .',
    });
  }
  throw new CoracleError('INVALID', `open build context ${context}: it is not a directory`, {
    hint: 'archives and URLs as contexts are not supported; give a directory',
  });
}

function readDockerfile(
  root: string,
  options: BuildOptions,
): { path: string | undefined; bytes: Uint8Array } {
  if (options.dockerfileContent !== undefined) return { path: undefined, bytes: options.dockerfileContent };
  if (options.dockerfile !== undefined) {
    // Relative to the working directory, as docker has it; podman's users mean the context.
    const path = [resolve(options.dockerfile), join(root, options.dockerfile)].find(isFile);
    if (path === undefined) throw noDockerfile(options.dockerfile);
    return { path, bytes: readOr(path) };
  }
  const path = defaultNames.map((name) => join(root, name)).find(isFile);
  if (path === undefined) throw noDockerfile(join(root, 'Dockerfile'));
  return { path, bytes: readOr(path) };
}

function readOr(path: string): Uint8Array {
  const bytes = readBytes(path, dockerfileLimit);
  if (bytes === undefined) throw noDockerfile(path);
  return bytes;
}

function noDockerfile(path: string): CoracleError {
  return new CoracleError('NOT_FOUND', `read Dockerfile ${path}: no such file`, {
    exitCode: 1,
    hint: 'name it with -f, or put a Dockerfile into the context',
  });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** `<Dockerfile>.dockerignore` beats the one in the context. */
function readIgnore(root: string, dockerfile: string | undefined): IgnoreMatcher {
  const beside = dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`];
  for (const path of [...beside, join(root, '.containerignore'), join(root, '.dockerignore')]) {
    const bytes = readBytes(path, dockerfileLimit);
    if (bytes !== undefined) return new IgnoreMatcher(parseIgnoreFile(bytes.toString()), path);
  }
  return new IgnoreMatcher([]);
}
