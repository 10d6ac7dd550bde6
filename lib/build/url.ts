/** HTTP as builds use it; who does it is handed in, so that the builder knows no transport. */
import { CoracleError } from '../errors.js';
import { withoutPassword } from './git-reference.js';

export type UrlRequest = {
  readonly url: string;
  readonly method?: 'GET' | 'HEAD';
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `verb object`, for errors. */
  readonly action: string;
};

/** Any status. Read the body or close it. */
export type UrlResponse = {
  readonly status: number;
  /** The header of that lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
};

export type RequestUrl = (request: UrlRequest) => Promise<UrlResponse>;

/** An answer with content. @throws NOT_FOUND, NETWORK for other statuses. */
export async function openUrl(request: RequestUrl, url: string): Promise<UrlResponse> {
  const action = `fetch ${withoutPassword(url)}`;
  const response = await request({ url, action });
  if (response.status === 200) return response;
  await response.close();
  throw statusError(action, response.status);
}

/** What a status that brings no content means. */
export function statusError(action: string, status: number): CoracleError {
  const code = status === 404 || status === 410 ? 'NOT_FOUND' : 'NETWORK';
  return new CoracleError(code, `${action}: the server answered ${status}`, { exitCode: 1 });
}

/** All of a short text. @throws INVALID past `limit`. */
export async function readAll(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
  what: string,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > limit) throw new CoracleError('INVALID', `read ${what}: more than ${limit} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** The first bytes of a stream, and the whole of it again. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ readonly start: Buffer; readonly whole: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const ahead: Uint8Array[] = [];
  let size = 0;
  while (size < length) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    ahead.push(value);
    size += value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* ahead;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { start: Buffer.concat(ahead), whole: whole() };
}
