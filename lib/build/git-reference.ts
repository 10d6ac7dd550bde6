/**
 * Git repositories as ADD and build contexts name them: `URL#ref:subdir`, or `URL?ref=&subdir=...`. Pure; what counts as
 * a repository follows BuildKit's dfgitutil: git://, ssh://, user@host:path, and http(s) URLs whose path ends with .git.
 * https://docs.docker.com/build/concepts/context/#git-repositories
 */
import { CoracleError } from '../errors.js';

export type GitReference = {
  /** What git is given: no fragment, no query. */
  readonly remote: string;
  readonly transport: 'http' | 'https' | 'ssh' | 'git' | 'file';
  /** Branch, tag, `refs/...` or commit; undefined for the default branch. */
  readonly ref?: string;
  /** Below the repository's root; undefined for all of it. */
  readonly subdirectory?: string;
  /** The commit it must be, or the beginning of its name. */
  readonly checksum?: string;
  readonly keepGitDirectory?: boolean;
  readonly submodules?: boolean;
};

type Remote = Pick<GitReference, 'remote' | 'transport'> & {
  readonly query: URLSearchParams;
  readonly fragment: string;
};

const commitPattern = /^[0-9a-f]{7,64}$/;

/** Undefined for what is no repository. @throws {CoracleError} INVALID for a repository with unusable parts. */
export function parseGitReference(text: string): GitReference | undefined {
  const remote = parseRemote(text);
  if (remote === undefined) return undefined;
  const separator = remote.fragment.indexOf(':');
  const ref = separator < 0 ? remote.fragment : remote.fragment.slice(0, separator);
  const subdirectory = separator < 0 ? '' : remote.fragment.slice(separator + 1);
  const parsed = new Query(text, remote.query).apply({
    remote: remote.remote,
    transport: remote.transport,
    ...(ref === '' ? {} : { ref }),
    ...(subdirectory === '' ? {} : { subdirectory }),
  });
  checkRef(text, parsed.ref);
  checkCommit(text, parsed.checksum);
  return parsed;
}

/** @throws {CoracleError} INVALID for what is no name of a commit or its beginning. */
export function checkCommit(where: string, commit: string | undefined): void {
  if (commit === undefined || commitPattern.test(commit)) return;
  throw invalid(where, `"${commit}" is no commit`, 'give 7 to 40 hexadecimal digits in lower case');
}

function parseRemote(text: string): Remote | undefined {
  const [, scheme] = /^([A-Za-z][A-Za-z0-9]*):\/\//.exec(text) ?? [];
  if (scheme === undefined) return parseScp(text);
  const transport = scheme.toLowerCase();
  if (!isTransport(transport) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (transport !== 'ssh' && transport !== 'git' && !url.pathname.endsWith('.git')) return undefined;
  const fragment = decode(text, url.hash.slice(1));
  const query = url.searchParams;
  const bare = new URL(url.href);
  bare.hash = '';
  bare.search = '';
  return { remote: bare.href, transport, query, fragment };
}

/** `git@host:path`: what ssh and git understand without a scheme. */
function parseScp(text: string): Remote | undefined {
  const match = /^([A-Za-z0-9_-]+@[A-Za-z0-9._-]+:[^?#]+)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text);
  const [, remote, query = '', fragment = ''] = match ?? [];
  if (remote === undefined) return undefined;
  return { remote, transport: 'ssh', query: new URLSearchParams(query), fragment };
}

function isTransport(scheme: string): scheme is GitReference['transport'] {
  return ['http', 'https', 'ssh', 'git', 'file'].includes(scheme);
}

function decode(text: string, fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw invalid(text, 'the part after # is not encoded as in a URL');
  }
}

class Query {
  readonly #text: string;
  readonly #query: URLSearchParams;

  constructor(text: string, query: URLSearchParams) {
    this.#text = text;
    this.#query = query;
  }

  apply(reference: GitReference): GitReference {
    const known = ['ref', 'tag', 'branch', 'subdir', 'checksum', 'commit', 'keep-git-dir', 'submodules'];
    for (const key of this.#query.keys()) {
      if (!known.includes(key))
        throw invalid(this.#text, `unknown option "${key}"`, `known: ${known.join(', ')}`);
      if (this.#query.getAll(key).length > 1) throw invalid(this.#text, `"${key}" is given more than once`);
    }
    const checksum = this.#agreed('checksum', [this.#value('checksum'), this.#value('commit')]);
    const ref = this.#ref(reference.ref) ?? checksum;
    const subdirectory = this.#agreed('subdir', [reference.subdirectory, this.#value('subdir')]);
    const keepGitDirectory = this.#flag('keep-git-dir');
    const submodules = this.#flag('submodules');
    const { remote, transport } = reference;
    return {
      remote,
      transport,
      ...(ref === undefined ? {} : { ref }),
      ...(subdirectory === undefined ? {} : { subdirectory }),
      ...(checksum === undefined ? {} : { checksum }),
      ...(keepGitDirectory === undefined ? {} : { keepGitDirectory }),
      ...(submodules === undefined ? {} : { submodules }),
    };
  }

  #ref(fromFragment: string | undefined): string | undefined {
    const tag = prefixed('refs/tags/', this.#value('tag'));
    const branch = prefixed('refs/heads/', this.#value('branch'));
    if (tag !== undefined && branch !== undefined) throw invalid(this.#text, 'a tag and a branch are named');
    return this.#agreed('ref', [fromFragment, this.#value('ref'), tag, branch]);
  }

  #agreed(name: string, values: readonly (string | undefined)[]): string | undefined {
    const [first, ...others] = values.filter((value) => value !== undefined);
    const other = others.find((value) => value !== first);
    if (other === undefined) return first;
    throw invalid(this.#text, `"${name}" is said to be ${first} and ${other}`);
  }

  #value(key: string): string | undefined {
    const value = this.#query.get(key);
    if (value === '') throw invalid(this.#text, `"${key}" has no value`);
    return value ?? undefined;
  }

  #flag(key: string): boolean | undefined {
    const value = this.#query.get(key);
    if (value === null) return undefined;
    if (['', '1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
    if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
    throw invalid(this.#text, `"${key}" must be true or false, not "${value}"`);
  }
}

function prefixed(prefix: string, name: string | undefined): string | undefined {
  return name === undefined || name.startsWith(prefix) ? name : `${prefix}${name}`;
}

/** What git itself refuses in names of refs, and what would be an option or a range. */
function checkRef(text: string, ref: string | undefined): void {
  if (ref === undefined) return;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (!/^-|[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\.$|\.lock$|\/$|^\//.test(ref)) return;
  throw invalid(text, `"${ref}" is no branch, tag or commit`);
}

function invalid(text: string, reason: string, hint?: string): CoracleError {
  return new CoracleError('INVALID', `read repository ${withoutPassword(text)}: ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A URL fit for messages. */
export function withoutPassword(text: string): string {
  return text.replace(/^([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^/@?#]*@/, '$1');
}
