/**
 * A step's key: what would have to differ for its result to differ. Inputs carry names, so that a step that runs again can
 * say which of them changed.
 */
import { createHash } from 'node:crypto';

/** `environment`, `context:src/**`, `owner` ... to their values or digests. */
export type NamedInputs = Readonly<Record<string, string>>;

/** 64 hexadecimal digits. */
export type CacheKey = string;

/** Grows when a step's result may differ although its inputs are the same. */
const generation = 1;

/** The key of a file system that no step of ours made. */
export function baseKey(chainId: string): CacheKey {
  return sha256(JSON.stringify([generation, 'base', chainId]));
}

/** The key of `instruction` with `inputs` on top of what `parent` stands for. */
export function stepKey(parent: CacheKey, instruction: string, inputs: NamedInputs): CacheKey {
  const sorted = Object.entries(inputs).sort(([left], [right]) => (left < right ? -1 : 1));
  return sha256(JSON.stringify([generation, parent, instruction, sorted]));
}

/** Hexadecimal SHA-256 of a text. */
export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}
