/**
 * Looking for repositories: by the search of Docker's first API, which Docker Hub and others still answer, else in the
 * catalog that the distribution specification leaves to registries. What they say is for people to read: nothing of it is trusted.
 */
import { CoracleError } from '../errors.js';
import {
  optional,
  parseJson,
  requireArray,
  requireObject,
  requireString,
  requireStrings,
} from '../oci/guards.js';
import { parseReference } from '../oci/reference.js';
import type { RegistryClient } from './client.js';
import { PageTrail } from './pages.js';
import { discardBody, type HttpResponse, readBody } from './response.js';

/** A repository that was found. */
export type FoundRepository = {
  /** Without the registry. */
  readonly repository: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
  readonly automated: boolean;
};

const answerLimit = 4 * 1024 * 1024;
const catalogPages = 1000;
/** The most that an answer of the search has. */
const searchPage = 100;
const catalogAccess = { repository: undefined, scopes: ['registry:catalog:*'] };

/** At most `limit` repositories that have `term` in their name; all of them for an empty one. */
export async function searchRepositories(
  client: RegistryClient,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[]> {
  const found = term === '' ? undefined : await searchFirstApi(client, term, limit);
  return found ?? searchCatalog(client, term, limit);
}

/** Undefined where the registry knows no such search. */
async function searchFirstApi(
  client: RegistryClient,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[] | undefined> {
  const action = `search ${client.registry}`;
  const host = client.registry === 'docker.io' ? new URL('https://index.docker.io/') : await client.base();
  const found: FoundRepository[] = [];
  for (let page = 1; found.length < limit; page++) {
    const query = new URLSearchParams({
      q: term,
      n: String(Math.min(limit, searchPage)),
      page: String(page),
    });
    const response = await client.request({
      method: 'GET',
      target: new URL(`/v1/search?${query}`, host),
      access: { repository: undefined, scopes: [] },
      accept: [200, 400, 401, 403, 404, 405, 501],
      action,
    });
    if (response.status !== 200) {
      discardBody(response);
      return page === 1 ? undefined : found;
    }
    const answer = parseSearch((await readBody(response, answerLimit, action)).toString('utf8'), action);
    for (const repository of answer) found.push(repository);
    if (answer.length < searchPage) break;
  }
  return found.slice(0, limit);
}

/** Reads an answer of the search; what could be no repository's name is passed over. @throws INVALID */
export function parseSearch(text: string, where: string): readonly FoundRepository[] {
  const { results } = requireObject(parseJson(text, where), where);
  const entries = optional(results, `${where}: results`, requireArray) ?? [];
  return entries
    .map((entry, index) => {
      const place = `${where}: results[${index}]`;
      const record = requireObject(entry, place);
      const stars = record.star_count;
      return {
        repository: requireString(record.name, `${place}.name`),
        description: optional(record.description, `${place}.description`, requireString) ?? '',
        stars: typeof stars === 'number' && Number.isSafeInteger(stars) && stars > 0 ? stars : 0,
        official: record.is_official === true,
        automated: record.is_automated === true,
      };
    })
    .filter(({ repository }) => isRepository(repository));
}

async function searchCatalog(
  client: RegistryClient,
  term: string,
  limit: number,
): Promise<readonly FoundRepository[]> {
  const action = `list repositories of ${client.registry}`;
  const found: FoundRepository[] = [];
  const trail = new PageTrail(action, catalogPages);
  for (let target: string | URL | undefined = '_catalog'; target !== undefined; ) {
    const response: HttpResponse = await client.request({
      method: 'GET',
      target,
      access: catalogAccess,
      accept: [200],
      action,
    });
    const body = await readBody(response, answerLimit, action);
    const names = parseCatalog(body.toString('utf8'), action);
    for (const repository of names.filter((name) => name.includes(term))) {
      found.push({ repository, description: '', stars: 0, official: false, automated: false });
      if (found.length === limit) return found;
    }
    target = trail.next(response, body.length);
  }
  return found;
}

/** Reads a page of the catalog; what could be no repository's name is passed over. @throws INVALID */
export function parseCatalog(text: string, where: string): readonly string[] {
  const { repositories } = requireObject(parseJson(text, where), where);
  return (optional(repositories, `${where}: repositories`, requireStrings) ?? []).filter(isRepository);
}

function isRepository(name: string): boolean {
  try {
    return parseReference(`registry.invalid/${name}`).repository === name;
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return false;
    throw error;
  }
}
