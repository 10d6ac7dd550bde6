/**
 * Image references by Docker's grammar: `[registry/]repository[:tag][@digest]`.
 * https://github.com/distribution/reference/blob/main/reference.go
 */
import { CoracleError } from '../errors.js';
import { type Digest, isDigest } from './digest.js';
import { present } from './guards.js';

/** A complete reference. It has a tag, a digest or both; with both the digest decides and the tag is a comment. */
export type Reference = {
  /** `host[:port]`; Docker Hub is `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
};

const defaultRegistry = 'docker.io';
const defaultNamespace = 'library/';
const defaultTag = 'latest';
const nameLimit = 255;

const hostComponent = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const registryPattern = new RegExp(
  `^(?:${hostComponent}(?:\\.${hostComponent})*|\\[[0-9A-Fa-f:.]+\\])(?::[0-9]{1,5})?$`,
);
const componentPattern = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/**
 * Reads what a person typed. `alpine` means `docker.io/library/alpine:latest`; the first component is a registry
 * when it has a dot, a colon or an upper-case letter, or is `localhost`.
 * @throws INVALID naming the offending part.
 */
export function parseReference(text: string): Reference {
  if (text === '') throw badReference(text, 'it is empty');
  if (text.length > 1024) throw badReference(text, 'it is longer than 1024 characters');
  const { name, tag, digest } = splitName(text);
  const { registry, repository } = splitRegistry(name);
  checkName(text, registry, repository);
  if (tag !== undefined && !tagPattern.test(tag)) {
    throw badReference(
      text,
      `the tag ${quote(tag)} must be 1 to 128 letters, digits, _ . or -, not starting with . or -`,
    );
  }
  if (digest !== undefined && !isDigest(digest)) {
    throw badReference(
      text,
      `the digest ${quote(digest)} must be sha256: and 64 or sha512: and 128 hexadecimal digits`,
    );
  }
  const implied = tag === undefined && digest === undefined ? defaultTag : tag;
  return { registry, repository, ...present('tag', implied), ...present('digest', digest) };
}

function splitName(text: string): { name: string; tag?: string; digest?: string } {
  const at = text.indexOf('@');
  const tagged = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : text.slice(at + 1);
  const colon = tagged.lastIndexOf(':');
  if (colon < 0 || colon < tagged.lastIndexOf('/')) return { name: tagged, ...present('digest', digest) };
  return { name: tagged.slice(0, colon), tag: tagged.slice(colon + 1), ...present('digest', digest) };
}

function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const registry = isRegistry ? canonicalRegistry(first) : defaultRegistry;
  const repository = isRegistry ? name.slice(slash + 1) : name;
  const implied = registry === defaultRegistry && !repository.includes('/') ? defaultNamespace : '';
  return { registry, repository: `${implied}${repository}` };
}

/** One name per registry: Docker Hub's other names become `docker.io`. */
export function canonicalRegistry(registry: string): string {
  return registry === 'index.docker.io' || registry === 'registry-1.docker.io' ? defaultRegistry : registry;
}

function checkName(text: string, registry: string, repository: string): void {
  const port = /:(\d+)$/.exec(registry)?.[1];
  if (!registryPattern.test(registry) || Number(port ?? 0) > 65535) {
    throw badReference(text, `the registry ${quote(registry)} is no host or host:port`);
  }
  if (`${registry}/${repository}`.length > nameLimit) {
    throw badReference(text, `the name is longer than ${nameLimit} characters`);
  }
  const short = registry === defaultRegistry ? repository.replace(defaultNamespace, '') : '';
  if (/^[0-9a-f]{64}$/.test(short)) {
    throw badReference(text, 'a repository may not look like an image id (64 hexadecimal digits)');
  }
  for (const part of repository.split('/')) {
    if (componentPattern.test(part)) continue;
    if (part === '') throw badReference(text, 'a part of the repository name is empty');
    if (componentPattern.test(part.toLowerCase())) {
      throw badReference(text, `the repository part ${quote(part)} has upper-case letters`);
    }
    throw badReference(text, `the repository part ${quote(part)} must be a-z and 0-9, joined by . _ __ or -`);
  }
}

function badReference(text: string, reason: string): CoracleError {
  return new CoracleError('INVALID', `parse reference ${quote(text.slice(0, 300))}: ${reason}`, {
    hint: 'expected [registry[:port]/]repository[:tag][@digest], e.g. docker.io/library/debian:13',
  });
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** `registry/repository`. */
export function repositoryName(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/** The whole reference: `docker.io/library/alpine:latest`. */
export function formatReference(reference: Reference): string {
  return `${repositoryName(reference)}${suffix(reference)}`;
}

/** The short form Docker shows: `alpine:latest`, `user/app:1`, `quay.io/org/app:1`. */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference)}${suffix(reference)}`;
}

/** The short form without tag and digest. */
export function familiarName(reference: Reference): string {
  if (reference.registry !== defaultRegistry) return repositoryName(reference);
  const { repository } = reference;
  const rest = repository.startsWith(defaultNamespace)
    ? repository.slice(defaultNamespace.length)
    : repository;
  return rest.includes('/') ? repository : rest;
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
