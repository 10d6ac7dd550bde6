/** What the argument of build and the values of --build-context name. Pure. */
import { resolve } from 'node:path';
import { CoracleError } from '../errors.js';
import { type GitReference, parseGitReference, withoutPassword } from './git-reference.js';

export type ContextSource =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'git'; readonly repository: GitReference }
  /** An archive, or for the main context a Dockerfile. */
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'layout'; readonly path: string; readonly select: LayoutSelection };

/** Which image of an OCI layout; undefined where it must hold one alone. */
export type LayoutSelection = { readonly tag?: string; readonly digest?: string };

/** The context itself: a directory, a git repository or the URL of an archive. @throws INVALID, UNSUPPORTED */
export function parseContextSource(text: string): ContextSource {
  // Only here may a repository go without a scheme, as Docker has had it for ever.
  const repository = parseGitReference(text.startsWith('github.com/') ? `https://${dotGit(text)}` : text);
  if (repository !== undefined) return { kind: 'git', repository };
  if (/^https?:\/\//.test(text)) return { kind: 'url', url: checkedUrl(text) };
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1];
  if (scheme === undefined) return { kind: 'directory', path: resolve(text) };
  throw new CoracleError(
    'UNSUPPORTED',
    `build ${withoutPassword(text)}: ${scheme}:// is no kind of context`,
    {
      hint: 'give a directory, a git repository, or the http(s) URL of an archive',
    },
  );
}

/** The value of `--build-context NAME=VALUE`. @throws INVALID, UNSUPPORTED */
export function parseNamedContext(name: string, text: string): ContextSource {
  const scheme = /^([a-z-]+):(?:\/\/)?/.exec(text)?.[1];
  if (text.startsWith('docker-image://'))
    return { kind: 'image', reference: text.slice('docker-image://'.length) };
  if (text.startsWith('oci-layout://')) return layoutSource(text.slice('oci-layout://'.length));
  if (scheme === 'target' || scheme === 'local' || scheme === 'input') {
    throw new CoracleError('UNSUPPORTED', `use context ${name}=${text}: ${scheme}: is not supported`, {
      hint: 'give a path, docker-image://, oci-layout://, a git repository or a URL',
    });
  }
  return parseContextSource(text);
}

/** `PATH[:TAG][@DIGEST]`. */
function layoutSource(text: string): ContextSource {
  const [, path = '', tag, digest] =
    /^(.*?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/s.exec(text) ?? [];
  if (path === '') throw new CoracleError('INVALID', `use context oci-layout://${text}: no path`);
  const select = { ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
  return { kind: 'layout', path: resolve(path), select };
}

function dotGit(text: string): string {
  return text.replace(/^([^?#]*?)(?:\.git)?(?=[?#]|$)/, '$1.git');
}

function checkedUrl(text: string): string {
  if (URL.canParse(text)) return text;
  throw new CoracleError('INVALID', `build ${withoutPassword(text)}: it is no URL`);
}
