/** `coracle working`: images made step by step, without a Dockerfile. */
import type { BuildEvent } from '../build/events.js';
import type { BuildStores } from '../build/session.js';
import { CoracleError } from '../errors.js';
import { readBytes } from '../host/files.js';
import type { ImageRecord } from '../image/image-record.js';
import { writeEvent } from '../native/journal.js';
import type { HistoryEntry } from '../oci/image-config.js';
import { commitWorking } from '../working/commit.js';
import { type ConfigChange, changeConfig } from '../working/config-change.js';
import { type CopyFrom, copyWorking, placeSources, sourceContexts } from '../working/copy.js';
import { startWorking, type WorkingOrigin } from '../working/from.js';
import { mountedHere, refuseForeignForm, unmountWorking } from '../working/mount.js';
import type { WorkingRecord } from '../working/record.js';
import { runWorking } from '../working/run.js';
import { fixTexts, readTexts } from '../working/run-texts.js';
import { WorkingStore } from '../working/working-store.js';
import {
  contextDirectory,
  directoryFiles,
  inWorkshop,
  openFiles,
  settle,
  type WorkshopInput,
} from '../working/workshop.js';
import { resolveImage, storedImage } from './image-source.js';
import type { Session } from './session.js';
import { deliver, parseDestination } from './working-delivery.js';
import type {
  WorkingCommitRequest,
  WorkingCopyRequest,
  WorkingFromRequest,
  WorkingRunRequest,
} from './working-requests.js';

/** `scratch` is no image: it begins with nothing. */
export async function from(
  session: Session,
  image: string,
  request: WorkingFromRequest,
): Promise<WorkingRecord> {
  const stores = await session.allStores();
  const { name, texts = {}, cwd = process.cwd() } = request;
  // Found wrong now, not at the first command.
  readTexts(fixTexts(texts, cwd), {}, cwd);
  const lease = stores.staging.lease();
  try {
    const origin = await originOf(session, stores, image, request);
    return startWorking(stores, origin, { name, texts: fixTexts(texts, cwd) });
  } finally {
    lease.release();
  }
}

async function originOf(
  session: Session,
  stores: BuildStores & { unpack(image: ImageRecord): Promise<unknown> },
  image: string,
  request: WorkingFromRequest,
): Promise<WorkingOrigin> {
  const platform = await session.platform(request.platform);
  if (image === 'scratch') return { image: undefined, platform };
  const { policy = 'missing', access = {}, onEvent = () => undefined } = request;
  const wanted = { access, policy, onEvent, ...(platform === undefined ? {} : { platform }) };
  const found = await resolveImage(stores, image, wanted);
  await stores.unpack(found);
  return { image: found, top: stores.images.topSnapshot(found) };
}

/** Runs a command; resolves with its exit code. @throws START */
export async function run(session: Session, name: string, request: WorkingRunRequest): Promise<number> {
  const stores = await session.allStores();
  return holding(stores, name, async (record, store) => {
    const { texts = {}, cwd = process.cwd(), contextDirectory: root, onWarning, ...command } = request;
    const settings = readTexts(record.texts, texts, cwd);
    const contexts = root === undefined ? undefined : new Map([[undefined, directoryFiles(root)]]);
    const input = { settings: { ...settings, network: settings.network ?? session.networkMode() }, contexts };
    const code = await inWorkshop(workshopInput(session, stores, request, input), ({ session: workshop }) =>
      runWorking({
        session: workshop,
        record,
        request: command,
        network: settings.network,
        resolveImage: (image) =>
          resolveImage(stores, image, { access: {}, policy: 'missing', onEvent: () => undefined }),
      }),
    );
    if (request.addHistory === true && code === 0)
      note(store, record, `/bin/sh -c ${request.args.join(' ')}`);
    return code;
  });
}

/** Copies files; resolves with a digest of them where `digest` is set. */
export async function copy(
  session: Session,
  name: string,
  kind: 'copy' | 'add',
  request: WorkingCopyRequest,
): Promise<string | undefined> {
  if (request.ignoreFile !== undefined && request.contextDirectory === undefined)
    throw new CoracleError('USAGE', 'use --ignorefile: it goes with --contextdir');
  const stores = await session.allStores();
  return holding(stores, name, async (record, store) => {
    const { contextDirectory: root, ignoreFile, from: source } = request;
    const origin = source === undefined ? undefined : await copyFrom(stores, source, request);
    const sources = origin === undefined ? request : { ...request, contextDirectory: '/' };
    const { placed, roots } = placeSources(kind, sources);
    const ignore =
      ignoreFile === undefined ? undefined : { text: readIgnoreFile(ignoreFile), name: ignoreFile };
    const mounted = mountedHere(stores, record, 'copy into');
    await settle(stores, record);
    const digest = await inWorkshop(
      workshopInput(session, stores, request, { root, ignore, roots, mounted }),
      async ({ session: workshop }) => {
        const agent = workshop.agent();
        const handle =
          mounted === undefined
            ? await openFiles(stores, record, agent, { writable: true })
            : workshop.mountedRoot();
        const input = { session: workshop, record, handle, kind, request, from: origin, placed };
        return copyWorking(input, request.digest === true);
      },
    );
    if (request.addHistory === true) {
      const text = `${kind.toUpperCase()} ${request.sources.join(' ')} ${request.destination ?? '.'}`;
      note(store, record, `/bin/sh -c #(nop) ${text}`);
    }
    return digest;
  });
}

type Surroundings = {
  readonly settings?: WorkshopInput['settings'];
  readonly contexts?: WorkshopInput['contexts'];
  readonly root?: string | undefined;
  readonly ignore?: { readonly text: Buffer; readonly name: string } | undefined;
  readonly roots?: ReadonlyMap<string, string>;
  readonly mounted?: string | undefined;
};

type Asking = {
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
};

function workshopInput(
  session: Session,
  stores: BuildStores,
  { signal, onWarning }: Asking,
  { settings, contexts, root, ignore, roots, mounted }: Surroundings,
): WorkshopInput {
  const main = root === undefined ? undefined : contextDirectory(root, ignore);
  return {
    stores,
    settings,
    mounted,
    contexts: contexts ?? (roots === undefined ? undefined : sourceContexts(roots, main, directoryFiles)),
    signal,
    onEvent: (event: BuildEvent) => {
      if (event.kind === 'warning') onWarning?.(event.message);
    },
    requestUrl: async (wanted) => {
      const { requestUrl } = await import('./url-requests.js');
      return requestUrl(wanted, { env: session.env, signal });
    },
  };
}

function readIgnoreFile(path: string): Buffer {
  const text = readBytes(path);
  if (text !== undefined) return text;
  throw new CoracleError('NOT_FOUND', `read ignore file ${path}: no such file`);
}

/** A working container wins over an image of the name. */
async function copyFrom(
  stores: BuildStores,
  name: string,
  { access = {}, policy = 'missing' }: WorkingCopyRequest,
): Promise<CopyFrom> {
  const working = new WorkingStore(stores).list().find((one) => one.name === name || one.id === name);
  if (working !== undefined) return { kind: 'working', record: working };
  const image = await resolveImage(stores, name, { access, policy, onEvent: () => undefined });
  return { kind: 'image', image };
}

/** Changes what the image will say of itself. */
export async function config(
  session: Session,
  name: string,
  change: ConfigChange,
  history: string | undefined,
): Promise<void> {
  const stores = await session.allStores();
  await holding(stores, name, async (record, store) => {
    const changed = changeConfig(record, change);
    if (history === undefined) store.write(changed);
    else note(store, changed, `/bin/sh -c #(nop) ${history}`);
  });
}

/** Makes an image; resolves with it as it is in the store, or as it went out. */
export async function commit(
  session: Session,
  name: string,
  request: WorkingCommitRequest,
): Promise<ImageRecord> {
  const stores = await session.allStores();
  const { destination, remove, onEvent = () => undefined, access = {} } = request;
  const place = destination === undefined ? undefined : parseDestination(destination);
  return holding(stores, name, async (record, store) => {
    refuseForeignForm(stores, record, 'commit');
    await settle(stores, record);
    const lease = stores.staging.lease();
    try {
      const base =
        record.base === undefined ? undefined : stores.images.find(record.base.id, { nearest: true });
      const made = await commitWorking(stores, record, base, request);
      const image = await deliver(stores, made, place, { access, onEvent });
      writeEvent(stores.paths, 'image', 'commit', { id: made.id, name: image.reference });
      if (remove === true) await unmountWorking(stores, record);
      if (remove === true) await removeTree(stores, store.detach(record));
      return image;
    } finally {
      lease.release();
    }
  });
}

/** All, in the order they were made. */
export async function list(session: Session): Promise<readonly WorkingRecord[]> {
  return new WorkingStore(await session.stores()).list();
}

/** One of them. @throws NOT_FOUND */
export async function get(session: Session, name: string): Promise<WorkingRecord> {
  return new WorkingStore(await session.stores()).resolve(name);
}

/** The image it began with, as the store has it. */
export async function baseOf(session: Session, record: WorkingRecord): Promise<ImageRecord | undefined> {
  const stores = await session.stores();
  return record.base === undefined ? undefined : storedImage(stores, record.base.id);
}

export async function rename(session: Session, name: string, to: string): Promise<void> {
  await holding(await session.allStores(), name, async (record, store) => store.rename(record, to));
}

/** Removes one; resolves with its id. */
export async function remove(session: Session, name: string): Promise<string> {
  const stores = await session.allStores();
  return holding(stores, name, async (record, store) => {
    await unmountWorking(stores, record);
    await settle(stores, record);
    await removeTree(stores, store.detach(record));
    return record.id;
  });
}

async function removeTree(stores: BuildStores, path: string | undefined): Promise<void> {
  if (path !== undefined) await stores.removeTree(path);
}

/** Runs `action` while nobody else may change the working container. */
export async function holding<T>(
  stores: BuildStores,
  name: string,
  action: (record: WorkingRecord, store: WorkingStore) => Promise<T>,
): Promise<T> {
  const store = new WorkingStore(stores);
  const { record, lock } = store.hold(name);
  try {
    return await action(record, store);
  } finally {
    lock.release();
  }
}

function note(store: WorkingStore, record: WorkingRecord, createdBy: string): void {
  const entry: HistoryEntry = { created: new Date().toISOString(), created_by: createdBy, empty_layer: true };
  store.write({ ...record, history: [...record.history, entry] });
}
