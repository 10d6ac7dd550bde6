/** The images that commands name: from the store, or pulled as a policy says. */
import { CoracleError } from '../errors.js';
import type { ChooseImage, ImageRecord } from '../image/image-record.js';
import { referenceOf } from '../image/look-up.js';
import type { Stores } from '../image/stores.js';
import type { Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { OnTransferEvent } from '../transfer/events.js';
import type { PullPolicy } from '../transfer/pull.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { isPullable, isReference, isShortName, namesToFind } from './image-names.js';

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
  for (const name of storedNames(stores, text)) {
    const found = stores.images.find(name, wanted);
    if (found !== undefined) return found;
  }
  // What is there for other platforms only says so.
  return stores.images.resolve(storedName(stores, text), wanted);
}

/**
 * What to look for in the store: what a text means everywhere; then, for a name without a registry, the one image of that
 * name whose registry is another, as a search list or an alias of registries.conf may have given it.
 */
function* storedNames(stores: Stores, text: string): Generator<string> {
  yield* namesToFind(text);
  if (!isReference(text) || !isShortName(text)) return;
  const { repository, ...asked } = parseReference(text);
  const bare = repository.replace(/^library\//, '');
  const fitting = stores.images.allEntries().flatMap(({ reference }) => {
    const stored = reference === undefined ? undefined : referenceOf(reference);
    const same = stored?.tag === asked.tag && stored?.digest === asked.digest;
    return stored !== undefined && same && `/${stored.repository}`.endsWith(`/${bare}`) ? [stored] : [];
  });
  const [only, ...others] = [...new Set(fitting.map(formatReference))];
  if (only !== undefined && others.length === 0) yield only;
}

/** The names `rmi` and others act on: the first of the possible ones that the store has, else the text itself. */
export function storedName(stores: Stores, text: string): string {
  for (const name of storedNames(stores, text)) {
    if (stores.images.findEntry(name) !== undefined) return name;
  }
  return text;
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
  if (found === undefined) onEvent({ kind: 'message', text: `${text}: not in the store, pulling it` });
  const { pullNamed } = await import('./pull-named.js');
  return pullNamed(stores, found?.reference ?? text, { ...request.access, policy, ...wanted }, onEvent);
}

function findStored(stores: Stores, text: string, platform: Platform | undefined): ImageRecord | undefined {
  const wanted = platform === undefined ? {} : { platform };
  for (const name of storedNames(stores, text)) {
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
