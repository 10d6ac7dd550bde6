/** Unpacked layers against their records, against each other and, where it is asked for, against the tar they came of. */
import { statSync } from 'node:fs';
import { ContainerStore } from '../container/container-store.js';
import { isHeld } from '../container/state.js';
import { CoracleError } from '../errors.js';
import { cachedSnapshots, containerUses } from '../image/container-use.js';
import type { Stores } from '../image/stores.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import { type CheckContext, type Detected, left, listed, type Mended, repaired } from './finding.js';
import { removeImages } from './give-up.js';
import type { Inventory } from './inventory.js';
import { measureAgain, measureFiles, readable, rebuildLayer, tarOf } from './layer-files.js';
import { LayerPlaces } from './layer-places.js';

/** Looks at every unpacked layer, the lowest first, so that what lies on a damaged one can be mended after it. */
export async function* checkLayers(context: CheckContext, inventory: Inventory): AsyncGenerator<Detected> {
  const { stores, tally } = context;
  const places = new LayerPlaces(stores, inventory);
  const users = containersOn(stores);
  const known = new Set<SnapshotId>([
    ...stores.snapshots.ids(),
    ...users.keys(),
    ...linked(places, inventory),
  ]);
  const sorted = [...known].sort((a, b) => depthOf(stores, places, a) - depthOf(stores, places, b));
  for (const id of sorted) {
    tally.layers++;
    const trouble = await troubleWith(context, places, id);
    if (trouble !== undefined) yield found(context, { id, places, users: users.get(id) ?? [], ...trouble });
  }
  for (const { image, diffId } of places.lost()) {
    yield {
      kind: 'layer-missing',
      level: 'error',
      object: `layer ${diffId}`,
      problem: 'neither its files nor its blob are in the store',
      meaning: `${image.name} cannot be run, pushed or saved`,
      repair: `nothing has it any more; with --force ${image.name} is removed`,
      images: [image.name],
      mend: async () =>
        context.settings.force
          ? removeImages(stores, [image.name], 'its layer is lost')
          : left('nothing has it any more: build the image again, or use --force'),
    };
  }
}

/** Snapshots that images' links name, be they there or not. */
function linked(places: LayerPlaces, inventory: Inventory): readonly SnapshotId[] {
  return inventory.images.flatMap((image) => places.stackOf(image).filter((id) => id !== undefined));
}

function depthOf(stores: Stores, places: LayerPlaces, id: SnapshotId): number {
  return readable(stores, id)?.lowers.length ?? places.depthOf(id);
}

type Trouble = Pick<Detected, 'kind' | 'problem'>;

async function troubleWith(
  { stores, settings }: CheckContext,
  places: LayerPlaces,
  id: SnapshotId,
): Promise<Trouble | undefined> {
  const record = recordOf(stores, id);
  if (typeof record === 'string') return { kind: 'layer-damaged', problem: record };
  if (record === undefined)
    return { kind: 'layer-missing', problem: 'its record or its whole directory is gone' };
  const directory = statSync(stores.snapshots.layerPath(id), { throwIfNoEntry: false });
  if (directory?.isDirectory() !== true) return { kind: 'layer-damaged', problem: 'its files are gone' };
  const [, below] = record.lowers;
  const place = places.of(id);
  if (place !== undefined && record.diffId !== undefined && record.diffId !== place.diffId)
    return { kind: 'layer-damaged', problem: `its record speaks of diffID ${record.diffId}` };
  if (settings.depth !== 'deep' || record.diffId === undefined) return undefined;
  if (below !== undefined && readable(stores, below) === undefined) return undefined;
  return (await isUnchanged(stores, record, place)) ? undefined : changed;
}

const changed: Trouble = {
  kind: 'layer-changed',
  problem: 'its files are not those it was made with',
};

function recordOf(stores: Stores, id: SnapshotId): SnapshotRecord | string | undefined {
  try {
    return stores.snapshots.get(id);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return error.message;
    throw error;
  }
}

/** Layers that other tools packed have other tars: those are unpacked once more, and the results compared. */
async function isUnchanged(
  stores: Stores,
  record: SnapshotRecord,
  place: ReturnType<LayerPlaces['of']>,
): Promise<boolean> {
  const files = await measureOrNothing(measureFiles(stores, record));
  if (files === record.diffId) return true;
  if (place === undefined || tarOf(stores, place) === undefined) return false;
  const again = await measureOrNothing(measureAgain(stores, place));
  // Without its blob nothing can be said: that the blob is damaged is another finding.
  return again === undefined || again === files;
}

async function measureOrNothing<T>(measured: Promise<T>): Promise<T | undefined> {
  try {
    return await measured;
  } catch (error) {
    if (error instanceof CoracleError && ['IO', 'INVALID', 'INTEGRITY', 'NOT_FOUND'].includes(error.code))
      return undefined;
    throw error;
  }
}

type Found = Trouble & {
  readonly id: SnapshotId;
  readonly places: LayerPlaces;
  readonly users: readonly string[];
};

function found(context: CheckContext, { id, places, users, ...trouble }: Found): Detected {
  const images = places.imagesOn(id);
  const things = [...images, ...users.map((name) => `container ${name}`)];
  const place = places.of(id);
  const tar = place === undefined ? undefined : tarOf(context.stores, place);
  const cached = cachedSnapshots(context.stores.paths).includes(id);
  const meaning =
    things.length > 0
      ? `${listed(things)} ${things.length === 1 ? 'does' : 'do'} not work as made`
      : cached
        ? 'the build cache holds it: builds would go on with wrong files'
        : 'nothing uses it';
  const repair =
    things.length === 0
      ? 'it is removed'
      : tar !== undefined
        ? 'it is unpacked again from its blob'
        : `it was made here and has no blob; with --force ${listed(things)} is removed`;
  return {
    ...trouble,
    level: things.length > 0 || cached ? 'error' : 'notice',
    object: `layer ${id}`,
    meaning,
    repair,
    images,
    containers: users,
    mend: () => mend(context, { id, places, users, ...trouble }),
  };
}

async function mend({ stores, settings }: CheckContext, { id, places, users }: Found): Promise<Mended> {
  const images = places.imagesOn(id);
  const running = users.filter((name) => isRunning(stores, name));
  if (running.length > 0) return left(`${listed(running)} runs on it: stop it, then repair again`);
  if (images.length === 0 && users.length === 0) {
    const path = stores.snapshots.detach(id);
    if (path !== undefined) await stores.removeTree(path);
    return repaired('removed');
  }
  const place = places.of(id);
  if (place !== undefined && tarOf(stores, place) !== undefined) {
    try {
      await rebuildLayer(stores, place);
      return repaired('unpacked again from its blob');
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      return left(error.message);
    }
  }
  if (settings.force && users.length === 0) return removeImages(stores, images, 'it has no blob');
  return left('it has no blob: build the image again, or use --force');
}

/** Names of containers by each snapshot that they lie on. */
function containersOn(stores: Stores): ReadonlyMap<SnapshotId, string[]> {
  const users = new Map<SnapshotId, string[]>();
  for (const { name, snapshot } of [...readableContainers(stores), ...otherUses(stores)]) {
    for (const id of snapshot === undefined ? [] : (readable(stores, snapshot)?.lowers ?? [snapshot])) {
      users.set(id, [...(users.get(id) ?? []), name]);
    }
  }
  return users;
}

/** Containers that images are made in, and those of other stores that have their images here. */
function otherUses({
  paths,
}: Stores): readonly { readonly name: string; readonly snapshot: SnapshotId | undefined }[] {
  const own = new Set(new ContainerStore(paths).ids());
  try {
    return containerUses(paths)
      .filter(({ container }) => !own.has(container))
      .map(({ container, snapshot }) => ({ name: container, snapshot }));
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return [];
    throw error;
  }
}

/** Containers whose records make sense; the others are another check's. */
function readableContainers(stores: Stores): readonly {
  readonly name: string;
  readonly snapshot: SnapshotId | undefined;
  readonly directory: string;
}[] {
  const store = new ContainerStore(stores.paths);
  return store.ids().flatMap((id) => {
    try {
      const view = store.get(id);
      if (view === undefined) return [];
      return [{ name: view.record.name, snapshot: view.record.snapshot, directory: view.directory }];
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') return [];
      throw error;
    }
  });
}

function isRunning(stores: Stores, name: string): boolean {
  return readableContainers(stores).some((one) => one.name === name && isHeld(one.directory));
}
