/** Files of a directory that is being filled: each is whole or not there. */
import { renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { makeDirectories } from '../host/files.js';
import { writeOutput } from '../host/output-file.js';
import { randomHex } from '../host/random.js';
import type { Digest } from '../oci/digest.js';
import type { BlobDescriptor } from '../registry/blobs.js';
import type { MadeBlob } from './place.js';

export class BlobFiles {
  readonly directory: string;
  readonly #nameOf: (digest: Digest) => string;

  /** `nameOf`: where a blob lies below the directory. */
  constructor(directory: string, nameOf: (digest: Digest) => string) {
    this.directory = directory;
    this.#nameOf = nameOf;
  }

  /** Makes the directory, or one below it. */
  makeDirectory(name = '.'): void {
    const path = join(this.directory, name);
    try {
      makeDirectories(path);
    } catch (error) {
      throw ioError(`make directory ${path}`, error);
    }
  }

  pathOf(digest: Digest): string {
    return join(this.directory, this.#nameOf(digest));
  }

  /** Whether a blob of this size lies there. */
  has({ digest, size }: BlobDescriptor): boolean {
    try {
      return statSync(this.pathOf(digest)).size === size;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return false;
      throw ioError(`open ${this.pathOf(digest)}`, error);
    }
  }

  async put({ digest }: BlobDescriptor, open: () => AsyncIterable<Buffer>): Promise<void> {
    await writeOutput(this.pathOf(digest), open());
  }

  async make(open: () => MadeBlob): Promise<BlobDescriptor> {
    const temporary = join(this.directory, `.making-${randomHex(8)}`);
    try {
      const { chunks, finish } = open();
      await writeOutput(temporary, chunks);
      const made = finish();
      renameSync(temporary, this.pathOf(made.digest));
      return made;
    } catch (error) {
      throw ioError(`write below ${this.directory}`, error);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}
