/** Which requirements of a policy hold for a place: the most specific scope, then its transport's, then the default. */
import { dirname } from 'node:path';
import { formatReference, type Reference, repositoryName } from '../oci/reference.js';
import type { Policy, Requirement } from './policy.js';

/** Where an image comes from, as policies name it. */
export type TrustPlace =
  | { readonly transport: 'docker'; readonly reference: Reference }
  /** An absolute path without links. */
  | { readonly transport: 'oci' | 'oci-archive' | 'dir'; readonly path: string }
  | { readonly transport: 'docker-archive' | 'tarball' };

/** The requirements, all of which have to be fulfilled. */
export function requirementsFor(policy: Policy, place: TrustPlace): readonly Requirement[] {
  const scopes = policy.transports.get(place.transport);
  if (scopes === undefined) return policy.fallback;
  for (const scope of [...scopesOf(place), '']) {
    const found = scopes.get(scope);
    if (found !== undefined) return found;
  }
  return policy.fallback;
}

/** Scopes that cover a place, the most specific first. */
export function scopesOf(place: TrustPlace): readonly string[] {
  switch (place.transport) {
    case 'docker':
      return dockerScopes(place.reference);
    case 'oci':
    case 'oci-archive':
    case 'dir':
      return pathScopes(place.path);
    case 'docker-archive':
    case 'tarball':
      return [];
  }
}

/** A name, its repository, each namespace above, the host, and the domains above it. */
function dockerScopes(reference: Reference): readonly string[] {
  const { registry, repository } = reference;
  const parts = repository.split('/');
  const namespaces = parts.map((_, index) => [registry, ...parts.slice(0, parts.length - index)].join('/'));
  const labels = registry.split('.');
  const domains = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join('.')}`);
  const { digest, tag } = reference;
  const exact = digest === undefined ? `:${tag}` : `@${digest}`;
  return [
    ...new Set([
      formatReference(reference),
      `${repositoryName(reference)}${exact}`,
      ...namespaces,
      registry,
      ...domains,
    ]),
  ];
}

function pathScopes(path: string): readonly string[] {
  const scopes: string[] = [];
  for (let at = path; at !== '' && at !== '/' && at !== '.'; at = dirname(at)) scopes.push(at);
  return scopes;
}
