/** Randomness without node:crypto, whose loading alone costs more than a container's start. */
import { closeSync, openSync, readSync } from 'node:fs';
import { CoracleError } from '../errors.js';

/** `length` bytes of the kernel's generator. */
export function randomBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const descriptor = openSync('/dev/urandom', 'r');
  try {
    const count = readSync(descriptor, bytes);
    if (count !== length) throw new CoracleError('HOST', `read /dev/urandom: ${count} bytes of ${length}`);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

/** `length` random bytes as lower-case hex, two digits each. */
export function randomHex(length: number): string {
  return randomBytes(length).toString('hex');
}
