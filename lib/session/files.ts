/** The verbs about a container's files: `diff`, `export`, `commit`. */
import { listChanges, openChanges } from '../container/changes.js';
import { writeContainerEvent } from '../container/container-events.js';
import { lastingEnvironment } from '../container/process.js';
import type { ContainerRecord } from '../container/record.js';
import { whileThere } from '../container/removed.js';
import { openTree } from '../container/tree.js';
import type { ContainerView } from '../container/view.js';
import { writeOutput } from '../host/output-file.js';
import { assembleImage } from '../image/assemble.js';
import { commitChanges } from '../image/commit-changes.js';
import type { ImageRecord } from '../image/image-record.js';
import { flattenTar } from '../layer/diff.js';
import type { Change } from '../layer/layer-changes.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { present } from '../oci/guards.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { applyChanges } from '../transfer/config-change.js';
import { open } from './containers.js';
import { nameToGive } from './image-names.js';
import type { CommitRequest } from './requests.js';
import type { AllStores, Session } from './session.js';

/** What a container changed over its image. */
export async function diff(session: Session, name: string): Promise<readonly Change[]> {
  const { stores, view } = await open(session, name);
  return whileThere('compare', view, () => listChanges(stores, view));
}

/** A container's files as one tar; volumes and other mounts are left out. */
export async function exportFiles(session: Session, name: string, destination: string): Promise<void> {
  const { stores, view } = await open(session, name);
  await whileThere('export', view, async () => {
    const tree = await openTree(stores, view, 'root');
    try {
      await writeOutput(destination, flattenTar(tree));
    } finally {
      await tree.close();
    }
  });
  writeContainerEvent(stores.paths, 'export', view.record);
}

/** Makes an image of a container: the layers of its image, its changes as one more, and a config. */
export async function commit(session: Session, name: string, request: CommitRequest): Promise<ImageRecord> {
  const { stores, view } = await open(session, name);
  const base = stores.images.resolve(view.record.imageId);
  const config = applyChanges(configOf(view.record, base.config.config ?? {}), request.changes ?? []);
  const reference = request.reference === undefined ? undefined : nameToGive(request.reference);
  const lease = stores.staging.lease();
  try {
    const top = await whileThere('commit', view, () => commitLayer(stores, view, request.onWarning));
    const created = new Date().toISOString();
    const history = [
      ...(base.config.history ?? []),
      {
        created,
        created_by: view.record.process.args.join(' '),
        ...present('comment', request.message),
        ...present('author', request.author),
      },
    ];
    const image = await assembleImage(
      {
        config: {
          ...base.config,
          created,
          ...present('author', request.author ?? base.config.author),
          config,
          history,
        },
        top,
        base,
      },
      stores,
    );
    if (reference === undefined) stores.images.add(image);
    else stores.images.tag(image, reference);
    writeContainerEvent(stores.paths, 'commit', view.record);
    return stores.images.resolve(reference ?? image.id);
  } finally {
    lease.release();
  }
}

async function commitLayer(
  stores: AllStores,
  view: ContainerView,
  onWarning: ((text: string) => void) | undefined,
): Promise<SnapshotRecord> {
  const parent = view.record.snapshot === undefined ? undefined : stores.snapshots.get(view.record.snapshot);
  const source = await openChanges(stores, view);
  try {
    return await commitChanges(stores, source, parent, {
      comment: `commit of ${view.record.name}`,
      ...(onWarning === undefined ? {} : { onWarning }),
    });
  } finally {
    await source.close();
  }
}

/** The image's config with what the container was told instead, as docker has it. */
function configOf(record: ContainerRecord, config: ContainerConfig): ContainerConfig {
  const { process, options } = record;
  return {
    ...config,
    Env: lastingEnvironment(process.env, record.hostname, config),
    ...(record.command.length === 0 ? {} : { Cmd: record.command }),
    ...(record.entrypoint.length === 0 ? {} : { Entrypoint: record.entrypoint }),
    ...(options.workdir === undefined ? {} : { WorkingDir: process.cwd }),
    ...(options.user === undefined ? {} : { User: process.user }),
    ...(Object.keys(record.labels).length === 0 ? {} : { Labels: record.labels }),
  };
}
