/**
 * `dir:`: one image as plain files: `manifest.json`, blobs named by their digests' digits, manifests of an index as
 * `DIGITS.manifest.json`, and `version`. Nothing is compressed or converted on the way there.
 * https://github.com/containers/image/blob/main/docs/containers-transports.5.md#dirpath
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { manifestLimit } from '../oci/manifest.js';
import type { AttachedSignature } from '../trust/signature.js';
import { type Archive, openDirectory, readFile } from './archive.js';
import { BlobFiles } from './blob-files.js';
import { type ImageSource, type ImageTarget, type PlacedManifest, placedManifest } from './place.js';
import {
  encodeSignatureFile,
  parseSignatureFile,
  signatureFileLimits,
  signatureFileName,
} from './signature-files.js';

const versionName = 'version';
const manifestName = 'manifest.json';
const versionText = 'Directory Transport Version: 1.1\n';
const versionPattern = /^Directory Transport Version: 1\.[0-9]+\n?$/;
/** What may lie in such a directory besides. */
const ownFile = /^(?:(?:sha512-)?[0-9a-f]{64,128}(?:\.manifest\.json)?|signature-\d+|.*\.signature-\d+)$/;
/** What a copy that was killed was writing: it goes with the old files. */
const unfinished = /^\.making-[0-9a-f]{16}$|^\..+\.[0-9a-f]{12}$|^.+\.[0-9a-f]{12}\.tmp$/;

/** Whether an archive or directory has this form. */
export async function isImageDirectory(archive: Archive): Promise<boolean> {
  const size = archive.size(versionName);
  if (size === undefined || size > 256 || archive.size(manifestName) === undefined) return false;
  return versionPattern.test((await readFile(archive, versionName, 256)).toString('utf8'));
}

/** Opens the image in a directory for reading. @throws NOT_FOUND */
export function directorySource(path: string, archive: Archive = openImageDirectory(path)): ImageSource {
  const read = (name: string): Promise<Buffer> => readFile(archive, name, manifestLimit);
  return {
    name: path,
    root: async () => placedManifest(await read(manifestName), `${path}/${manifestName}`),
    child: async (descriptor) => {
      const name = `${blobName(descriptor.digest)}.manifest.json`;
      return placedManifest(await read(name), `${path}/${name}`, descriptor);
    },
    open: (blob) => archive.open(blobName(blob.digest)),
    signatures: async (digest) => {
      const root = placedManifest(await read(manifestName), `${path}/${manifestName}`);
      return readSignatureFiles(archive, root.descriptor.digest === digest ? undefined : blobName(digest));
    },
    isMade: () => false,
    close: async () => undefined,
  };
}

async function readSignatureFiles(
  archive: Archive,
  digits: string | undefined,
): Promise<readonly AttachedSignature[]> {
  const { count, bytes } = signatureFileLimits;
  const found: AttachedSignature[] = [];
  for (let number = 1; number <= count; number++) {
    const name = signatureFileName(number, digits);
    if (archive.size(name) === undefined) break;
    const signature = parseSignatureFile(await readFile(archive, name, bytes), name);
    if (signature !== undefined) found.push(signature);
  }
  return found;
}

function openImageDirectory(path: string): Archive {
  try {
    return openDirectory(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw new CoracleError('NOT_FOUND', `open dir:${path}: no such directory`, { cause: error });
    }
    throw ioError(`open dir:${path}`, error);
  }
}

/** Opens a directory for writing; one that holds something else is refused. */
export function directoryTarget(path: string): ImageTarget {
  const files = new BlobFiles(path, blobName);
  const old = new Set(checkDirectory(path));
  let begun = false;
  let root: Digest | undefined;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    files.makeDirectory();
    // First, so that what an interrupted copy left is known as such.
    writeFileAtomic(join(path, versionName), versionText, { mode: 0o644 });
  };
  const keep = (name: string): void => {
    begin();
    old.delete(name);
  };
  return {
    name: path,
    compresses: false,
    takesIndex: true,
    has: async (blob) => {
      const has = files.has(blob);
      if (has) keep(blobName(blob.digest));
      return has;
    },
    put: async (blob, open) => {
      keep(blobName(blob.digest));
      await files.put(blob, open);
    },
    make: async (open) => {
      begin();
      const made = await files.make(open);
      keep(blobName(made.digest));
      return made;
    },
    putChild: async ({ bytes, descriptor: { digest } }) => {
      const name = `${blobName(digest)}.manifest.json`;
      keep(name);
      writeFileAtomic(join(path, name), bytes, { mode: 0o644 });
    },
    putRoot: async ({ bytes, descriptor }: PlacedManifest) => {
      begin();
      root = descriptor.digest;
      writeFileAtomic(join(path, manifestName), bytes, { mode: 0o644 });
      // What the manifest before this one named.
      for (const name of old) rmSync(join(path, name), { force: true });
    },
    putSignatures: async (digest, signatures) => {
      for (const [at, signature] of signatures.entries()) {
        const name = signatureFileName(at + 1, digest === root ? undefined : blobName(digest));
        keep(name);
        writeFileAtomic(join(path, name), encodeSignatureFile(signature), { mode: 0o644 });
      }
    },
    close: async () => undefined,
  };
}

/** The files of an image that the directory has now. @throws USAGE when it holds something else */
function checkDirectory(path: string): readonly string[] {
  try {
    const names = readdirSync(path);
    const own = names.filter((name) => ownFile.test(name) || unfinished.test(name));
    const known = [versionName, manifestName, ...own];
    const isImage =
      names.includes(versionName) && versionPattern.test(readFileSync(join(path, versionName), 'utf8'));
    const foreign = names.find((name) => !known.includes(name));
    const isEmpty = names.every((name) => unfinished.test(name));
    if (isEmpty || (isImage && foreign === undefined)) return own;
    throw new CoracleError('USAGE', `write dir:${path}: the directory holds something else`, {
      hint: 'name an empty directory, or one that does not exist',
    });
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    if (hasErrno(error, 'ENOTDIR'))
      throw new CoracleError('USAGE', `write dir:${path}: it is not a directory`);
    throw ioError(`write dir:${path}`, error);
  }
}

function blobName(digest: Digest): string {
  return digestAlgorithm(digest) === 'sha256' ? digestHex(digest) : `sha512-${digestHex(digest)}`;
}
