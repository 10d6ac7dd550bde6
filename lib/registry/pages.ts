/** Lists that registries hand out in pages. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags */
import { CoracleError } from '../errors.js';
import type { HttpResponse } from './response.js';
import { resolveLocation } from './transport.js';

/** Bytes of all pages together: more names than any repository has. */
const bytesLimit = 64 * 1024 * 1024;

/** The way from page to page, which has an end whatever the server says. */
export class PageTrail {
  readonly #action: string;
  readonly #limit: number;
  readonly #seen = new Set<string>();
  #bytes = 0;

  /** @param limit how many pages there may be */
  constructor(action: string, limit: number) {
    this.#action = action;
    this.#limit = limit;
  }

  /** Where the page after this one is, whose body had `size` bytes; undefined after the last. @throws REGISTRY, NETWORK */
  next(response: HttpResponse, size: number): URL | undefined {
    const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
    if (link === undefined) return undefined;
    const target = resolveLocation(link, response.url, this.#action);
    this.#bytes += size;
    this.#seen.add(response.url.href);
    if (this.#seen.has(target.href)) throw this.#refused('its pages lead in a circle');
    if (this.#seen.size >= this.#limit) throw this.#refused(`more than ${this.#limit} pages`);
    if (this.#bytes > bytesLimit) throw this.#refused(`more than ${bytesLimit} bytes`);
    return target;
  }

  #refused(reason: string): CoracleError {
    return new CoracleError('REGISTRY', `${this.#action}: ${reason}`);
  }
}
