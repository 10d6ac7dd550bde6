/**
 * Trees that a build fetched: git repositories and unpacked archives, in the store's staging. Only the file agent reads
 * them, which sees nothing but the store: whatever their links say, nothing of the host comes out (S17, S30).
 */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { moveToTrash } from '../host/trash.js';
import { inStore, type Stores } from '../image/stores.js';
import type { Agent, Entry, Handle } from '../native/agent.js';
import { unpackStream } from './add-archive.js';
import type { SourceEntry } from './copy-source.js';
import { checkOut, type GitAccess, type Resolved, resolveCommit } from './git-fetch.js';
import type { GitReference } from './git-reference.js';
import { gitAuthorization, type ReadSecret } from './remote-auth.js';
import { contextAttributes } from './tree-source.js';

export type FetchedTree = {
  /** Absolute, below the store's root. */
  readonly path: string;
  /** When it was made, in seconds since the epoch, where that is known. */
  readonly time?: number;
  /** Left out whatever the ignore file says. */
  readonly hidden: readonly string[];
  /** What its files are copied with. */
  readonly attributes: (entry: Entry) => SourceEntry['meta'];
};

export type FetchContext = {
  readonly stores: Stores;
  readonly env: GitAccess['env'];
  readonly signal?: AbortSignal | undefined;
  readonly readSecret: ReadSecret;
  readonly onWarning: (text: string) => void;
};

/** Fetches, reads what was fetched, and removes it at the end. */
export class Fetcher {
  readonly #context: FetchContext;
  readonly #directories: string[] = [];
  #agent: Promise<Agent> | undefined;
  #home: string | undefined;

  constructor(context: FetchContext) {
    this.#context = context;
  }

  /** Unpacks an archive. Its owners mean nothing: a context's files belong to root. @throws INVALID for hostile ones. */
  async unpack(archive: AsyncIterable<Uint8Array>): Promise<FetchedTree> {
    const path = this.directory('context');
    const agent = await this.#open();
    const handle = await agent.open(...this.#inStore(agent, path), { writable: true });
    const target = { handle, directory: '.', owner: { uid: 0, gid: 0 }, idMap: this.#context.stores.idMap() };
    await unpackStream(agent, archive, target, this.#context.onWarning);
    return { path, hidden: [], attributes: contextAttributes };
  }

  /** The commit that a repository's reference means now. `sshAgent` is a socket to use instead of the user's own. */
  commitOf(repository: GitReference, sshAgent?: string): Promise<Resolved> {
    return resolveCommit(repository, this.#gitAccess(repository, sshAgent));
  }

  /** A repository's files at a commit, their times that of the commit, their modes those git knows. */
  async checkOut(repository: GitReference, resolved: Resolved, sshAgent?: string): Promise<FetchedTree> {
    const root = join(this.directory('git'), 'tree');
    const seconds = await checkOut(repository, resolved, root, this.#gitAccess(repository, sshAgent));
    const { subdirectory, keepGitDirectory } = repository;
    const path = subdirectory === undefined ? root : await this.#inside(root, subdirectory);
    const mtime = { seconds, nanoseconds: 0 };
    const owner = { uid: 0, gid: 0 };
    return {
      path,
      time: seconds,
      hidden: keepGitDirectory === true ? [] : ['**/.git'],
      attributes: ({ mode, type }) => {
        const isExecutable = type === 'directory' || (mode & 0o100) !== 0;
        return { mode: isExecutable ? 0o755 : 0o644, owner, mtime };
      },
    };
  }

  /** A file's content, links followed inside the tree; undefined when there is none. */
  async read(tree: FetchedTree, path: string, limit: number): Promise<Buffer | undefined> {
    const agent = await this.#open();
    const handle: Handle = await agent.open(...this.#inStore(agent, tree.path));
    const entry = await agent.stat(handle, path, { follow: true });
    if (entry?.type !== 'file') return undefined;
    if (entry.size > limit) throw new CoracleError('INVALID', `read ${path}: more than ${limit} bytes`);
    return agent.read(handle, await agent.resolve(handle, path), 0, limit);
  }

  /** Ends the agent; what was fetched stays until `remove`. */
  async rest(): Promise<void> {
    const agent = await this.#agent;
    this.#agent = undefined;
    await agent?.close();
  }

  /** Gives up everything that was fetched. */
  async remove(): Promise<void> {
    await this.rest();
    const { paths, removeTree } = this.#context.stores;
    for (const directory of this.#directories.splice(0)) {
      const trashed = moveToTrash(paths, directory);
      if (trashed !== undefined) await removeTree(trashed);
    }
  }

  /** A directory of a repository, found as if the repository were the root directory. @throws NOT_FOUND */
  async #inside(root: string, subdirectory: string): Promise<string> {
    const agent = await this.#open();
    const handle = await agent.open(...this.#inStore(agent, root));
    const wanted = subdirectory
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/');
    const refused = wanted.split('/').includes('..');
    const found = refused || wanted === '' ? undefined : await agent.stat(handle, wanted, { follow: true });
    if (wanted === '') return root;
    if (found?.type === 'directory') return join(root, (await agent.resolve(handle, wanted)).toString());
    throw new CoracleError('NOT_FOUND', `open directory ${subdirectory} of the repository: there is none`);
  }

  /** A new directory below staging that `remove` removes. */
  directory(name: string): string {
    const path = this.#context.stores.staging.open().directory(name);
    this.#directories.push(path);
    return path;
  }

  #gitAccess(repository: GitReference, sshAgent: string | undefined): GitAccess {
    const { signal, readSecret } = this.#context;
    const env =
      sshAgent === undefined ? this.#context.env : { ...this.#context.env, SSH_AUTH_SOCK: sshAgent };
    this.#home ??= this.directory('home');
    const authorization = gitAuthorization(repository, readSecret);
    return { env, signal, authorization, home: this.#home };
  }

  #open(): Promise<Agent> {
    this.#agent ??= this.#context.stores.ownAgent();
    return this.#agent;
  }

  #inStore(agent: Agent, path: string): readonly [Handle, string] {
    return inStore(agent, this.#context.stores.paths, path);
  }
}
