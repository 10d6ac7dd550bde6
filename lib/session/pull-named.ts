/** Pulls what a person names: a name without a registry may mean several images, which are tried in turn. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { readRegistries } from '../registry/registries.js';
import { rememberChoice, resolveShortName } from '../registry/short-names.js';
import type { OnTransferEvent } from '../transfer/events.js';
import { type PullOptions, pullImage } from '../transfer/pull.js';
import { isShortName } from './image-names.js';

/** As `pullImage`, for a name as registries.conf resolves it. @throws USAGE where it is ambiguous and may not be */
export async function pullNamed(
  stores: Stores,
  text: string,
  options: PullOptions,
  onEvent: OnTransferEvent,
): Promise<ImageRecord> {
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
