/** Chain ids by the hash of this machine, which lib/oci, being pure, asks for. */
import { createHash } from 'node:crypto';
import { type ChainId, chainIds, type DiffId } from '../oci/chain-id.js';

/** The chain id of every layer, the lowest first. */
export function layerChainIds(diffIds: readonly DiffId[]): readonly ChainId[] {
  return chainIds(diffIds, (text) => createHash('sha256').update(text).digest('hex'));
}
