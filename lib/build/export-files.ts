/** `--output type=local` and `type=tar`: the files of the result, without an image around them. */
import { mkdirSync, realpathSync } from 'node:fs';
import { CoracleError, ioError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import { flattenTar } from '../layer/diff.js';
import { LayerExtractor } from '../layer/layer-extractor.js';
import { defaultTarLimits, type TarEntry, type TarHeader } from '../layer/tar-entry.js';
import { readTar } from '../layer/tar-reader.js';
import { writeTar } from '../layer/tar-writer.js';
import { openAgent } from '../native/agent.js';
import { formatPlatform, type Platform } from '../oci/platform.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { FilesOutput } from './output.js';
import type { BuildSession } from './session.js';

/** The files of one platform's result, and documents that go beside them. */
export type FilesResult = {
  readonly platform: Platform;
  readonly top: SnapshotRecord | undefined;
  /** Seconds since the epoch that no file is later than. */
  readonly clampMtime: number | undefined;
  readonly documents: readonly { readonly name: string; readonly bytes: Buffer }[];
};

/**
 * Writes the results' files. In a directory they belong to the caller, without set-id bits, and what is there already
 * stays unless it has the same name.
 * @throws USAGE for a destination that cannot be one, IO and NO_SPACE.
 */
export async function exportFiles(
  session: BuildSession,
  output: FilesOutput,
  results: readonly FilesResult[],
): Promise<void> {
  const split = output.platformSplit ?? results.length > 1;
  const entries = allEntries(session, results, split);
  if (output.kind === 'local') return extractTo(session, output.dest, entries);
  return writeOutput(output.dest, writeTar(entries));
}

async function* allEntries(
  session: BuildSession,
  results: readonly FilesResult[],
  split: boolean,
): AsyncGenerator<TarEntry, void> {
  for (const { platform, top, documents, clampMtime } of results) {
    const directory = split ? formatPlatform(platform).replaceAll('/', '_') : undefined;
    if (directory !== undefined) yield madeEntry(`${directory}/`, 'directory', noBytes);
    const handle = top === undefined ? undefined : await session.stack(top);
    if (handle !== undefined) {
      const tar = flattenTar(
        { agent: session.agent(), handle },
        {
          ...(clampMtime === undefined ? {} : { clampMtime }),
          onWarning: (message) => session.onEvent({ kind: 'warning', message }),
        },
      );
      for await (const entry of readTar(tar, defaultTarLimits)) yield below(directory, entry);
    }
    for (const { name, bytes } of documents) yield below(directory, madeEntry(name, 'file', bytes));
  }
}

/** The entry in a directory of its platform. */
function below(directory: string | undefined, entry: TarEntry): TarEntry {
  if (directory === undefined) return entry;
  const inside = (path: Buffer): Buffer => Buffer.concat([Buffer.from(`${directory}/`), path]);
  return {
    ...entry,
    content: () => entry.content(),
    path: inside(entry.path),
    linkTarget: entry.type === 'link' ? inside(entry.linkTarget) : entry.linkTarget,
  };
}

/** Through a file agent that sees nothing but the directory: no link, of the result or there before, leads out of it. */
async function extractTo(
  session: BuildSession,
  dest: string,
  entries: AsyncIterable<TarEntry>,
): Promise<void> {
  const idMap = session.stores.idMap();
  const agent = openAgent({ idMap, roots: [{ path: directoryAt(dest), writable: true }] });
  try {
    const handle = await agent.stack([0], { writable: true });
    const extractor = new LayerExtractor({ agent, handle, idMap }, defaultTarLimits);
    for await (const entry of entries) {
      session.options.signal?.throwIfAborted();
      await extractor.apply(ownedByCaller(entry));
    }
    await extractor.finish();
    for (const message of extractor.warnings) session.onEvent({ kind: 'warning', message });
  } finally {
    await agent.close();
  }
}

function directoryAt(dest: string): string {
  try {
    mkdirSync(dest, { recursive: true });
    return realpathSync(dest);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EEXIST' || error.code === 'ENOTDIR'))
      throw new CoracleError('USAGE', `write to ${dest}: it is not a directory`, { cause: error });
    throw ioError(`make directory ${dest}`, error);
  }
}

const setIdBits = 0o6000;

/** Root of the namespace is the caller outside of it. */
function ownedByCaller(entry: TarEntry): TarEntry {
  return {
    ...entry,
    content: () => entry.content(),
    uid: 0,
    gid: 0,
    mode: entry.mode & ~setIdBits,
    xattrs: new Map(),
  };
}

const noBytes = Buffer.alloc(0);

function madeEntry(name: string, type: 'file' | 'directory', bytes: Buffer): TarEntry {
  const header: TarHeader = {
    path: Buffer.from(name),
    type,
    mode: type === 'file' ? 0o644 : 0o755,
    uid: 0,
    gid: 0,
    size: bytes.length,
    mtime: { s: 0, ns: 0 },
    linkTarget: noBytes,
    xattrs: new Map(),
    major: 0,
    minor: 0,
  };
  return {
    ...header,
    content: async function* () {
      yield bytes;
    },
  };
}
