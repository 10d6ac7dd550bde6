/**
 * Files by URL, for ADD. What a server said of a URL is remembered (its ETag or time, and the content's digest), so that a
 * later build asks whether it changed instead of fetching it again.
 */
import { createHash } from 'node:crypto';
import { createWriteStream, utimesSync } from 'node:fs';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { sha256 } from './cache-key.js';
import { withoutPassword } from './git-reference.js';
import { type RequestUrl, statusError, type UrlResponse } from './url.js';

/** What stands for a URL's content. */
export type UrlContent = {
  /** `sha256:...` */
  readonly digest: string;
  /** Seconds since the epoch: Last-Modified, or 0. */
  readonly mtime: number;
};

type UrlRecord = UrlContent & {
  readonly version: 1;
  readonly url: string;
  readonly etag: string;
  readonly modified: string;
};

export type UrlPlaces = {
  /** Where records are kept. */
  readonly records: string;
  /** A new directory for a file. */
  readonly directory: () => string;
};

export type UrlFileRequest = {
  readonly url: string;
  readonly checksum?: string | undefined;
  readonly authorization?: string | undefined;
  readonly onProgress?: ((current: number, total: number | undefined) => void) | undefined;
};

/** Nobody adds a file this large; a server that sends without end is stopped. */
const sizeLimit = 64 * 1024 ** 3;
const nameLimit = 255;

/** One URL of a build. */
export class UrlFile {
  /** In the image, where the destination is a directory. */
  readonly name: string;
  readonly #request: RequestUrl;
  readonly #places: UrlPlaces;
  readonly #options: UrlFileRequest;
  #fetched: { readonly content: UrlContent; readonly directory: string } | undefined;

  /** @throws INVALID for a name that no file can have. */
  constructor(request: RequestUrl, places: UrlPlaces, options: UrlFileRequest) {
    this.#request = request;
    this.#places = places;
    this.#options = options;
    this.name = fileName(options.url);
  }

  /** The content as far as a key needs it: by checksum without a request, else fetched if it changed. */
  async content(): Promise<{ readonly digest: string; readonly mtime?: number }> {
    const { checksum } = this.#options;
    if (checksum !== undefined) return { digest: checksum };
    const record = this.#record();
    const headers = record === undefined ? {} : conditions(record);
    const response = await this.#send(headers);
    if (record !== undefined && response.status === 304) {
      await response.close();
      return { digest: record.digest, mtime: record.mtime };
    }
    return (await this.#save(response)).content;
  }

  /** The directory that holds the file under its name, mode 0600. @throws INTEGRITY for content of another digest. */
  async directory(): Promise<string> {
    this.#fetched ??= await this.#save(await this.#send({}));
    return this.#fetched.directory;
  }

  async #send(headers: Readonly<Record<string, string>>): Promise<UrlResponse> {
    const { url, authorization } = this.#options;
    const response = await this.#request({
      url,
      action: this.#action,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
    });
    if (response.status === 200 || (response.status === 304 && Object.keys(headers).length > 0))
      return response;
    await response.close();
    throw statusError(this.#action, response.status);
  }

  async #save(response: UrlResponse): Promise<{ readonly content: UrlContent; readonly directory: string }> {
    const directory = this.#places.directory();
    const path = join(directory, 'file');
    const hash = createHash('sha256');
    const total = Number(response.header('content-length') ?? Number.NaN);
    if (total > sizeLimit) throw this.#tooLarge();
    try {
      const target = createWriteStream(path, { flags: 'wx', mode: 0o600 });
      await pipeline(this.#counted(response.body(), hash, total), target);
    } catch (error) {
      throw ioError(`${this.#action}`, error);
    }
    const digest = `sha256:${hash.digest('hex')}`;
    const { checksum } = this.#options;
    if (checksum !== undefined && checksum !== digest) {
      throw new CoracleError('INTEGRITY', `${this.#action}: its content has digest ${digest}`, {
        exitCode: 1,
        hint: `--checksum wants ${checksum}`,
      });
    }
    const mtime = lastModified(response);
    utimesSync(path, mtime, mtime);
    const content = { digest, mtime };
    this.#remember(response, content);
    this.#fetched = { content, directory };
    return this.#fetched;
  }

  async *#counted(
    chunks: AsyncIterable<Uint8Array>,
    hash: { update(data: Uint8Array): unknown },
    total: number,
  ): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > sizeLimit) throw this.#tooLarge();
      hash.update(chunk);
      this.#options.onProgress?.(size, Number.isFinite(total) ? total : undefined);
      yield chunk;
    }
  }

  /** A damaged record is no record. */
  #record(): UrlRecord | undefined {
    try {
      return parseRecord(readJson(this.#recordPath), this.#options.url);
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
      throw error;
    }
  }

  /** What was fetched with a secret is not remembered: others of this store may not have it. */
  #remember(response: UrlResponse, content: UrlContent): void {
    const [etag, modified] = [response.header('etag') ?? '', response.header('last-modified') ?? ''];
    const { url, authorization } = this.#options;
    if ((etag === '' && modified === '') || authorization !== undefined) return;
    ensureDirectory(this.#places.records);
    const record: UrlRecord = { version: 1, url: withoutPassword(url), etag, modified, ...content };
    writeFileAtomic(this.#recordPath, JSON.stringify(record));
  }

  get #recordPath(): string {
    return join(this.#places.records, `${sha256(this.#options.url)}.json`);
  }

  get #action(): string {
    return `add ${withoutPassword(this.#options.url)}`;
  }

  #tooLarge(): CoracleError {
    return new CoracleError('INVALID', `${this.#action}: more than ${sizeLimit} bytes`);
  }
}

/** As BuildKit names it: the last part of the path. What would be a path, or nothing, gets a name that is none. */
function fileName(url: string): string {
  const { pathname } = new URL(url);
  const decoded = decode(pathname);
  const name = posix.basename(decoded);
  const reason =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    /[\x00-\x1f\x7f]/.test(name)
      ? 'its name holds control characters'
      : Buffer.byteLength(name) > nameLimit
        ? 'its name is too long'
        : undefined;
  if (reason !== undefined) throw new CoracleError('INVALID', `add ${withoutPassword(url)}: ${reason}`);
  return name === '' || name === '.' || name === '..' ? '__unnamed__' : name;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
}

function conditions({ etag, modified }: UrlRecord): Readonly<Record<string, string>> {
  return etag === '' ? { 'if-modified-since': modified } : { 'if-none-match': etag };
}

/** Seconds since the epoch; 0 where the server does not say, so that two downloads are the same. */
function lastModified(response: UrlResponse): number {
  const time = Date.parse(response.header('last-modified') ?? '');
  return Number.isFinite(time) ? Math.max(0, Math.floor(time / 1000)) : 0;
}

function parseRecord(value: unknown, url: string): UrlRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, url: of, etag, modified, digest, mtime } = value as Partial<UrlRecord>;
  const isWhole =
    version === 1 &&
    of === withoutPassword(url) &&
    typeof etag === 'string' &&
    typeof modified === 'string' &&
    typeof digest === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(digest) &&
    typeof mtime === 'number';
  return isWhole ? { version: 1, url: of, etag, modified, digest, mtime } : undefined;
}
