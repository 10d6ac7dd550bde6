/** The images that commands name: from the store, or pulled as a policy says. */
import { CoracleError } from '../errors.js';
import type { ChooseImage, ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { Platform } from '../oci/platform.js';
import type { OnTransferEvent } from '../transfer/events.js';
import type { PullPolicy } from '../transfer/pull.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { isPullable, namesToFind } from './image-names.js';

export type ResolveRequest = {
  readonly access: RegistryAccess;
  readonly policy: PullPolicy;
  readonly platform?: Platform | undefined;
  readonly onEvent: OnTransferEvent;
};

/** An image that must be in the store, by any name a person uses; of an index this machine's or the first. @throws NOT_FOUND with a hint. */
export function storedImage(
  stores: Stores,
  text: string,
  wanted: ChooseImage = { nearest: true },
): ImageRecord {
  for (const name of namesToFind(text)) {
    const found = stores.images.find(name, wanted);
    if (found !== undefined) return found;
  }
  return stores.images.resolve(text, wanted);
}

/** The names `rmi` and others act on: the first of the possible ones that the store has, else the text itself. */
export function storedName(stores: Stores, text: string): string {
  return namesToFind(text).find((name) => stores.images.findEntry(name) !== undefined) ?? text;
}

/**
 * An image from the store or, as the policy says, from its registry.
 * @throws NOT_FOUND when it is nowhere, else as `pullImage`.
 */
export async function resolveImage(
  stores: Stores,
  text: string,
  request: ResolveRequest,
): Promise<ImageRecord> {
  const { policy, platform, onEvent } = request;
  const found = findStored(stores, text, platform);
  const wanted = platform === undefined ? {} : { platform };
  if (policy === 'never') return found ?? storedImage(stores, text, wanted);
  if (policy === 'missing' && found !== undefined) return found;
  const name = found?.reference ?? storedName(stores, text);
  if (!isPullable(name)) return found ?? notThere(stores, text, wanted);
  const { pullImage } = await import('../transfer/pull.js');
  if (found === undefined) onEvent({ kind: 'message', text: `${text}: not in the store, pulling it` });
  const options = { ...request.access, policy, ...wanted };
  return pullImage(stores, found?.reference ?? text, options, onEvent);
}

function findStored(stores: Stores, text: string, platform: Platform | undefined): ImageRecord | undefined {
  const wanted = platform === undefined ? {} : { platform };
  for (const name of namesToFind(text)) {
    const found = stores.images.find(name, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function notThere(stores: Stores, text: string, wanted: ChooseImage): never {
  const [name] = namesToFind(text).filter((one) => stores.images.find(one, { nearest: true }) !== undefined);
  // says for which platform it is
  if (name !== undefined) stores.images.resolve(name, wanted);
  throw new CoracleError('NOT_FOUND', `open image ${text}: not in the store`, {
    hint: 'coracle images lists what is there; names below localhost/ come from build, tag and import',
  });
}
