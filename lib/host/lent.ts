/**
 * Bytes that are only lent: whoever takes them says when they are not needed any more, and their memory is used again.
 * Only readers that ask for it get such bytes; to give back others does nothing.
 */

const lenders = new WeakMap<Uint8Array, () => void>();

/** Bytes whose memory `onReturn` may use again; it is called once. */
export function lend<T extends Uint8Array>(bytes: T, onReturn: () => void): T {
  lenders.set(bytes, onReturn);
  return bytes;
}

/** Whether somebody waits for these bytes to be given back. */
export function isLent(bytes: Uint8Array): boolean {
  return lenders.has(bytes);
}

/** Says that nobody reads these bytes any more. */
export function giveBack(bytes: Uint8Array): void {
  const onReturn = lenders.get(bytes);
  if (onReturn === undefined) return;
  lenders.delete(bytes);
  onReturn();
}
