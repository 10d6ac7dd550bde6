/**
 * DiffIDs and chainIDs. https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
 * Hashing is handed in: this folder computes nothing that needs a library.
 */
import { type Digest, parseDigest } from './digest.js';

/** The digest of a layer's uncompressed tar. */
export type DiffId = Digest & { readonly role: 'DiffId' };

/** The digest that stands for a stack of layers applied in order. */
export type ChainId = Digest & { readonly role: 'ChainId' };

/** The diffID, or INVALID naming `where`. */
export function parseDiffId(value: unknown, where: string): DiffId {
  return parseDigest(value, where) as DiffId;
}

/** The chainID, or INVALID naming `where`. */
export function parseChainId(value: unknown, where: string): ChainId {
  return parseDigest(value, where) as ChainId;
}

/**
 * The chainID of each prefix of `diffIds`: element i stands for layers 0 to i.
 * `sha256` gives the hexadecimal SHA-256 of a text's UTF-8 bytes.
 */
export function chainIds(diffIds: readonly DiffId[], sha256: (text: string) => string): readonly ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(
      parseChainId(parent === undefined ? diffId : `sha256:${sha256(`${parent} ${diffId}`)}`, 'chainID'),
    );
  }
  return chain;
}
