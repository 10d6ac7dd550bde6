/**
 * `cp`: a file or tree between containers, this host and tar streams. Reading and writing are done by file agents that see
 * the one end alone, so that a container which moves its directories about while it is copied leads nobody out (S34).
 */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import { LayerExtractor } from '../layer/layer-extractor.js';
import { isReservedName } from '../layer/layer-path.js';
import { defaultTarLimits, printablePath, type TarEntry } from '../layer/tar-entry.js';
import { readTar } from '../layer/tar-reader.js';
import { TarStream } from '../layer/tar-stream.js';
import type { Entry } from '../native/agent.js';
import { entryAt, type Place } from './copy-place.js';

export type CopyOptions = {
  /** Keep owners; else what is written belongs to root of the container, and on this host to the user. */
  readonly archive: boolean;
  /** A source that is a symbolic link stands for what it names. */
  readonly followLink: boolean;
  /** A directory may replace what is none, and the reverse. */
  readonly overwrite: boolean;
  readonly onWarning: (text: string) => void;
};

/** Copies between two places. @throws NOT_FOUND, INVALID for a directory onto a file. */
export async function copyBetween(from: Place, to: Place, idMap: IdMap, options: CopyOptions): Promise<void> {
  const source = await readSource(from, options);
  const target = await chooseTarget(from, to, source, options);
  const tar = tarOf(source, options.onWarning);
  await unpack(tar, { place: to, idMap, options, rename: (path) => under(target, path) });
}

/** The archive that `cp CONTAINER:PATH -` prints: its entries begin with the last name of the path. */
export async function* copyOut(from: Place, options: CopyOptions): AsyncGenerator<Buffer, void> {
  yield* tarOf(await readSource(from, options), options.onWarning);
}

/** Unpacks an archive into a directory. */
export async function copyIn(
  tar: AsyncIterable<Uint8Array>,
  to: Place,
  idMap: IdMap,
  options: CopyOptions,
): Promise<void> {
  if ((await entryAt(to, { follow: true }))?.type !== 'directory') {
    throw new CoracleError(
      'INVALID',
      `copy to ${to.shown}: an archive is unpacked into a directory, which it is not`,
    );
  }
  const base = await followed(to);
  await unpack(tar, { place: to, idMap, options, rename: (path) => join(base, path) });
}

type Source = { readonly place: Place; readonly entry: Entry; readonly path: string; readonly name: string };

async function readSource(place: Place, { followLink }: CopyOptions): Promise<Source> {
  const follow = followLink || place.slash;
  const entry = await entryAt(place, { follow });
  if (entry === undefined) {
    throw new CoracleError('NOT_FOUND', `copy ${place.shown}: no such file or directory`);
  }
  if (place.slash && entry.type !== 'directory') {
    throw new CoracleError('INVALID', `copy ${place.shown}: it is no directory`);
  }
  const path = follow ? await followed(place) : place.path;
  return { place, entry, path, name: place.contents ? '.' : posix.basename(place.path) };
}

async function followed(place: Place): Promise<string> {
  return (await place.agent.resolve(place.handle, place.path)).toString() || '.';
}

/** Where the source's own name goes; docker's rules for destinations that exist and that do not. */
async function chooseTarget(
  from: Place,
  to: Place,
  source: Source,
  { overwrite }: CopyOptions,
): Promise<string> {
  const there = await entryAt(to, { follow: true });
  const isDirectory = source.entry.type === 'directory';
  if (there === undefined) {
    const parent = await to.agent.stat(to.handle, posix.dirname(to.path), { follow: true });
    if (parent?.type !== 'directory' || (to.slash && !isDirectory)) {
      throw new CoracleError('NOT_FOUND', `copy to ${to.shown}: no such directory`);
    }
    return to.path;
  }
  const path = await followed(to);
  if (there.type !== 'directory') {
    if (to.slash) throw new CoracleError('INVALID', `copy to ${to.shown}: it is no directory`);
    if (isDirectory && !overwrite) throw ontoFile(from, to.shown);
    return path;
  }
  if (isDirectory && source.name === '.') return path;
  const target = join(path, source.name);
  const below = await to.agent.stat(to.handle, target);
  if (below !== undefined && !overwrite && (below.type === 'directory') !== isDirectory) {
    throw ontoFile(from, posix.join(to.shown, source.name));
  }
  return target;
}

function ontoFile(from: Place, target: string): CoracleError {
  return new CoracleError(
    'INVALID',
    `copy ${from.shown} to ${target}: one is a directory, the other is not`,
    { hint: '--overwrite replaces what is there' },
  );
}

/** The tree as an archive whose entries begin with the source's name. */
async function* tarOf(source: Source, onWarning: (text: string) => void): AsyncGenerator<Buffer, void> {
  const { place, path, name } = source;
  const stream = new TarStream({ onWarning, preciseTimes: true });
  const start = path === '.' ? 0 : Buffer.byteLength(path);
  for await (const event of place.agent.walk(place.handle, path, { contents: true })) {
    if (event.kind === 'data') {
      yield* stream.data(event.bytes);
      continue;
    }
    const rest = event.entry.path.subarray(start);
    const below = rest[0] === slash ? rest.subarray(1) : rest;
    yield* stream.entry({ ...event.entry, path: nameBytes(name, below) });
  }
  yield* stream.end();
}

const slash = 0x2f;

function nameBytes(name: string, below: Buffer): Buffer {
  if (below.length === 0) return Buffer.from(name);
  return Buffer.concat([Buffer.from(`${name}/`), below]);
}

type Unpacking = {
  readonly place: Place;
  readonly idMap: IdMap;
  readonly options: CopyOptions;
  /** From a path of the archive to one below the handle. */
  readonly rename: (path: Buffer) => Buffer;
};

async function unpack(tar: AsyncIterable<Uint8Array>, unpacking: Unpacking): Promise<void> {
  const { place, idMap, options } = unpacking;
  const { agent, handle } = place;
  const extractor = new LayerExtractor({ agent, handle, idMap }, defaultTarLimits);
  for await (const entry of readTar(tar, defaultTarLimits)) {
    const pending = extractor.apply(relocate(entry, unpacking));
    if (pending !== undefined) await pending;
  }
  await extractor.finish();
  for (const warning of extractor.warnings) options.onWarning(warning);
}

function relocate(entry: TarEntry, { rename, options }: Unpacking): TarEntry {
  if (isReservedName(entry.path)) {
    throw new CoracleError(
      'INVALID',
      `copy ${printablePath(entry.path)}: names that begin with .wh. are reserved for layers`,
    );
  }
  return {
    ...entry,
    path: rename(entry.path),
    ...(entry.type === 'link' ? { linkTarget: rename(entry.linkTarget) } : {}),
    ...(options.archive ? {} : { uid: 0, gid: 0 }),
    content: () => entry.content(),
  };
}

/** A path of the archive with its first name replaced by `target`. */
function under(target: string, path: Buffer): Buffer {
  const end = path.indexOf(slash);
  const below = end < 0 ? Buffer.alloc(0) : path.subarray(end + 1);
  return below.length === 0 ? Buffer.from(target) : join(target, below);
}

function join(base: string, path: string): string;
function join(base: string, path: Buffer): Buffer;
function join(base: string, path: string | Buffer): string | Buffer {
  if (typeof path === 'string') return base === '.' ? path : `${base}/${path}`;
  return base === '.' ? path : Buffer.concat([Buffer.from(`${base}/`), path]);
}
