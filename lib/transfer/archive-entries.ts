/** The files of an archive that is written: all alike, so that equal images give equal archives. */
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TarHeader } from '../layer/tar-entry.js';
import { asBuffer } from '../layer/tar-reader.js';

/** A file with its content, as the tar writer takes it. */
export type ArchiveEntry = TarHeader & { content(): AsyncIterable<Buffer> };

const noBytes = Buffer.alloc(0);

/** A file of `size` bytes. */
export function fileEntry(name: string, size: number, open: () => AsyncIterable<Buffer>): ArchiveEntry {
  return { ...header(name), type: 'file', mode: 0o644, size, content: open };
}

/** A file whose content is at hand. */
export function textEntry(name: string, bytes: string | Uint8Array): ArchiveEntry {
  const content = Buffer.from(bytes);
  return fileEntry(name, content.length, () => once(content));
}

/** A directory; `name` ends with a slash. */
export function directoryEntry(name: string): ArchiveEntry {
  return { ...header(name), type: 'directory', mode: 0o755, size: 0, content: () => once(noBytes) };
}

/** A file's bytes. */
export async function* readWhole(path: string): AsyncGenerator<Buffer, void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) yield asBuffer(chunk);
}

function header(name: string): Omit<TarHeader, 'type' | 'mode' | 'size'> {
  return {
    path: Buffer.from(name),
    uid: 0,
    gid: 0,
    mtime: { s: 0, ns: 0 },
    linkTarget: noBytes,
    xattrs: new Map(),
    major: 0,
    minor: 0,
  };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}

/** The files below a directory of ours as entries, in the order of their names. */
export async function* directoryFiles(directory: string): AsyncGenerator<ArchiveEntry, void> {
  const found = readdirSync(directory, { withFileTypes: true, recursive: true });
  const names = found.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
  for (const { entry, path } of names.sort((one, other) => (one.path < other.path ? -1 : 1))) {
    const name = relative(directory, path);
    if (entry.isDirectory()) yield directoryEntry(`${name}/`);
    else yield fileEntry(name, statSync(path).size, () => readWhole(path));
  }
}
