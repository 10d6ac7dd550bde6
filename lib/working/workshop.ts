/** What the steps of working containers share with those of a build: the file agent, contexts, sandboxes. */
import { chmodSync, existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ContextFiles } from '../build/context.js';
import { ContextSources } from '../build/context-sources.js';
import { ContextTree } from '../build/context-tree.js';
import type { BuildEvent } from '../build/events.js';
import { Fetcher } from '../build/fetched-tree.js';
import { IgnoreMatcher, parseIgnoreFile } from '../build/ignore.js';
import type { RunSettings } from '../build/run-settings.js';
import { Secrets } from '../build/secrets.js';
import { BuildSession, type BuildStores } from '../build/session.js';
import type { RequestUrl } from '../build/url.js';
import { isHeld } from '../container/state.js';
import { CoracleError } from '../errors.js';
import { readBytes } from '../host/files.js';
import { mountState } from '../image/mount-point.js';
import { inStore, openInStore, type Stores } from '../image/stores.js';
import type { Agent, Handle } from '../native/agent.js';
import type { NetworkMode } from '../network/network-plan.js';
import { rootLayers } from '../snapshot/init-layer.js';
import { newSnapshotId, type SnapshotRecord } from '../snapshot/record.js';
import { type ActiveSnapshot, missingSnapshot } from '../snapshot/snapshot-store.js';
import type { WorkingRecord } from './record.js';
import { workingPlaces } from './working-store.js';

export type WorkshopInput = {
  readonly stores: BuildStores;
  readonly settings?: (RunSettings & { readonly network?: NetworkMode | undefined }) | undefined;
  /** Directories of this host that files are taken from, by the names that steps give them; undefined the main one. */
  readonly contexts?: ReadonlyMap<string | undefined, ContextFiles> | undefined;
  readonly onEvent: (event: BuildEvent) => void;
  readonly requestUrl: RequestUrl;
  /** Where the working container is mounted. */
  readonly mounted?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Workshop = { readonly session: BuildSession };

/** Runs `action` with a session that is closed afterwards. */
export async function inWorkshop<T>(
  input: WorkshopInput,
  action: (workshop: Workshop) => Promise<T>,
): Promise<T> {
  const { stores, settings = {}, contexts, onEvent, mounted, signal } = input;
  const secrets = new Secrets(settings.secrets ?? []);
  const readSecret = (id: string): Uint8Array | undefined => secrets.read(id);
  const onWarning = (message: string): void => onEvent({ kind: 'warning', message });
  const fetcher = new Fetcher({ stores, env: stores.env, signal, readSecret, onWarning });
  const named = new Map(
    [...(contexts ?? [])].flatMap(([name, files]) => (name === undefined ? [] : [[name, files]])),
  );
  const main = contexts?.get(undefined) ?? directoryFiles(stores.staging.open().directory('context'));
  const lease = stores.staging.lease();
  const session = new BuildSession({
    stores,
    options: { ...settings, context: '', signal },
    onEvent,
    contexts: new ContextSources(stores, main, named),
    remotes: { fetcher, request: input.requestUrl, readSecret },
    secrets,
    mounted,
  });
  try {
    return await action({ session });
  } catch (error) {
    if (signal?.aborted) throw new CoracleError('ABORTED', 'interrupted', { cause: error, exitCode: 130 });
    throw error;
  } finally {
    await session.close();
    await fetcher.remove();
    lease.release();
  }
}

/** All files of a directory. */
export function directoryFiles(root: string): ContextFiles {
  return { kind: 'directory', tree: new ContextTree(root, new IgnoreMatcher([])) };
}

const ignoreNames = ['.containerignore', '.dockerignore'];

/** A directory's files without those that its ignore file, or another one, leaves out. */
export function contextDirectory(
  root: string,
  ignore?: { readonly text: Buffer; readonly name: string },
): ContextFiles {
  const found = ignore ?? ownIgnoreFile(root);
  const patterns = found === undefined ? [] : parseIgnoreFile(found.text.toString());
  return {
    kind: 'directory',
    tree: new ContextTree(realpathSync(root), new IgnoreMatcher(patterns, found?.name)),
  };
}

function ownIgnoreFile(root: string): { readonly text: Buffer; readonly name: string } | undefined {
  for (const name of ignoreNames) {
    const text = readBytes(join(root, name));
    if (text !== undefined) return { text, name };
  }
  return undefined;
}

/** The working container's layer as one that is being written. `work` is empty: whoever mounts it brings one. */
export function layerOf(stores: BuildStores, record: WorkingRecord, work = ''): ActiveSnapshot {
  const parent = parentOf(stores, record);
  const { directory, fs } = workingPlaces(stores, record.id);
  const id = newSnapshotId();
  return {
    ...{ id, directory, fs, work, lowers: [id, ...(parent?.lowers ?? [])] },
    ...(parent === undefined ? {} : { parent }),
  };
}

/** The snapshot of the image it began with. @throws NOT_FOUND when it was taken away by force. */
export function parentOf(
  { snapshots }: Pick<Stores, 'snapshots'>,
  { snapshot }: WorkingRecord,
): SnapshotRecord | undefined {
  if (snapshot === undefined) return undefined;
  const parent = snapshots.get(snapshot);
  if (parent === undefined) throw missingSnapshot(snapshot);
  return parent;
}

/** The layers below a working container's own, topmost first. */
export async function openLowers(
  stores: Pick<Stores, 'paths' | 'snapshots'>,
  record: WorkingRecord,
  agent: Agent,
): Promise<readonly Handle[]> {
  return Promise.all(lowerPaths(stores, record).map((path) => openInStore(agent, stores.paths, path)));
}

/** Their directories. */
export function lowerPaths(
  stores: Pick<Stores, 'paths' | 'snapshots'>,
  record: WorkingRecord,
): readonly string[] {
  const parent = parentOf(stores, record);
  return rootLayers(stores, parent);
}

/** Its files as they are now; changes go into its own layer where `writable` is set. */
export async function openFiles(
  stores: Pick<Stores, 'paths' | 'snapshots'>,
  record: WorkingRecord,
  agent: Agent,
  options: { readonly writable?: boolean } = {},
): Promise<Handle> {
  const { fs } = workingPlaces(stores, record.id);
  const top = await openInStore(agent, stores.paths, fs, options);
  return agent.stack([top, ...(await openLowers(stores, record, agent))], options);
}

/** A directory for a command's records; what a killed one left is put in order first. @throws CONFLICT while one runs. */
export async function claimRun(stores: BuildStores, record: WorkingRecord): Promise<string> {
  await settle(stores, record);
  const { run } = workingPlaces(stores, record.id);
  mkdirSync(run, { mode: 0o700 });
  return run;
}

/** Puts the layer in order after a command, or a mount, that ended without doing so. @throws CONFLICT while a command runs on. */
export async function settle(stores: BuildStores, record: WorkingRecord): Promise<void> {
  const { run, mount, mountPoint } = workingPlaces(stores, record.id);
  const [ran, wasMounted] = [existsSync(run), existsSync(mount)];
  if (ran && isHeld(run)) {
    throw new CoracleError('CONFLICT', `use working container ${record.name}: a command still runs in it`, {
      hint: 'end the command first',
    });
  }
  if (wasMounted && mountState({ point: mountPoint, mark: mount }) !== 'none') return;
  if (ran || wasMounted) await normalise(stores, record);
  rmSync(mount, { force: true });
  if (!ran) return;
  chmodSync(run, 0o700);
  const agent = await stores.openAgent();
  await agent.remove(...inStore(agent, stores.paths, run), { recursive: true });
}

/** What fuse-overlayfs leaves in a form of its own. */
export async function normalise(stores: BuildStores, record: WorkingRecord): Promise<void> {
  if (stores.driver() !== 'fuse-overlayfs') return;
  const agent = await stores.openAgent();
  const layer = await openInStore(agent, stores.paths, workingPlaces(stores, record.id).fs, {
    writable: true,
  });
  await agent.normalise(layer);
  await agent.release(layer);
}
