/** `working commit`: an image of the base's layers, what was written as one more, and the config as it is now. */

import { assembleImage } from '../image/assemble.js';
import { commitChanges, commitTree } from '../image/commit-changes.js';
import type { ImageRecord } from '../image/image-record.js';
import { reformImage } from '../image/reform.js';
import { openInStore, type Stores } from '../image/stores.js';
import type { DiffSource } from '../layer/diff.js';
import type { Agent } from '../native/agent.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { present } from '../oci/guards.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { applyChanges } from '../transfer/config-change.js';
import type { WorkingRecord } from './record.js';
import { workingPlaces } from './working-store.js';
import { openFiles, openLowers, parentOf } from './workshop.js';

export type WorkingCommit = {
  /** Dockerfile instructions that change the config. */
  readonly changes?: readonly string[] | undefined;
  readonly author?: string | undefined;
  readonly message?: string | undefined;
  /** One layer for everything. */
  readonly squash?: boolean | undefined;
  readonly format?: 'oci' | 'docker' | undefined;
  /** Seconds since the epoch: the time of the image, and that no file of its new layer is later than unless `rewriteTimestamp` is false. */
  readonly timestamp?: number | undefined;
  readonly rewriteTimestamp?: boolean | undefined;
  readonly omitHistory?: boolean | undefined;
  readonly unsetEnv?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
};

/** Puts the image into the store, without a name. Hold a staging lease. @throws USAGE for a change that is none */
export async function commitWorking(
  stores: Stores,
  record: WorkingRecord,
  base: ImageRecord | undefined,
  request: WorkingCommit,
): Promise<ImageRecord> {
  const config = finalConfig(record, request);
  const { timestamp, rewriteTimestamp = timestamp !== undefined } = request;
  const clamp = timestamp !== undefined && rewriteTimestamp ? { clampMtime: timestamp } : {};
  const { top, changed } = await commitLayer(stores, record, request, clamp);
  const created = new Date(timestamp === undefined ? Date.now() : timestamp * 1000).toISOString();
  const author = request.author ?? record.config.author;
  const history = historyOf(record, { ...request, changed, created, author });
  const { rootfs: _none, history: _base, ...rest } = record.config;
  const image = await assembleImage(
    {
      config: {
        ...rest,
        created,
        ...present('author', author),
        config,
        ...(request.omitHistory === true ? {} : { history }),
      },
      ...present('top', top),
      ...present('base', request.squash === true ? undefined : base),
      ...clamp,
    },
    stores,
  );
  const annotations = { ...record.annotations, ...request.annotations };
  return reformImage(
    image,
    {
      docker: request.format === 'docker',
      // Docker's manifests have none.
      ...(request.format === 'docker' || Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    stores,
  );
}

function finalConfig(
  record: WorkingRecord,
  { changes = [], unsetEnv = [], labels = {} }: WorkingCommit,
): ContainerConfig {
  const config = applyChanges(record.config.config ?? {}, changes);
  const env = (config.Env ?? []).filter((entry) => !unsetEnv.includes(entry.split('=', 1)[0] ?? ''));
  return {
    ...config,
    ...(config.Env === undefined ? {} : { Env: env }),
    ...(Object.keys(labels).length === 0 ? {} : { Labels: { ...config.Labels, ...labels } }),
  };
}

type Committed = { readonly top: SnapshotRecord | undefined; readonly changed: boolean };

async function commitLayer(
  stores: Stores,
  record: WorkingRecord,
  { squash, onWarning }: WorkingCommit,
  clamp: { readonly clampMtime?: number },
): Promise<Committed> {
  const parent = parentOf(stores, record);
  const options = { comment: `commit of ${record.name}`, ...clamp, ...present('onWarning', onWarning) };
  const agent = await stores.ownAgent();
  try {
    if (squash === true) {
      const handle = await openFiles(stores, record, agent);
      return { top: await commitTree(stores, { agent, handle }, options), changed: true };
    }
    const source = await changesOf(stores, record, agent);
    if (await isEmpty(source)) return { top: parent, changed: false };
    return { top: await commitChanges(stores, source, parent, options), changed: true };
  } finally {
    await agent.close();
  }
}

async function changesOf(stores: Stores, record: WorkingRecord, agent: Agent): Promise<DiffSource> {
  const layer = await openInStore(agent, stores.paths, workingPlaces(stores, record.id).fs);
  return { agent, layer, lower: await agent.stack(await openLowers(stores, record, agent)) };
}

async function isEmpty({ agent, layer }: DiffSource): Promise<boolean> {
  let empty = true;
  // Read to its end: the agent has no way to break off.
  for await (const event of agent.walk(layer, '.', { raw: true }))
    if (event.kind === 'entry' && event.entry.path.length > 0) empty = false;
  return empty;
}

function historyOf(
  record: WorkingRecord,
  made: {
    readonly squash?: boolean | undefined;
    readonly message?: string | undefined;
    readonly changed: boolean;
    readonly created: string;
    readonly author: string | undefined;
  },
): readonly HistoryEntry[] {
  const before = record.config.history ?? [];
  const kept = made.squash === true ? before.map((entry) => ({ ...entry, empty_layer: true })) : before;
  const comment = made.message ?? record.historyComment;
  const own: HistoryEntry = {
    created: made.created,
    created_by: record.createdBy ?? `commit of working container ${record.name}`,
    ...present('author', made.author),
    ...present('comment', comment),
    ...(made.changed ? {} : { empty_layer: true }),
  };
  return [...kept, ...record.history.map((entry) => ({ ...entry, empty_layer: true })), own];
}
