/** The image verbs: names as people type them, the work done by lib/image, lib/transfer and lib/build. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { RemoveImagesResult } from '../image/remove-images.js';
import type { Digest } from '../oci/digest.js';
import type { ArchiveFormat } from '../transfer/save.js';
import { nameToGive } from './image-names.js';
import { storedImage, storedName } from './image-source.js';
import type { ImportRequest, PullRequest, PushRequest } from './requests.js';
import type { Session } from './session.js';

const silent = (): void => undefined;

/** Pulls an image under the name a registry knows. */
export async function pull(session: Session, text: string, request: PullRequest): Promise<ImageRecord> {
  const { platform: wanted, policy = 'always', onEvent = silent, ...access } = request;
  const stores = await session.stores();
  const platform = await session.platform(wanted);
  const { pullImage } = await import('../transfer/pull.js');
  return pullImage(
    stores,
    text,
    { ...access, policy, ...(platform === undefined ? {} : { platform }) },
    onEvent,
  );
}

/** Pushes an image; without a destination under the name it was found by. */
export async function push(
  session: Session,
  source: string,
  destination: string | undefined,
  request: PushRequest,
): Promise<{ readonly digest: Digest }> {
  const { compression, level, onEvent = silent, ...access } = request;
  const stores = await session.stores();
  const image = storedImage(stores, source);
  const target = destination ?? image.reference;
  if (target === undefined) {
    throw new CoracleError('USAGE', `push ${source}: it has no name to push it by`, {
      hint: 'give a destination: coracle push IMAGE REGISTRY/NAME[:TAG]',
    });
  }
  const { pushImage } = await import('../transfer/push.js');
  const options = {
    ...access,
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { level }),
  };
  const { descriptor } = await pushImage(stores, image, target, options, onEvent);
  return { digest: descriptor.digest };
}

export async function importRoot(
  session: Session,
  source: string | AsyncIterable<Uint8Array>,
  request: ImportRequest,
): Promise<ImageRecord> {
  const { importImage } = await import('../transfer/import.js');
  const platform = await session.platform(request.platform);
  return importImage(await session.stores(), source, {
    ...(request.reference === undefined ? {} : { reference: nameToGive(request.reference) }),
    ...(request.changes === undefined ? {} : { changes: request.changes }),
    ...(request.message === undefined ? {} : { message: request.message }),
    ...(platform === undefined ? {} : { platform }),
  });
}

export async function save(
  session: Session,
  names: readonly string[],
  destination: string,
  format: ArchiveFormat,
): Promise<void> {
  const { saveImages } = await import('../transfer/save.js');
  const stores = await session.stores();
  const stored = names.map((name) => storedName(stores, name));
  await saveImages(stores, stored, destination, { format });
}

export async function removeAll(
  session: Session,
  names: readonly string[],
  force: boolean,
): Promise<RemoveImagesResult> {
  const { removeImages } = await import('../image/remove-images.js');
  const stores = await session.stores();
  return removeImages(
    stores,
    names.map((name) => storedName(stores, name)),
    { force },
  );
}
