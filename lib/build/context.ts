/** Opens one context: a directory of the user, or a tree that is fetched, with the ignore file that goes with it. */
import { realpathSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { readBytes } from '../host/files.js';
import { beginsArchive, blockSize } from './add-archive.js';
import type { ContextSource } from './context-source.js';
import { ContextTree } from './context-tree.js';
import type { FetchedTree, Fetcher } from './fetched-tree.js';
import { withoutPassword } from './git-reference.js';
import { IgnoreMatcher, parseIgnoreFile } from './ignore.js';
import { openUrl, peek, type RequestUrl } from './url.js';

/** The files of a context, ready to be copied. */
export type ContextFiles =
  | { readonly kind: 'directory'; readonly tree: ContextTree }
  | { readonly kind: 'fetched'; readonly tree: FetchedTree; readonly ignore: IgnoreMatcher };

/** A place whose ignore file is yet to be read. */
export type ContextPlace =
  | { readonly kind: 'directory'; readonly root: string }
  | { readonly kind: 'fetched'; readonly tree: FetchedTree };

/** What may stand where a context is asked for and hold a Dockerfile alone. */
export type StreamedPlace =
  | ContextPlace
  | { readonly kind: 'text'; readonly text: AsyncIterable<Uint8Array> };

/** A Dockerfile has a page, an ignore file a few; anything larger is a mistake (or /dev/zero). */
export const textLimit = 16 * 1024 * 1024;

/** Fetches what is not there yet. @throws NOT_FOUND, INVALID, NETWORK */
export async function openPlace(
  source: Exclude<ContextSource, { kind: 'image' | 'layout' }>,
  fetcher: Fetcher,
  request: RequestUrl,
): Promise<StreamedPlace> {
  switch (source.kind) {
    case 'directory':
      return { kind: 'directory', root: openDirectory(source.path) };
    case 'git': {
      const resolved = await fetcher.commitOf(source.repository);
      return { kind: 'fetched', tree: await fetcher.checkOut(source.repository, resolved) };
    }
    case 'url':
      return openStream((await openUrl(request, source.url)).body(), fetcher);
  }
}

/** An archive becomes a tree; anything else is taken for text. */
export async function openStream(bytes: AsyncIterable<Uint8Array>, fetcher: Fetcher): Promise<StreamedPlace> {
  const { start, whole } = await peek(bytes, blockSize);
  if (!beginsArchive(start)) return { kind: 'text', text: whole };
  return { kind: 'fetched', tree: await fetcher.unpack(whole) };
}

/** A context by name must be files. */
export async function openNamedPlace(
  name: string,
  source: Exclude<ContextSource, { kind: 'image' | 'layout' }>,
  fetcher: Fetcher,
  request: RequestUrl,
): Promise<ContextPlace> {
  const place = await openPlace(source, fetcher, request);
  if (place.kind !== 'text') return place;
  const url = source.kind === 'url' ? withoutPassword(source.url) : '';
  throw new CoracleError('INVALID', `use context ${name}=${url}: it is no archive`);
}

/** A text of the place by its path there; undefined when there is none. */
export async function readText(
  place: ContextPlace,
  path: string,
  fetcher: Fetcher,
): Promise<Buffer | undefined> {
  if (place.kind === 'fetched') return fetcher.read(place.tree, path, textLimit);
  return readBytes(isAbsolute(path) ? path : join(place.root, path), textLimit);
}

/**
 * The files without those that an ignore file leaves out: the first of `candidates` (paths in the place) that is there,
 * or the patterns given.
 */
export async function contextFiles(
  place: ContextPlace,
  ignored: readonly string[] | { readonly text: Buffer; readonly name: string },
  fetcher: Fetcher,
): Promise<ContextFiles> {
  const found = 'text' in ignored ? ignored : await firstText(place, ignored, fetcher);
  const patterns = found === undefined ? [] : parseIgnoreFile(found.text.toString());
  if (place.kind === 'directory') {
    return { kind: 'directory', tree: new ContextTree(place.root, new IgnoreMatcher(patterns, found?.name)) };
  }
  const ignore = new IgnoreMatcher([...patterns, ...place.tree.hidden], found?.name);
  return { kind: 'fetched', tree: place.tree, ignore };
}

async function firstText(
  place: ContextPlace,
  candidates: readonly string[],
  fetcher: Fetcher,
): Promise<{ readonly text: Buffer; readonly name: string } | undefined> {
  for (const name of candidates) {
    const text = await readText(place, name, fetcher);
    if (text !== undefined) return { text, name: place.kind === 'directory' ? join(place.root, name) : name };
  }
  return undefined;
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
    hint: 'an archive goes to standard input: coracle build - < FILE',
  });
}
