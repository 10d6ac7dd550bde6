/** Parts of a blob: several by one request where the server gives several, else each by its own. */
import { CoracleError } from '../errors.js';
import { pullAccess } from './authorizer.js';
import type { BlobDescriptor } from './blobs.js';
import { partsBoundary, type RangePiece, readParts } from './byte-ranges.js';
import type { RegistryClient } from './client.js';
import { TransientError } from './errors.js';
import { bodyChunks, discardBody, type HttpResponse } from './response.js';
import { beforeRetry } from './retry.js';

/** A part of a blob, `end` excluded. */
export type BlobRange = { readonly start: number; readonly end: number };

/** So that the header stays small everywhere. */
const rangesPerRequest = 64;

/**
 * The bytes of ranges, which are apart and in order, going on at their places after a break. They are not verified.
 * @throws UNSUPPORTED where the server knows no ranges.
 */
export async function* readBlobRanges(
  client: RegistryClient,
  repository: string,
  blob: BlobDescriptor,
  ranges: readonly BlobRange[],
): AsyncGenerator<RangePiece, void> {
  const { retryPolicy: policy, signal, onRetry } = client;
  const action = `fetch a part of blob ${blob.digest}`;
  const left = ranges.filter(({ start, end }) => start < end);
  let attempt = 1;
  while (left.length > 0) {
    const asked = left.slice(0, client.givesManyRanges ? rangesPerRequest : 1);
    let came = 0;
    try {
      const response = await client.requestOnce({
        method: 'GET',
        target: `${repository}/blobs/${blob.digest}`,
        headers: { range: `bytes=${asked.map(({ start, end }) => `${start}-${end - 1}`).join(',')}` },
        access: pullAccess(repository),
        // a server that does not give several may say so in many ways
        accept: asked.length > 1 ? [200, 206, 400, 403, 416, 501] : [200, 206],
        action,
      });
      for await (const piece of pieces(client, response, asked, action)) {
        came += piece.bytes.length;
        take(left, piece, action);
        yield piece;
      }
      if (came === 0) client.givesManyRanges = false;
    } catch (error) {
      if (asked.length > 1 && isMalformed(error)) {
        client.givesManyRanges = false;
        continue;
      }
      if (came > 0) attempt = 1;
      await beforeRetry(error, attempt++, { policy, signal, onRetry });
    }
  }
}

/** Whether an answer was not understood: what was asked in it is asked again, range by range. */
function isMalformed(error: unknown): boolean {
  return error instanceof CoracleError && error.code === 'REGISTRY' && !(error instanceof TransientError);
}

/** Takes what came off what is left. */
function take(left: BlobRange[], { position, bytes }: RangePiece, action: string): void {
  const at = left.findIndex(({ start }) => start === position);
  const range = left[at];
  if (range === undefined || position + bytes.length > range.end)
    throw new CoracleError('REGISTRY', `${action}: too many bytes came`);
  const start = position + bytes.length;
  if (start === range.end) left.splice(at, 1);
  else left[at] = { start, end: range.end };
}

/** What an answer gives of the ranges; nothing where it gives none of several, which are not asked for together again. */
async function* pieces(
  client: RegistryClient,
  response: HttpResponse,
  asked: readonly BlobRange[],
  action: string,
): AsyncGenerator<RangePiece, void> {
  const [first] = asked;
  if (first === undefined) return discardBody(response);
  const boundary = response.status === 206 ? partsBoundary(response.headers['content-type']) : undefined;
  if (asked.length > 1 && boundary !== undefined)
    return yield* readParts(bodyChunks(response, action), boundary);
  // one answer for several: its only part may be the first of them
  if (asked.length > 1) client.givesManyRanges = false;
  if (asked.length > 1 && !isRange(response, first)) return discardBody(response);
  checkRange(response, first, action);
  let position = first.start;
  for await (const bytes of bodyChunks(response, action)) {
    yield { position, bytes };
    position += bytes.length;
  }
  if (position < first.end) throw new TransientError('NETWORK', `${action}: the answer ended early`);
}

function isRange({ status, headers }: HttpResponse, { start, end }: BlobRange): boolean {
  const range = /^bytes (\d+)-(\d+)\//.exec(headers['content-range'] ?? '');
  return status === 206 && Number(range?.[1]) === start && Number(range?.[2]) === end - 1;
}

function checkRange(response: HttpResponse, range: BlobRange, action: string): void {
  if (isRange(response, range)) return;
  discardBody(response);
  if (response.status !== 206)
    throw new CoracleError('UNSUPPORTED', `${action}: the registry sends whole blobs only`);
  throw new CoracleError('REGISTRY', `${action}: asked for bytes from ${range.start}, got another range`);
}
