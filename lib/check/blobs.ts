/** Blobs against their digests; what is damaged is fetched again, or made again of the layer's files. */
import { renameSync, rmSync } from 'node:fs';
import { readVerified } from '../content/verified-read.js';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { parseReference } from '../oci/reference.js';
import { type CheckContext, type Detected, left, listed, type Mended, repaired } from './finding.js';
import { removeImages } from './give-up.js';
import type { Inventory, NeededBlob } from './inventory.js';
import { filesGive } from './layer-files.js';

/** Looks at every blob of the store, and for every blob that an image needs; not at those of `seen`, to which it adds. */
export async function* checkBlobs(
  context: CheckContext,
  inventory: Inventory,
  seen: Set<Digest>,
): AsyncGenerator<Detected> {
  const { stores, settings, tally } = context;
  const isNew = (digest: Digest): boolean => seen.size < seen.add(digest).size;
  const damagedNow = new Set<Digest>();
  for (const digest of stores.content.list().filter(isNew)) {
    const needed = inventory.blobs.get(digest);
    tally.blobs++;
    tally.bytes += stores.content.size(digest) ?? 0;
    const problem = await problemOf(stores, digest, needed?.descriptor, settings.depth === 'quick');
    if (problem === undefined) continue;
    damagedNow.add(digest);
    yield needed === undefined ? unneeded(stores, digest, problem) : damaged(context, needed, problem);
  }
  for (const needed of inventory.blobs.values()) {
    const { digest } = needed.descriptor;
    // Such a layer's tar is made when something asks for it; that its files are there is the layers' check.
    if (needed.optional || needed.madeFromLayer || stores.content.has(digest)) continue;
    if (isNew(digest)) yield missing(context, needed);
  }
  for (const { digest, image, reason } of inventory.unreadable) {
    if (!damagedNow.has(digest)) yield senseless(image, reason);
  }
  for (const image of inventory.empty) yield nothingInside(image);
}

async function problemOf(
  stores: Stores,
  digest: Digest,
  descriptor: Descriptor | undefined,
  quick: boolean,
): Promise<string | undefined> {
  const size = stores.content.size(digest);
  // It was removed meanwhile.
  if (size === undefined) return undefined;
  if (descriptor !== undefined && descriptor.size !== size)
    return `it has ${size} bytes where ${descriptor.size} belong`;
  if (quick) return undefined;
  try {
    const path = stores.content.pathOf(digest);
    for await (const _chunk of readVerified(path, digest));
    return undefined;
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    if (error.code === 'INTEGRITY') return 'its bytes do not have this digest';
    if (error.code === 'NOT_FOUND') return undefined;
    if (hasErrno(error.cause, 'EIO')) return 'the disk cannot read it';
    throw error;
  }
}

function unneeded(stores: Stores, digest: Digest, problem: string): Detected {
  return {
    kind: 'blob-damaged',
    level: 'notice',
    object: `blob ${digest}`,
    problem,
    meaning: 'no image needs it',
    repair: 'it is removed',
    mend: async () => {
      stores.content.remove(digest);
      return repaired('removed');
    },
  };
}

function damaged(context: CheckContext, needed: NeededBlob, problem: string): Detected {
  const images = [...needed.images];
  return {
    kind: 'blob-damaged',
    level: 'error',
    object: `blob ${needed.descriptor.digest}`,
    problem,
    meaning: `push, save and unpacking of ${listed(images)} fail; containers of it go on`,
    repair: remedy(needed),
    images,
    mend: () => mendBlob(context, needed),
  };
}

function missing(context: CheckContext, needed: NeededBlob): Detected {
  const images = [...needed.images];
  return {
    kind: 'blob-missing',
    level: 'error',
    object: `blob ${needed.descriptor.digest}`,
    problem: 'it is not in the store',
    meaning: `push, save and unpacking of ${listed(images)} fail; containers of it go on`,
    repair: remedy(needed),
    images,
    mend: () => mendBlob(context, needed),
  };
}

function remedy({ references, madeFromLayer, images }: NeededBlob): string {
  const sources = sourcesOf(references).map(({ registry, repository }) => `${registry}/${repository}`);
  const fetched = sources.length === 0 ? '' : `it is fetched again from ${sources.join(' or ')}`;
  const made = madeFromLayer ? "it is made again of the layer's files" : '';
  const ways = [made, fetched].filter((way) => way !== '');
  const giveUp = `with --force ${listed([...images])} is removed`;
  return ways.length === 0
    ? `no registry has it: ${giveUp}`
    : `${ways.join(', else ')}; if that fails, ${giveUp}`;
}

function senseless(image: string, reason: string): Detected {
  return {
    kind: 'image-incomplete',
    level: 'error',
    object: `image ${image}`,
    problem: reason,
    meaning: 'it cannot be used, and nothing that is unreferenced can be freed while it is there',
    repair: `nothing: it was made so; remove it with coracle rmi -f ${image}`,
    images: [image],
  };
}

function nothingInside(image: string): Detected {
  return {
    kind: 'image-incomplete',
    level: 'error',
    object: `image ${image}`,
    problem: 'none of its platforms is in the store',
    meaning: 'it cannot be run',
    repair: `nothing: coracle pull ${image}, or coracle rmi ${image}`,
    images: [image],
  };
}

/** A blob that cannot be had again stays where it is: its bytes may be all that is left of it. */
async function mendBlob(context: CheckContext, needed: NeededBlob): Promise<Mended> {
  const { stores, settings } = context;
  const { digest } = needed.descriptor;
  if (needed.madeFromLayer && (await filesGive(stores, digest))) {
    stores.content.remove(digest);
    return repaired("removed: the layer's files give the same bytes whenever they are asked for");
  }
  const reasons: string[] = [];
  const restore = setAside(stores, digest);
  try {
    const { refetchBlob } = await import('../transfer/refetch.js');
    for (const reference of sourcesOf(needed.references)) {
      try {
        await refetchBlob(stores, reference, needed.descriptor, settings.access);
        return repaired(`fetched again from ${reference.registry}/${reference.repository}`);
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
        reasons.push(error.message);
      }
    }
  } finally {
    restore();
  }
  const reason = reasons.length === 0 ? 'no registry is known that has it' : reasons.join('; ');
  if (settings.force) return removeImages(stores, [...needed.images], reason);
  return left(reason);
}

/** Moves a damaged blob out of the way; the returned function puts it back unless there is a new one. */
function setAside(stores: Stores, digest: Digest): () => void {
  const place = stores.content.pathOf(digest);
  const aside = stores.staging.open().file('damaged');
  if (!move(place, aside)) return () => undefined;
  return () => {
    if (stores.content.has(digest)) rmSync(aside, { force: true });
    else move(aside, place);
  };
}

function move(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw ioError(`move ${from}`, error);
  }
}

/** Names that a registry may know; each repository once. */
function sourcesOf(references: ReadonlySet<string>): readonly ReturnType<typeof parseReference>[] {
  const parsed = [...references].map(parseReference).filter(({ registry }) => registry !== 'localhost');
  return parsed.filter(
    (one, index) =>
      parsed.findIndex(
        ({ registry, repository }) => registry === one.registry && repository === one.repository,
      ) === index,
  );
}
