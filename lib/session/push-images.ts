/** `push`: an image, or all tags of a repository, to a registry. */
import { CoracleError } from '../errors.js';
import { type ImageRecord, withoutIndex } from '../image/image-record.js';
import { referenceOf } from '../image/look-up.js';
import type { Stores } from '../image/stores.js';
import { writeEvent } from '../native/journal.js';
import type { Digest } from '../oci/digest.js';
import { formatPlatform } from '../oci/platform.js';
import { formatReference, parseReference, repositoryName } from '../oci/reference.js';
import { storedImage } from './image-source.js';
import type { PushRequest } from './requests.js';
import type { Session } from './session.js';

/** Pushes an image; without a destination under the name it was found by. */
export async function push(
  session: Session,
  source: string,
  destination: string | undefined,
  request: PushRequest,
): Promise<{ readonly digest: Digest }> {
  const stores = await session.stores();
  const platform = await session.platform(request.platform);
  const image =
    platform === undefined
      ? storedImage(stores, source)
      : withoutIndex(storedImage(stores, source, { platform }));
  if (destination !== undefined && otherTransport.test(destination))
    return { digest: await copyTo(session, image, destination, request) };
  const target = destination?.replace(/^docker:\/\//, '') ?? image.reference;
  if (target === undefined) {
    throw new CoracleError('USAGE', `push ${source}: it has no name to push it by`, {
      hint: 'give a destination: coracle push IMAGE REGISTRY/NAME[:TAG]',
    });
  }
  const digest = await pushTo(session, image, target, request);
  writeEvent(stores.paths, 'image', 'push', { id: image.id, name: target });
  return { digest };
}

/** Where an image goes that goes to no registry. */
const otherTransport = /^(oci|oci-archive|docker-archive|dir):/;

/** A push to files is a copy. */
async function copyTo(
  session: Session,
  image: ImageRecord,
  place: string,
  request: PushRequest,
): Promise<Digest> {
  const { compression: kind = 'gzip', level, format, recompress = false, compress, sign, signal } = request;
  if (sign !== undefined) {
    throw new CoracleError('USAGE', `sign ${place}: signatures are made at registries`);
  }
  const { copyBetween } = await import('./copy-image.js');
  const { parsePlace } = await import('../transfer/place-name.js');
  const source = { kind: 'store', name: image.reference ?? image.id } as const;
  const { digest } = await copyBetween(session, source, parsePlace(place), {
    format,
    recompress,
    compress: compress === true,
    encoding: { kind, level },
    platform: formatPlatform(image.manifestDescriptor.platform ?? image.config),
    signal,
    removeSignatures: request.removeSignatures,
    onEvent: request.onEvent,
  });
  return digest;
}

async function pushTo(
  session: Session,
  image: ImageRecord,
  target: string,
  request: PushRequest,
): Promise<Digest> {
  const {
    compression,
    level,
    format,
    recompress = false,
    sign,
    removeSignatures,
    platform: _platform,
    compress: _compress,
    onEvent = () => undefined,
    ...access
  } = request;
  const stores = await session.stores();
  const { isWhole, pushImage } = await import('../transfer/push.js');
  if (format !== undefined || recompress) {
    const { copyBetween } = await import('./copy-image.js');
    const { digest } = await copyBetween(
      session,
      { kind: 'store', name: image.reference ?? image.id },
      { kind: 'docker', reference: parseReference(target) },
      {
        targetAccess: access,
        format,
        recompress,
        encoding:
          compression === undefined && level === undefined
            ? undefined
            : { kind: compression ?? 'gzip', level },
        multiArch: (await isWhole(stores, image)) ? 'all' : 'system',
        platform: formatPlatform(image.manifestDescriptor.platform ?? image.config),
        signal: access.signal,
        sign,
        removeSignatures,
        onEvent,
      },
    );
    return digest;
  }
  const { openSigner } = await import('./signer.js');
  const options = {
    ...access,
    removeSignatures,
    sign: await openSigner(sign, parseReference(target)),
    ...(compression === undefined ? {} : { compression }),
    ...(level === undefined ? {} : { level }),
  };
  return (await pushImage(stores, image, target, options, onEvent)).descriptor.digest;
}

/** Pushes every tag that the store has of a repository, under its own name. Resolves with the names and digests. */
export async function pushTags(
  session: Session,
  repository: string,
  request: PushRequest,
): Promise<readonly { readonly name: string; readonly digest: Digest }[]> {
  const names = tagsOf(await session.stores(), repository);
  if (names.length === 0) {
    throw new CoracleError('NOT_FOUND', `push ${repository}: the store has no tags of it`, {
      hint: 'coracle images lists what is there',
    });
  }
  const pushed: { name: string; digest: Digest }[] = [];
  for (const name of names) pushed.push({ name, ...(await push(session, name, undefined, request)) });
  return pushed;
}

function tagsOf(stores: Stores, text: string): readonly string[] {
  const wanted = requireBare(text);
  return stores.images.entries().flatMap(({ reference }) => {
    const parsed = reference === undefined ? undefined : referenceOf(reference);
    const isOne =
      parsed?.tag !== undefined && parsed.digest === undefined && repositoryName(parsed) === wanted;
    return isOne ? [formatReference(parsed)] : [];
  });
}

/** A repository, which has no tag. @throws USAGE */
export function requireBare(text: string): string {
  const reference = parseReference(text);
  if (reference.digest === undefined && !/:[^/]*$/.test(text)) return repositoryName(reference);
  throw new CoracleError('USAGE', `use all tags of ${text}: leave its tag out`);
}
