/** The contexts of one build: that of its argument with the Dockerfile, and those by name, each opened when first needed. */
import { statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Dockerfile } from '../dockerfile/instructions.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import { CoracleError } from '../errors.js';
import { readBytes } from '../host/files.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { formatPlatform, type Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import {
  type ContextFiles,
  type ContextPlace,
  contextFiles,
  openNamedPlace,
  openPlace,
  openStream,
  readText,
  textLimit,
} from './context.js';
import { type ContextSource, parseContextSource, parseNamedContext } from './context-source.js';
import { Fetcher } from './fetched-tree.js';
import type { BuildEnvironment, BuildOptions } from './options.js';
import type { ReadSecret } from './remote-auth.js';
import { openUrl, type RequestUrl, readAll, type UrlRequest, type UrlResponse } from './url.js';

/** What a name stands for that a context was given for. */
export type NamedContext =
  | { readonly kind: 'files'; readonly name: string }
  | { readonly kind: 'image'; readonly image: ImageRecord; readonly reference: string };

export type ContextInput = {
  readonly stores: Stores & { readonly env: BuildEnv };
  readonly options: BuildOptions;
  readonly environment: BuildEnvironment;
  /** For credentials. */
  readonly readSecret: ReadSecret;
};

type BuildEnv = Readonly<Record<string, string | undefined>>;
type Text = { readonly bytes: Uint8Array; readonly path: string | undefined };

const defaultNames = ['Dockerfile', 'Containerfile'];
const ignoreNames = ['.containerignore', '.dockerignore'];

export class Contexts {
  readonly #input: ContextInput;
  readonly fetcher: Fetcher;
  readonly request: RequestUrl;
  readonly readSecret: ReadSecret;
  readonly #sources = new Map<string, { readonly name: string; readonly source: ContextSource }>();
  readonly #named = new Map<string, Promise<NamedContext>>();
  readonly #files = new Map<string, ContextFiles>();

  /** Nothing is opened yet. @throws INVALID, UNSUPPORTED for contexts by name that are none. */
  constructor(input: ContextInput) {
    this.#input = input;
    const { stores, options, environment } = input;
    this.request = environment.requestUrl ?? noRequests;
    this.readSecret = input.readSecret;
    const onWarning = (message: string): void => environment.onEvent({ kind: 'warning', message });
    this.fetcher = new Fetcher({
      stores,
      env: stores.env,
      signal: options.signal,
      readSecret: this.readSecret,
      onWarning,
    });
    for (const [name, text] of Object.entries(options.contexts ?? {}))
      this.#sources.set(normalName(name), { name, source: parseNamedContext(name, text) });
  }

  /** The context of the build with its Dockerfile. @throws NOT_FOUND, INVALID with an excerpt, NETWORK, IO. */
  async main(): Promise<{ readonly dockerfile: Dockerfile; readonly files: ContextFiles }> {
    const { context, dockerfile, dockerfileContent } = this.#input.options;
    const opened =
      typeof context === 'string'
        ? await openPlace(this.#fileSource(parseContextSource(context)), this.fetcher, this.request)
        : await openStream(context, this.fetcher);
    if (opened.kind !== 'text') return this.#withDockerfile(opened);
    if (dockerfile !== undefined || dockerfileContent !== undefined) {
      throw new CoracleError('USAGE', 'build: the context is a Dockerfile, and another one is named', {
        hint: 'leave -f out, or give an archive',
      });
    }
    const bytes = await readAll(opened.text, textLimit, 'Dockerfile');
    const root = this.#input.stores.staging.open().directory('context');
    const files = await contextFiles({ kind: 'directory', root }, [], this.fetcher);
    return { dockerfile: parseDockerfile(bytes, 'Dockerfile'), files };
  }

  /** What `name` in FROM or --from means, if a context was given for it. Names of images are the same in every form. */
  find(name: string, platform: Platform): Promise<NamedContext> | undefined {
    const key = normalName(name);
    const given = this.#sources.get(key);
    if (given === undefined) return undefined;
    const place = given.source.kind === 'image' ? `${key} ${formatPlatform(platform)}` : key;
    const opened = this.#named.get(place) ?? this.#open(key, given, platform);
    this.#named.set(place, opened);
    return opened;
  }

  /** The contexts by name that were opened. */
  get files(): ReadonlyMap<string, ContextFiles> {
    return this.#files;
  }

  async #open(
    key: string,
    { name, source }: { readonly name: string; readonly source: ContextSource },
    platform: Platform,
  ): Promise<NamedContext> {
    const { resolveImage, resolveLayout } = this.#input.environment;
    if (source.kind === 'image') {
      const { reference } = source;
      return { kind: 'image', image: await resolveImage(reference, platform), reference };
    }
    if (source.kind === 'layout') {
      if (resolveLayout === undefined)
        throw new CoracleError('UNSUPPORTED', `use context ${name}: no layouts`);
      const image = await resolveLayout(source.path, source.select, platform);
      return { kind: 'image', image, reference: `oci-layout://${source.path}` };
    }
    const place = await openNamedPlace(name, source, this.fetcher, this.request);
    this.#files.set(key, await contextFiles(place, ignoreNames, this.fetcher));
    return { kind: 'files', name: key };
  }

  async #withDockerfile(
    place: ContextPlace,
  ): Promise<{ readonly dockerfile: Dockerfile; readonly files: ContextFiles }> {
    const { bytes, path } = await this.#readDockerfile(place);
    const dockerfile = parseDockerfile(bytes, path ?? 'Dockerfile');
    return { dockerfile, files: await contextFiles(place, this.#ignored(path), this.fetcher) };
  }

  /** `<Dockerfile>.dockerignore` beats the one in the context; --ignorefile beats both. */
  #ignored(dockerfile: string | undefined): Parameters<typeof contextFiles>[1] {
    const { ignoreFile } = this.#input.options;
    if (ignoreFile === undefined)
      return [...(dockerfile === undefined ? [] : [`${dockerfile}.dockerignore`]), ...ignoreNames];
    const text = readBytes(ignoreFile, textLimit);
    if (text !== undefined) return { text, name: ignoreFile };
    throw new CoracleError('NOT_FOUND', `read ignore file ${ignoreFile}: no such file`, { exitCode: 1 });
  }

  async #readDockerfile(place: ContextPlace): Promise<Text> {
    const { dockerfile, dockerfileContent } = this.#input.options;
    if (dockerfileContent !== undefined) return { path: undefined, bytes: dockerfileContent };
    if (dockerfile !== undefined && /^https?:\/\//.test(dockerfile)) {
      const { body } = await openUrl(this.request, dockerfile);
      return { path: undefined, bytes: await readAll(body(), textLimit, dockerfile) };
    }
    const candidates = dockerfile === undefined ? defaultNames : [dockerfile];
    if (dockerfile !== undefined && place.kind === 'directory') {
      // Relative to the working directory, as docker has it; podman's users mean the context.
      candidates.unshift(resolve(dockerfile));
    }
    for (const name of candidates) {
      const path = place.kind === 'directory' ? resolve(place.root, name) : name;
      if (place.kind === 'directory' && !isFile(path)) continue;
      const bytes = await readText(place, path, this.fetcher);
      if (bytes !== undefined) return { path, bytes };
    }
    throw noDockerfile(
      dockerfile ?? (place.kind === 'directory' ? join(place.root, 'Dockerfile') : 'Dockerfile'),
    );
  }

  #fileSource(source: ContextSource): Exclude<ContextSource, { kind: 'image' | 'layout' }> {
    if (source.kind !== 'image' && source.kind !== 'layout') return source;
    throw new CoracleError('INTERNAL', `open context: ${source.kind} is only for contexts by name`);
  }
}

/** One text for all forms of an image's name; other names are compared in lower case, as names of stages are. */
export function normalName(name: string): string {
  try {
    return formatReference(parseReference(name.toLowerCase()));
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return name.toLowerCase();
    throw error;
  }
}

async function noRequests({ action }: UrlRequest): Promise<UrlResponse> {
  throw new CoracleError('UNSUPPORTED', `${action}: this build was given no way to the network`);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function noDockerfile(path: string): CoracleError {
  return new CoracleError('NOT_FOUND', `read Dockerfile ${path}: no such file`, {
    exitCode: 1,
    hint: `name it with -f, or put a ${basename(path) || 'Dockerfile'} into the context`,
  });
}
