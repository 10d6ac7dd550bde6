/** Pulls what a person names: a name without a registry may mean several images, which are tried in turn. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { readRegistries } from '../registry/registries.js';
import { rememberChoice, resolveShortName } from '../registry/short-names.js';
import { ignoreEvents, type OnTransferEvent } from '../transfer/events.js';
import { type PullOptions, pullImage } from '../transfer/pull.js';
import { isShortName } from './image-names.js';
import { requireBare } from './push-images.js';
import type { PullRequest } from './requests.js';
import { repositoryTags } from './search.js';
import type { Session } from './session.js';

/** As `pullImage`, for a name as registries.conf resolves it. @throws USAGE where it is ambiguous and may not be */
export async function pullNamed(
  stores: Stores,
  given: string,
  options: PullOptions,
  onEvent: OnTransferEvent,
): Promise<ImageRecord> {
  const text = nameAtRegistry(given);
  if (!isShortName(text)) return pullImage(stores, text, options, onEvent);
  const env = options.env ?? process.env;
  const { candidates, chosen } = await resolveShortName(await readRegistries(env), text, options.chooseName);
  const failures: CoracleError[] = [];
  for (const candidate of candidates) {
    try {
      const image = await pullImage(stores, candidate, options, onEvent);
      if (chosen) await rememberChoice(env, text, candidate);
      return image;
    } catch (error) {
      if (!(error instanceof CoracleError) || ['ABORTED', 'INTERNAL', 'NO_SPACE'].includes(error.code))
        throw error;
      if (candidates.length === 1) throw error;
      failures.push(error);
      onEvent({ kind: 'message', text: error.message });
    }
  }
  const last = failures.at(-1);
  const reasons = failures.map(({ message }) => message).join('; ');
  throw new CoracleError(
    last?.code ?? 'NOT_FOUND',
    `pull ${text}: none of ${candidates.join(', ')}: ${reasons}`,
    {
      cause: last,
      hint: 'write the registry before the name, or set unqualified-search-registries in registries.conf',
    },
  );
}

/** Without the name of the transport, which may be that of registries alone. @throws USAGE */
function nameAtRegistry(text: string): string {
  const transport = /^(oci|oci-archive|docker-archive|dir|containers-storage|docker-daemon):/.exec(text)?.[1];
  if (transport === undefined) return text.replace(/^docker:\/\//, '');
  throw new CoracleError('USAGE', `pull ${text}: ${transport}: is no registry`, {
    hint: `coracle copy ${text} store:NAME copies one image into the store, coracle load -i FILE all of an archive`,
  });
}

/** Pulls an image under the name a registry knows. */
export async function pull(session: Session, text: string, request: PullRequest): Promise<ImageRecord> {
  const { platform: wanted, policy = 'always', onEvent = ignoreEvents, ...access } = request;
  const stores = await session.stores();
  const platform = await session.platform(wanted);
  const options = { ...access, policy, ...(platform === undefined ? {} : { platform }) };
  return pullNamed(stores, text, options, onEvent);
}

/**
 * Pulls every tag of a repository that is an image; the others are told of and passed over.
 * @throws USAGE for a name with a tag, else as `pull`
 */
export async function pullTags(
  session: Session,
  text: string,
  request: PullRequest,
): Promise<readonly ImageRecord[]> {
  const { platform: _platform, policy: _policy, onEvent = ignoreEvents, ...access } = request;
  const name = text.replace(/^docker:\/\//, '');
  requireBare(name);
  const { tags } = await repositoryTags(session, name, { limit: Number.POSITIVE_INFINITY, access });
  const images: ImageRecord[] = [];
  for (const tag of tags) {
    try {
      images.push(await pull(session, `${name}:${tag}`, request));
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'UNSUPPORTED') throw error;
      onEvent({ kind: 'message', text: `${name}:${tag}: ${error.message}; left out` });
    }
  }
  return images;
}
