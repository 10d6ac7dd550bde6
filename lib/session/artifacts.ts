/** `artifact`: files of any kind in the store and at registries, under names as images have them. */
import { existsSync, lstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import type { IndexEntry } from '../image/index-file.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { annotationNames } from '../oci/layout.js';
import { type ImageManifest, manifestLimit, parseManifest } from '../oci/manifest.js';
import { isImageConfig, ociTypes } from '../oci/media-types.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { ArtifactOptions } from '../transfer/artifact.js';
import { ignoreEvents } from '../transfer/events.js';
import type { ImageSource } from '../transfer/place.js';
import { type CopyImageRequest, copyBetween } from './copy-image.js';
import { namesToFind, nameToGive } from './image-names.js';
import type { Session } from './session.js';

/** An artifact of the store. */
export type Artifact = {
  /** The full reference. */
  readonly name: string;
  readonly digest: Digest;
  readonly type: string;
  readonly manifest: ImageManifest;
  /** Bytes of its files. */
  readonly size: number;
};

export type AddFilesRequest = Omit<ArtifactOptions, 'subject' | 'config' | 'base'> & {
  /** Add to the artifact that has the name. */
  readonly append?: boolean | undefined;
  /** Take the place of what has the name. */
  readonly replace?: boolean | undefined;
};

/** Which files of an artifact; all of them when nothing is said. */
export type FileChoice = {
  readonly title?: string | undefined;
  readonly digest?: string | undefined;
};

/** Makes an artifact of files. @throws CONFLICT where the name is taken */
export async function addArtifact(
  session: Session,
  text: string,
  files: readonly string[],
  { append = false, replace = false, ...options }: AddFilesRequest,
): Promise<Digest> {
  const stores = await session.stores();
  const { storeArtifact } = await import('../transfer/artifact.js');
  const { keptDescriptor } = await import('../transfer/place-store.js');
  const name = nameToGive(text);
  const lease = stores.staging.lease();
  try {
    for (;;) {
      const base = append ? openArtifact(stores, text) : undefined;
      const before = base?.digest ?? (replace ? replaceable(stores, name) : undefined);
      const document = await storeArtifact(stores, files, { ...options, base: base?.manifest });
      if (stores.images.replaceTag(base?.name ?? name, keptDescriptor(document), before))
        return document.descriptor.digest;
      // Somebody else was faster: what there is now is added to, or replaced.
      if (append || replace) continue;
      throw new CoracleError('CONFLICT', `add artifact ${text}: the name is taken`, {
        hint: '--append adds to an artifact, --replace takes its place',
      });
    }
  } finally {
    lease.release();
  }
}

/** The digest of the artifact that has a name, if one has it. @throws CONFLICT for an image's name */
function replaceable(stores: Stores, name: string): Digest | undefined {
  const entry = stores.images.findEntry(name);
  if (entry === undefined || isArtifact(entry)) return entry?.descriptor.digest;
  throw new CoracleError('CONFLICT', `add artifact ${name}: an image has the name`, {
    hint: 'take the name away from it first: coracle untag',
  });
}

/** All artifacts, in the order of their names. */
export async function listArtifacts(session: Session): Promise<readonly Artifact[]> {
  const stores = await session.stores();
  return stores.images
    .entries()
    .filter(isArtifact)
    .map((entry) => describe(stores, entry))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** An artifact by name, or by its digest or at least twelve digits of it. @throws NOT_FOUND */
export async function getArtifact(session: Session, text: string): Promise<Artifact> {
  return openArtifact(await session.stores(), text);
}

/** Takes a name away, and the artifact with its last one. Resolves with the digest. @throws NOT_FOUND */
export async function removeArtifact(session: Session, text: string): Promise<Digest> {
  const stores = await session.stores();
  const { name, digest } = openArtifact(stores, text);
  const { removeImages } = await import('../image/remove-images.js');
  const { failures } = await removeImages(stores, [name]);
  for (const { error } of failures) throw error;
  return digest;
}

/** Fetches an artifact. @throws UNSUPPORTED for a container image */
export async function pullArtifact(
  session: Session,
  text: string,
  request: CopyImageRequest,
): Promise<Digest> {
  const { registrySource } = await import('../transfer/place-registry.js');
  const { storeTarget } = await import('../transfer/place-store.js');
  const { copyImage } = await import('../transfer/copy.js');
  const { onEvent = ignoreEvents, signal, sourceAccess } = request;
  const reference = parseReference(text.replace(/^docker:\/\//, ''));
  const stores = await session.stores();
  const access = { ...sourceAccess, ...(signal === undefined ? {} : { signal }) };
  const opened = registrySource(reference, access, onEvent);
  const lease = stores.staging.lease();
  try {
    const root = await opened.root();
    const { manifest } = root;
    const isImage = manifest.artifactType === undefined && isContainerImage(manifest);
    if (isImage || manifest.kind === 'index') {
      throw new CoracleError('UNSUPPORTED', `pull artifact ${text}: it is a container image or a list`, {
        hint: 'coracle pull fetches images, coracle copy everything',
      });
    }
    const source: ImageSource = { ...opened, root: async () => root };
    const { digest } = await copyImage(source, storeTarget(stores, formatReference(reference)), {
      onEvent,
      signal,
    });
    return digest;
  } finally {
    lease.release();
    await opened.close();
  }
}

function isContainerImage(manifest: { readonly kind: string; readonly config?: Descriptor }): boolean {
  return manifest.config !== undefined && isImageConfig(manifest.config.mediaType);
}

/** Pushes an artifact, by default under its own name. */
export async function pushArtifact(
  session: Session,
  text: string,
  destination: string | undefined,
  request: CopyImageRequest,
): Promise<Digest> {
  const { name } = openArtifact(await session.stores(), text);
  const reference = parseReference((destination ?? name).replace(/^docker:\/\//, ''));
  const { digest } = await copyBetween(
    session,
    { kind: 'store', name },
    { kind: 'docker', reference },
    request,
  );
  return digest;
}

/** Writes files of an artifact into a directory, or one of them to a path. Resolves with the paths. */
export async function extractArtifact(
  session: Session,
  text: string,
  target: string,
  choice: FileChoice,
): Promise<readonly string[]> {
  const stores = await session.stores();
  const { manifest } = openArtifact(stores, text);
  const files = chooseFiles(text, manifest, choice);
  const isDirectory = target !== '-' && existsSync(target) && statSync(target).isDirectory();
  if (!isDirectory && files.length > 1) {
    throw new CoracleError('USAGE', `extract ${text} to ${target}: ${files.length} files need a directory`, {
      hint: 'make the directory first, or choose a file with --title or --digest',
    });
  }
  const plans = files.map((file) => ({ file, path: isDirectory ? join(target, fileName(file)) : target }));
  const twice = plans.find(({ path }, at) => plans.findIndex((other) => other.path === path) !== at);
  if (twice !== undefined) {
    throw new CoracleError('CONFLICT', `extract ${text}: it has two files ${JSON.stringify(twice.path)}`);
  }
  for (const { file, path } of plans) {
    if (isDirectory) requireReplaceable(path);
    await writeOutput(path, stores.content.open(file.digest));
  }
  return plans.map(({ path }) => path);
}

function chooseFiles(
  text: string,
  { layers }: ImageManifest,
  { title, digest }: FileChoice,
): readonly Descriptor[] {
  const files = layers.filter(({ mediaType }) => mediaType !== ociTypes.empty);
  const found = files.filter(
    (file) =>
      (title === undefined || file.annotations?.[annotationNames.title] === title) &&
      (digest === undefined || file.digest === digest || digestHex(file.digest) === digest),
  );
  if (found.length > 0) return found;
  const titles = files.map((file) => file.annotations?.[annotationNames.title] ?? file.digest);
  throw new CoracleError('NOT_FOUND', `extract ${text}: it has no file ${title ?? digest ?? ''}`.trimEnd(), {
    hint: `its files: ${titles.map((one) => JSON.stringify(one)).join(', ') || 'none'}`,
  });
}

/** What a file is called in a directory: its title, which may not lead out of it. @throws INVALID */
export function fileName({ annotations, digest }: Descriptor): string {
  const title = annotations?.[annotationNames.title];
  if (title === undefined) return digest.replace(':', '-');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  const isPlain = /^[^/\x00-\x1f\x7f]+$/.test(title) && title !== '.' && title !== '..';
  if (isPlain && Buffer.byteLength(title) <= 255) return title;
  throw new CoracleError(
    'INVALID',
    `extract ${JSON.stringify(title.slice(0, 300))}: it is no name of a file`,
    {
      hint: `choose it with --digest ${digest} and name a file to write`,
    },
  );
}

/** A link that lies in the directory must not lead elsewhere. */
function requireReplaceable(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return;
  throw new CoracleError('CONFLICT', `extract ${path}: something else than a file is there`);
}

function openArtifact(stores: Stores, text: string): Artifact {
  const named = namesToFind(text).map((name) => stores.images.findEntry(name));
  const entry = named.find((one) => one !== undefined && isArtifact(one)) ?? byDigits(stores, text);
  if (entry !== undefined) return describe(stores, entry);
  const isOther = named.some((one) => one !== undefined);
  const reason = isOther ? 'it is an image' : 'not in the store';
  throw new CoracleError('NOT_FOUND', `open artifact ${text}: ${reason}`, {
    hint: 'coracle artifact ls lists what is there',
  });
}

function byDigits(stores: Stores, text: string): IndexEntry | undefined {
  const digits = /^(?:sha256:)?([0-9a-f]{12,64})$/.exec(text)?.[1];
  if (digits === undefined) return undefined;
  return stores.images
    .entries()
    .filter(isArtifact)
    .find(({ descriptor }) => digestHex(descriptor.digest).startsWith(digits));
}

function isArtifact({ descriptor, reference }: IndexEntry): boolean {
  return descriptor.artifactType !== undefined && reference !== undefined;
}

function describe({ content }: Stores, { descriptor, reference = '' }: IndexEntry): Artifact {
  const { digest, mediaType, artifactType = '' } = descriptor;
  const manifest = parseManifest(content.readTrusted(digest, manifestLimit), `manifest ${digest}`, mediaType);
  if (manifest.kind === 'index') {
    throw new CoracleError('INVALID', `read artifact ${reference}: a list where a manifest belongs`);
  }
  const size = manifest.layers.reduce((total, layer) => total + layer.size, 0);
  return { name: reference, digest, type: artifactType, manifest, size };
}
