/** `search`: repositories of a registry, and the tags of one. */
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { canonicalRegistry, parseReference, repositoryName } from '../oci/reference.js';
import { listTags, resolve } from '../registry/manifests.js';
import { listReferrers } from '../registry/referrers.js';
import { readRegistries } from '../registry/registries.js';
import { searchRepositories } from '../registry/search.js';
import { ignoreEvents } from '../transfer/events.js';
import { openRegistry, type RegistryAccess } from '../transfer/registry-access.js';
import type { Session } from './session.js';

export type SearchRequest = {
  /** The most results; 25 by default, as with podman. */
  readonly limit?: number | undefined;
  readonly access?: RegistryAccess | undefined;
};

export type SearchResult = {
  /** The registry. */
  readonly index: string;
  /** With the registry. */
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
  readonly automated: boolean;
};

const defaultLimit = 25;

/** Repositories with a term in their names: `TERM` at the registries of the search list, `REGISTRY/TERM`, or `REGISTRY/` for all. */
export async function search(
  session: Session,
  text: string,
  { limit = defaultLimit, access = {} }: SearchRequest,
): Promise<readonly SearchResult[]> {
  const { registry, term } = parseSearchTerm(text);
  const registries =
    registry === undefined ? (await readRegistries(access.env ?? session.env)).search : [registry];
  if (registries.length === 0) throw new CoracleError('USAGE', `search ${text}: no registry to look in`);
  const answers = registries.map((one) => searchOne(session, one, term, { limit, access }));
  return (await Promise.all(answers)).flat();
}

async function searchOne(
  session: Session,
  registry: string,
  term: string,
  { limit = defaultLimit, access = {} }: SearchRequest,
): Promise<readonly SearchResult[]> {
  const client = await openRegistry(registry, { ...access, env: session.env }, ignoreEvents);
  try {
    const found = await searchRepositories(client, term, limit);
    return found.map(({ repository, ...rest }) => ({
      index: registry,
      name: repositoryName(parseReference(`${registry}/${repository}`)),
      ...rest,
    }));
  } finally {
    await client.close();
  }
}

/** The registry, undefined for those of the search list, and what to look for there. @throws USAGE, INVALID */
export function parseSearchTerm(text: string): {
  readonly registry: string | undefined;
  readonly term: string;
} {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isRegistry = first === 'localhost' || /[.:]/.test(first);
  const term = isRegistry ? text.slice(slash + 1) : text;
  if (text === '' || text.length > 1024)
    throw new CoracleError('USAGE', 'search: the term is empty or too long');
  if (!isRegistry) return { registry: undefined, term };
  // Says what is wrong with the name, where something is.
  return { registry: canonicalRegistry(parseReference(`${first}/x`).registry), term };
}

/** What at a registry refers to a manifest. @throws NOT_FOUND */
export async function referrers(
  session: Session,
  text: string,
  { type, access = {} }: { readonly type?: string | undefined; readonly access?: RegistryAccess | undefined },
): Promise<readonly Descriptor[]> {
  const reference = parseReference(text.replace(/^docker:\/\//, ''));
  const client = await openRegistry(repositoryName(reference), { ...access, env: session.env }, ignoreEvents);
  try {
    const { digest } = await resolve(client, reference);
    return await listReferrers(client, reference.repository, digest, type);
  } finally {
    await client.close();
  }
}

/** The tags of a repository, in the registry's order. */
export async function repositoryTags(
  session: Session,
  text: string,
  { limit = defaultLimit, access = {} }: SearchRequest,
): Promise<{ readonly name: string; readonly tags: readonly string[] }> {
  const reference = parseReference(text.replace(/^docker:\/\//, ''));
  const client = await openRegistry(repositoryName(reference), { ...access, env: session.env }, ignoreEvents);
  try {
    const tags = await listTags(client, reference.repository);
    return { name: repositoryName(reference), tags: tags.slice(0, limit) };
  } finally {
    await client.close();
  }
}
