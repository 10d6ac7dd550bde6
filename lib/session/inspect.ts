/** `inspect`: a container or an image as a JSON document with the fields that docker and podman give it. */
import { ContainerStore } from '../container/container-store.js';
import type { NetworkPlace } from '../container/inspect.js';
import type { ContainerView } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { type ImageRecord, withoutIndex } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { present } from '../oci/guards.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { Platform } from '../oci/platform.js';
import { familiarReference, parseReference, repositoryName } from '../oci/reference.js';
import { namesToFind } from './image-names.js';
import { storedImage } from './image-source.js';
import type { Session } from './session.js';

export type Inspection = Readonly<Record<string, unknown>>;

export type InspectRequest = {
  readonly type?: 'all' | 'container' | 'image';
  /** Of containers also their sizes. */
  readonly size?: boolean;
  /** `OS/ARCH[/VARIANT]`: which image of an index; this machine's or the first one by default. */
  readonly platform?: string | undefined;
};

/** The document; a container's name wins over an image's. @throws NOT_FOUND */
export async function inspect(session: Session, name: string, request: InspectRequest): Promise<Inspection> {
  const { type = 'all', size = false } = request;
  const platform = await session.platform(request.platform);
  const stores = await session.allStores();
  const container = type === 'image' ? undefined : new ContainerStore(stores.paths).find(name);
  if (container !== undefined) {
    const document = await containerDocument(session, container);
    return size ? { ...document, ...(await sizeFields(session, container)) } : document;
  }
  const image = type === 'container' ? undefined : findImage(stores, name, platform);
  if (image !== undefined) {
    const digestOf = (reference: string): string =>
      stores.images.findEntry(reference)?.descriptor.digest ?? image.descriptor.digest;
    return imageDocument(image, stores.images.bytesOf(image), digestOf);
  }
  const what = type === 'all' ? 'container or image' : type;
  throw new CoracleError('NOT_FOUND', `inspect ${name}: no such ${what}`, {
    hint: 'coracle ps -a and coracle images list what there is',
  });
}

/** @throws NOT_FOUND when it is there for other platforms only */
function findImage(stores: Stores, name: string, platform: Platform | undefined): ImageRecord | undefined {
  if (platform !== undefined) return withoutIndex(storedImage(stores, name, { platform }));
  return namesToFind(name)
    .map((candidate) => stores.images.find(candidate, { nearest: true }))
    .find((found) => found !== undefined);
}

async function containerDocument(session: Session, view: ContainerView): Promise<Inspection> {
  const stores = await session.allStores();
  const { inspectContainer } = await import('../container/inspect.js');
  const { VolumeStore } = await import('../volume/volume-store.js');
  const networks = await networksOf(session, view);
  return inspectContainer(view, {
    volumes: new VolumeStore(stores.paths),
    networks,
  });
}

/** By name, or by mode where its network has no name. */
async function networksOf(
  session: Session,
  view: ContainerView,
): Promise<Readonly<Record<string, NetworkPlace>>> {
  const { record } = view;
  const { options, network: mode, ports, hostname, name } = record;
  if (mode === 'bridge') return (await import('./networks.js')).networkPlaces(session, view);
  if (mode === 'container') return {};
  const { networkOf } = await import('../container/network.js');
  const { address } = networkOf(await session.allStores(), { options, mode, ports, hostname, name });
  const own = { [mode]: { IPAddress: view.status === 'running' ? (address ?? '') : '' } };
  const { isOnMore } = await import('../container/network-at-start.js');
  if (!isOnMore(await session.allStores(), record)) return own;
  return { ...own, ...(await (await import('./networks.js')).networkPlaces(session, view)) };
}

async function sizeFields(session: Session, view: ContainerView): Promise<Inspection> {
  const { containerSize } = await import('./container-size.js');
  const { written, whole } = await containerSize(session, view);
  return { SizeRw: written, SizeRootFs: whole };
}

function imageDocument(
  image: ImageRecord,
  size: number,
  digestOf: (reference: string) => string,
): Inspection {
  const { config, manifest, descriptor, references } = image;
  const names = references.map((reference) => familiarReference(parseReference(reference)));
  const document = {
    Id: `sha256:${image.id}`,
    Digest: descriptor.digest,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: [
      ...new Set(references.map((name) => `${repositoryName(parseReference(name))}@${digestOf(name)}`)),
    ],
    Parent: '',
    Comment: config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? '',
    Version: '',
    Author: config.author ?? '',
    Architecture: config.architecture,
    Variant: config.variant ?? '',
    Os: config.os,
    Size: size,
    VirtualSize: size,
    User: config.config?.User ?? '',
    Config: withAllFields(config.config ?? {}),
    Labels: config.config?.Labels ?? {},
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    ManifestType: manifest.mediaType,
    Annotations: manifest.annotations ?? {},
    History: (config.history ?? []).map(withGoNames),
    NamesHistory: names,
    ...present('Healthcheck', config.config?.Healthcheck),
  };
  const healthcheck = config.config?.Healthcheck;
  return withHidden(document, { ID: document.Id, Healthcheck: healthcheck, HealthCheck: healthcheck });
}

const unsetFields = {
  User: '',
  ExposedPorts: {},
  Env: [],
  Entrypoint: [],
  Cmd: [],
  Volumes: {},
  WorkingDir: '',
  Labels: {},
  StopSignal: '',
  OnBuild: [],
  Shell: [],
};

/** What is not set is no field of the document, but templates find it, as in docker and podman. */
function withAllFields(config: ContainerConfig): Inspection {
  return withHidden(config, unsetFields);
}

/** Templates know the fields of a step by podman's names. */
function withGoNames(step: HistoryEntry): Inspection {
  const { created = '', created_by: by = '', author = '', comment = '', empty_layer: empty = false } = step;
  return withHidden(step, {
    Created: created,
    CreatedBy: by,
    Author: author,
    Comment: comment,
    EmptyLayer: empty,
  });
}

/** With further fields that JSON does not show. */
function withHidden(fields: object, hidden: Inspection): Inspection {
  const all = { ...fields };
  for (const [name, value] of Object.entries(hidden)) {
    if (!Object.hasOwn(all, name)) Object.defineProperty(all, name, { value, enumerable: false });
  }
  return all;
}
