/** The cache mounts of one RUN: held while it runs, made and filled at their first use. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { inStore, openInStore } from '../image/stores.js';
import type { CacheMountIdentity, HeldCacheMount } from './cache-mounts.js';
import type { ResolvedOrigin } from './copy-step.js';
import type { OpenedMount } from './mount-trees.js';
import type { RunStep } from './plan.js';
import type { MountOrigins } from './run-inputs.js';
import type { RunMount } from './run-mount.js';
import type { BuildSession } from './session.js';

type CacheRequest = Extract<RunMount, { kind: 'cache' }>;

export type OpenedCaches = {
  readonly opened: readonly OpenedMount[];
  readonly releases: readonly (() => void)[];
};

/** Takes the caches in the order of their identities: two steps that want the same ones never wait for each other. */
export async function openCache(
  session: BuildSession,
  step: RunStep,
  origins: MountOrigins,
  directory: string,
): Promise<OpenedCaches> {
  const requests = step.mounts
    .filter((mount) => mount.kind === 'cache')
    .map((mount) => ({ mount, identity: identityOf(mount, origins.get(mount)) }))
    .map((request) => ({ ...request, key: JSON.stringify(request.identity) }))
    .sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
  const held = new Map<string, HeldCacheMount>();
  const releaseAll = (): void => {
    for (const { release } of held.values()) release();
    held.clear();
  };
  try {
    const opened: OpenedMount[] = [];
    for (const { mount, identity, key } of requests) {
      // One cache at two targets of a step is one cache.
      const cache = held.get(key) ?? (await acquire(session, step, mount, identity));
      held.set(key, cache);
      await fill(session, cache, mount, { origin: origins.get(mount), directory });
      opened.push(openedCache(cache, mount));
    }
    return { opened, releases: [releaseAll] };
  } catch (error) {
    releaseAll();
    throw error;
  }
}

function identityOf(mount: CacheRequest, origin: ResolvedOrigin | undefined): CacheMountIdentity {
  const { namespace, id, owner, source } = mount;
  const from = origin?.kind === 'files' && mount.from.kind !== 'scratch' ? origin.identity : undefined;
  return { namespace, id, from, owner: source === '/' ? owner : undefined };
}

function acquire(
  session: BuildSession,
  step: RunStep,
  mount: CacheRequest,
  identity: CacheMountIdentity,
): Promise<HeldCacheMount> {
  const note = Buffer.from(`waiting for cache mount ${mount.id}: another step or build uses it\n`);
  return session.cacheMounts.acquire(identity, {
    sharing: mount.sharing,
    signal: session.options.signal,
    onWait: () => session.onEvent({ kind: 'log', step: step.id, stream: 2, data: note, time: Date.now() }),
  });
}

/** Made aside and renamed, so that whoever shares the mount sees it whole or makes it too. */
async function fill(
  session: BuildSession,
  cache: HeldCacheMount,
  mount: CacheRequest,
  { origin, directory }: { readonly origin: ResolvedOrigin | undefined; readonly directory: string },
): Promise<void> {
  if (existsSync(cache.data)) return;
  if (origin?.kind === 'context') {
    throw new CoracleError(
      'UNSUPPORTED',
      `mount cache ${mount.id}: a cache cannot begin with a build context`,
      {
        hint: 'copy the files into a stage, and name that with from=',
      },
    );
  }
  const agent = session.agent();
  const { paths } = session.stores;
  const made = join(directory, `cache-${cache.name}`);
  const { uid, gid, mode } = mount.owner ?? { uid: 0, gid: 0, mode: 0o755 };
  await agent.mkdir(...inStore(agent, paths, made), { mode: 0o755, owner: { uid: 0, gid: 0 } });
  const top = await origin?.top();
  if (top !== undefined) {
    const target = await openInStore(agent, paths, made, { writable: true });
    await agent.flatten(await session.stack(top), target);
  }
  if (mount.owner !== undefined)
    await agent.setMeta(...inStore(agent, paths, made), { mode, owner: { uid, gid } });
  await agent.sync();
  try {
    await agent.rename(...inStore(agent, paths, made), ...inStore(agent, paths, cache.data));
  } catch (error) {
    if (!existsSync(cache.data)) throw error;
  }
}

function openedCache(cache: HeldCacheMount, { source, target, readOnly }: CacheRequest): OpenedMount {
  const options = [readOnly ? 'ro' : 'rw', 'nosuid', 'nodev'];
  const inside = source === '/' ? {} : { inside: source.slice(1) };
  const mount = { type: 'bind', source: cache.data, destination: target, options, ...inside } as const;
  return { mount, kind: 'directory' };
}
