/** What ADD takes from elsewhere, URLs and git repositories: told apart cheaply for keys, fetched when a step must run. */
import { CoracleError } from '../errors.js';
import { openInStore, type Stores } from '../image/stores.js';
import type { Agent, Entry } from '../native/agent.js';
import type { Match } from './context-tree.js';
import type { CopySource, SourceEntry } from './copy-source.js';
import type { Fetcher } from './fetched-tree.js';
import type { GitReference } from './git-reference.js';
import { IgnoreMatcher } from './ignore.js';
import type { StepSource } from './plan.js';
import { type ReadSecret, urlAuthorization } from './remote-auth.js';
import { treeSource } from './tree-source.js';
import type { RequestUrl } from './url.js';
import { UrlFile } from './url-file.js';

export type RemoteSource = Exclude<StepSource, { kind: 'path' }>;

/** Files from elsewhere. */
export type RemoteFiles = {
  /** Equal for equal files. */
  readonly identity: string;
  /** Fetches what is not there yet. */
  readonly open: () => Promise<{ readonly tree: CopySource; readonly match: Match }>;
};

export type RemoteInput = {
  readonly stores: Pick<Stores, 'paths'>;
  readonly agent: () => Agent;
  readonly fetcher: Fetcher;
  readonly request: RequestUrl;
  readonly readSecret: ReadSecret;
  /** The socket of the agent that the build was given for git over ssh; undefined for none. */
  readonly sshAgent: () => Promise<string | undefined>;
};

type Progress = (id: string, current: number, total: number | undefined) => void;

/** Each source of a build is looked at once, by however many steps. */
export class RemoteSources {
  readonly #input: RemoteInput;
  readonly #known = new Map<string, Promise<RemoteFiles>>();

  constructor(input: RemoteInput) {
    this.#input = input;
  }

  /** @throws NOT_FOUND, INTEGRITY, NETWORK */
  files(source: RemoteSource, onProgress: Progress): Promise<RemoteFiles> {
    const key = JSON.stringify(source);
    const known = this.#known.get(key) ?? this.#resolve(source, onProgress);
    this.#known.set(key, known);
    return known;
  }

  #resolve(source: RemoteSource, onProgress: Progress): Promise<RemoteFiles> {
    return source.kind === 'url' ? this.#url(source, onProgress) : this.#repository(source);
  }

  async #url(
    { url, checksum, unpack }: Extract<RemoteSource, { kind: 'url' }>,
    onProgress: Progress,
  ): Promise<RemoteFiles> {
    const { stores, fetcher, request, readSecret } = this.#input;
    const file = new UrlFile(
      request,
      { records: `${stores.paths.build}/urls`, directory: () => fetcher.directory('url') },
      {
        url,
        checksum,
        authorization: urlAuthorization(new URL(url), readSecret),
        onProgress: (current, total) => onProgress(url, current, total),
      },
    );
    const { digest, mtime } = await file.content();
    const name = Buffer.from(file.name).toString('latin1');
    return {
      identity: JSON.stringify([digest, mtime ?? null, file.name, unpack]),
      open: async () => {
        const attributes = ({ mtime: time }: Entry): SourceEntry['meta'] => ({
          mode: 0o600,
          owner: { uid: 0, gid: 0 },
          mtime: time,
        });
        const tree = this.#tree(await file.directory(), attributes);
        return { tree, match: { path: 'file', name, isDirectory: false } };
      },
    };
  }

  async #repository({ repository }: Extract<RemoteSource, { kind: 'git' }>): Promise<RemoteFiles> {
    const { fetcher } = this.#input;
    const agent = repository.transport === 'ssh' ? await this.#sshAgent(repository) : undefined;
    const resolved = await fetcher.commitOf(repository, agent);
    const { subdirectory = '', keepGitDirectory = false, submodules = true } = repository;
    return {
      identity: JSON.stringify([resolved.commit, subdirectory, keepGitDirectory, submodules]),
      open: async () => {
        const { path, attributes, hidden } = await fetcher.checkOut(repository, resolved, agent);
        const tree = this.#tree(path, attributes, hidden);
        return { tree, match: { path: '.', name: '.', isDirectory: true } };
      },
    };
  }

  /** A Dockerfile gets no use of the user's keys that the build was not given. */
  async #sshAgent({ remote }: GitReference): Promise<string> {
    const socket = await this.#input.sshAgent();
    if (socket !== undefined) return socket;
    throw new CoracleError('UNSUPPORTED', `add ${remote}: the build was given no ssh agent`, {
      hint: 'add --ssh default, or --ssh default=KEYFILE, to the build command; or use an https:// URL',
    });
  }

  #tree(
    path: string,
    attributes: (entry: Entry) => SourceEntry['meta'],
    hidden: readonly string[] = [],
  ): CopySource {
    const { agent, stores } = this.#input;
    const handle = openInStore(agent(), stores.paths, path);
    return treeSource(agent(), () => handle, { attributes, ignore: new IgnoreMatcher(hidden) });
  }
}
