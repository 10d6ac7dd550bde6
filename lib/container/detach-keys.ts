/** Detach keys as docker and podman write them. */
import { CoracleError } from '../errors.js';

/** What leaves a container running unless told otherwise. */
export const defaultDetachKeys = 'ctrl-p,ctrl-q';

/**
 * The bytes of a comma-separated list of `ctrl-X` (a letter or one of `@ [ \ ] ^ _`) and single characters; none for
 * an empty text.
 * @throws USAGE naming the key.
 */
export function parseDetachKeys(text: string): Uint8Array {
  return Uint8Array.from(text === '' ? [] : text.split(',').map((key) => keyByte(key, text)));
}

function keyByte(key: string, text: string): number {
  const control = /^ctrl-([a-zA-Z@[\\\]^_])$/.exec(key)?.[1];
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
  if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
  throw new CoracleError('USAGE', `parse detach keys "${text}": unknown key "${key}"`, {
    hint: 'for example ctrl-p,ctrl-q or ctrl-],a; an empty text for none',
  });
}
