/** `generate-sigstore-key`: a pair of keys to sign images with. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';

/** Writes `PREFIX.private`, encrypted, and `PREFIX.pub`. @throws CONFLICT where one of them exists */
export async function generateKey(prefix: string, passphrase: string): Promise<readonly [string, string]> {
  const { makeKeyPair } = await import('../trust/keys.js');
  const { privateKey, publicKey } = await makeKeyPair(passphrase);
  const [privatePath, publicPath] = [`${prefix}.private`, `${prefix}.pub`];
  writeNew(privatePath, privateKey, 0o600);
  writeNew(publicPath, publicKey, 0o644);
  return [privatePath, publicPath];
}

function writeNew(path: string, text: string, mode: number): void {
  try {
    const descriptor = openSync(path, 'wx', mode);
    try {
      writeFileSync(descriptor, text);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`write ${path}`, error);
    throw new CoracleError('CONFLICT', `write ${path}: the file exists`, {
      hint: 'a key is never overwritten',
    });
  }
}
