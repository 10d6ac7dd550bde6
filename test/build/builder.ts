/** Builds through the library in a store of its own, and images' files as lines that can be compared. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { build } from '../../lib/build/build.js';
import type { BuildEvent } from '../../lib/build/events.js';
import type { BuildOptions } from '../../lib/build/options.js';
import type { BuildStores } from '../../lib/build/session.js';
import { CoracleError } from '../../lib/errors.js';
import type { ImageRecord } from '../../lib/image/image-record.js';
import { openInStore, openStores, type Stores } from '../../lib/image/stores.js';
import { diffTar, flattenTar } from '../../lib/layer/diff.js';
import { defaultTarLimits, type TarEntry } from '../../lib/layer/tar-entry.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import type { Agent } from '../../lib/native/agent.js';
import { requestUrl } from '../../lib/session/url-requests.js';
import type { StorageDriver } from '../../lib/snapshot/driver.js';
import { importImage } from '../../lib/transfer/import.js';
import { loadLayoutImage } from '../../lib/transfer/layout-load.js';
import {
  fixturePath,
  type Missing,
  missingDevice,
  missingProgram,
  missingUserNamespaces,
  temporaryDirectory,
} from '../helpers/host.js';
import { type TarEntry as HandMade, missingBusybox, writeBusyboxTar } from '../helpers/image.js';

/** What every build test needs. */
export const missingForBuilds: readonly Missing[] = [missingUserNamespaces(), missingBusybox()];

export const drivers: readonly { readonly name: StorageDriver; readonly missing: readonly Missing[] }[] = [
  { name: 'overlay', missing: [] },
  { name: 'fuse-overlayfs', missing: [missingDevice('/dev/fuse'), missingProgram('fuse-overlayfs')] },
  { name: 'copy', missing: [] },
];

/** Entries of the base image beyond busybox: a directory of somebody else. */
export const baseExtras: readonly HandMade[] = [
  { name: 'srv', type: 'directory', mode: 0o775, uid: 33, gid: 33 },
];

/** A context by file name; a trailing slash makes a directory. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

export type Built = {
  readonly image: ImageRecord;
  readonly cached: number;
  readonly steps: number;
  readonly events: readonly BuildEvent[];
  /** What the steps printed. */
  readonly output: string;
};

export type BuilderOptions = {
  readonly driver?: StorageDriver;
  readonly directory?: string;
  readonly root?: string;
};

export class Builder {
  readonly stores: Stores;
  readonly directory: string;
  readonly #driver: StorageDriver;
  #agent: Agent | undefined;

  private constructor(stores: Stores, directory: string, driver: StorageDriver) {
    this.stores = stores;
    this.directory = directory;
    this.#driver = driver;
  }

  /** A builder over a fresh store that holds `localhost/busybox`; or over `directory`, which another builder made. */
  static async open(
    t: Pick<ExecutionContext<unknown>, 'teardown'>,
    options: BuilderOptions = {},
  ): Promise<Builder> {
    const directory = options.directory ?? temporaryDirectory(t);
    const root = options.root ?? join(directory, 'root');
    const stores = openStores({ root, env: { ...process.env, XDG_RUNTIME_DIR: directory } });
    const builder = new Builder(stores, directory, options.driver ?? 'overlay');
    t.teardown(() => builder.close());
    if (stores.images.find('localhost/busybox') === undefined) await builder.#importBase();
    return builder;
  }

  async #importBase(): Promise<void> {
    const file = writeBusyboxTar(join(this.directory, 'base.tar'), baseExtras);
    await importImage(this.stores, createReadStream(file), {
      reference: 'localhost/busybox:latest',
      changes: ['ENV PATH=/usr/bin:/bin', 'CMD ["sh"]'],
    });
  }

  /** A context directory below this builder's own. */
  context(files: Files = {}): string {
    const root = mkdtempSync(join(this.directory, 'context-'));
    writeFiles(root, files);
    return root;
  }

  /** A copy of a fixture, made ready. */
  fixture(name: string): string {
    const root = join(mkdtempSync(join(this.directory, 'fixture-')), name);
    prepareFixture(name, root);
    return root;
  }

  async build(
    context: BuildOptions['context'],
    options: Partial<BuildOptions> = {},
    onEvent: (event: BuildEvent) => void = () => undefined,
  ): Promise<Built> {
    const events: BuildEvent[] = [];
    const listen = (event: BuildEvent): void => {
      events.push(event);
      onEvent(event);
    };
    const { image, cached, steps } = await build(
      this.buildStores(),
      { network: 'none', ...options, context },
      {
        onEvent: listen,
        resolveImage: async (name) => this.#resolve(name),
        resolveLayout: (path, select, platform) => loadLayoutImage(this.stores, path, select, platform),
        requestUrl: (request) => requestUrl(request, { env: process.env, signal: options.signal }),
      },
    );
    return { image, cached, steps, events, output: outputOf(events) };
  }

  /** Builds `text` with `files` beside it. */
  make(text: string, files: Files = {}, options: Partial<BuildOptions> = {}): Promise<Built> {
    return this.build(this.context({ Dockerfile: text, ...files }), options);
  }

  /** The error of a build that must fail. */
  async fails(
    t: ExecutionContext<unknown>,
    text: string,
    files: Files = {},
    options: Partial<BuildOptions> = {},
  ): Promise<CoracleError> {
    const error = await t.throwsAsync(this.make(text, files, options), { instanceOf: CoracleError });
    if (error instanceof CoracleError) return error;
    throw new Error('the build did not fail');
  }

  buildStores(): BuildStores {
    return {
      ...this.stores,
      env: process.env,
      cache: join(this.directory, 'cache'),
      driver: () => this.#driver,
    };
  }

  /** The image's merged files, a line each. */
  async tree(image: ImageRecord): Promise<readonly string[]> {
    return lines(flattenTar({ agent: await this.#open(), handle: await this.#stack(image, 0) }));
  }

  /** Some of the lines: those whose path begins with `prefix`, without it. */
  async below(image: ImageRecord, prefix: string): Promise<readonly string[]> {
    const all = await this.tree(image);
    return all.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
  }

  /** Text of a file in the image. */
  async text(image: ImageRecord, path: string): Promise<string> {
    const agent = await this.#open();
    return (await agent.read(await this.#stack(image, 0), path, 0, 1 << 20)).toString();
  }

  /** The merged files after each layer, lowest first. */
  async trees(image: ImageRecord): Promise<readonly (readonly string[])[]> {
    const count = this.stores.images.topSnapshot(image)?.lowers.length ?? 0;
    const seen: (readonly string[])[] = [];
    for (let above = count - 1; above >= 0; above--) {
      seen.push(
        await lines(flattenTar({ agent: await this.#open(), handle: await this.#stack(image, above) })),
      );
    }
    return seen;
  }

  /** The changeset of the uppermost layer. */
  async lastLayer(image: ImageRecord): Promise<readonly string[]> {
    const top = this.stores.images.topSnapshot(image)?.id;
    if (top === undefined) return [];
    const agent = await this.#open();
    const layer = await openInStore(agent, this.stores.paths, this.stores.snapshots.layerPath(top));
    return lines(diffTar({ agent, layer, lower: await this.#stack(image, 1) }));
  }

  async close(): Promise<void> {
    await this.#agent?.close();
    await this.stores.close();
  }

  async #resolve(name: string): Promise<ImageRecord> {
    return this.stores.images.resolve(name.startsWith('localhost/') ? name : `localhost/${name}`);
  }

  async #open(): Promise<Agent> {
    this.#agent ??= await this.stores.ownAgent();
    return this.#agent;
  }

  async #stack(image: ImageRecord, from: number): Promise<number> {
    const agent = await this.#open();
    const { paths, snapshots, images } = this.stores;
    const layers = (images.topSnapshot(image)?.lowers ?? []).slice(from);
    const handles = await Promise.all(layers.map((id) => openInStore(agent, paths, snapshots.layerPath(id))));
    if (handles.length > 0) return agent.stack(handles);
    const empty = join(paths.staging, 'empty');
    mkdirSync(empty, { recursive: true });
    return agent.stack([await openInStore(agent, paths, empty)]);
  }
}

/** Writes files by name. */
export function writeFiles(root: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(path, content);
  }
}

/** Copies a fixture to `root` and runs its set-up, which makes what git does not keep: modes, links, archives. */
export function prepareFixture(name: string, root: string): void {
  cpSync(fixturePath('build', name), root, { recursive: true, verbatimSymlinks: true });
  chmodSync(root, 0o755);
  const script = join(root, 'setup.sh');
  if (!existsSync(script)) return;
  const made = spawnSync('sh', ['-e', '-c', '. ./setup.sh'], { cwd: root, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`set up fixture ${name}: ${made.stderr}`);
  rmSync(script);
}

/**
 * One line per entry, in byte order: path, type, mode, owner, and what it holds. Times are left out. All names of a file are
 * told alike, whichever the archive has first.
 */
export async function lines(tar: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const found = new Map<string, string>();
  const names = new Map<string, string[]>();
  for await (const entry of readTar(tar, defaultTarLimits)) {
    const path = cleaned(entry.path) || '.';
    if (entry.type !== 'link') found.set(path, await attributes(entry));
    else {
      const target = cleaned(entry.linkTarget);
      const all = [...(names.get(target) ?? [target]), path].sort();
      names.set(target, all);
    }
  }
  for (const [target, all] of names) {
    const text = `${found.get(target)} = ${all.join(' ')}`;
    for (const path of all) found.set(path, text);
  }
  return [...found].map(([path, text]) => `${path} ${text}`).sort();
}

async function attributes(entry: TarEntry): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of entry.content()) hash.update(chunk);
  const content = entry.type === 'file' ? ` ${entry.size} ${hash.digest('hex').slice(0, 12)}` : '';
  const target = entry.type === 'symlink' ? ` -> ${entry.linkTarget.toString()}` : '';
  const xattrs = [...entry.xattrs].map(([name, value]) => ` ${name}=${value.toString('hex')}`).join('');
  // The permission bits of a link mean nothing.
  const mode = entry.type === 'symlink' ? '' : ` ${(entry.mode & 0o7777).toString(8)}`;
  return `${entry.type}${mode} ${entry.uid}:${entry.gid}${content}${target}${xattrs}`;
}

function cleaned(path: Buffer): string {
  return path
    .toString()
    .replace(/^(\.\/|\/)+/, '')
    .replace(/\/$/, '');
}

/** What the steps of a build printed. */
export function outputOf(events: readonly BuildEvent[]): string {
  return Buffer.concat(events.flatMap((event) => (event.kind === 'log' ? [event.data] : []))).toString();
}
