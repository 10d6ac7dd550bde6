/** The key that a person names, opened for signing. */
import { CoracleError } from '../errors.js';
import { formatReference, type Reference } from '../oci/reference.js';
import type { Signer } from '../transfer/signatures.js';
import { coracleVersion } from './version.js';

export type SignRequest = {
  /** A private key as cosign or `generate-sigstore-key` makes it, or PKCS #8. */
  readonly keyFile: string;
  /** Asked where the key is encrypted; undefined: there is no passphrase to be had. */
  readonly passphrase?: (() => string | undefined) | undefined;
  /** The reference that the signature names; the destination by default. */
  readonly identity?: string | undefined;
};

/** Undefined where nothing is to be signed. @throws INVALID, IO, USAGE without a passphrase, UNAUTHORIZED for a wrong one */
export async function openSigner(
  request: SignRequest | undefined,
  destination: Reference,
): Promise<Signer | undefined> {
  if (request === undefined) return undefined;
  const { keyFile, identity } = request;
  const { needsPassphrase, openPrivateKey, readKeyFile } = await import('../trust/keys.js');
  const { nameOf } = await import('../trust/identity.js');
  if (identity !== undefined && nameOf(identity)?.full === undefined) {
    throw new CoracleError('USAGE', `sign as ${JSON.stringify(identity)}: it is no REGISTRY/NAME:TAG`);
  }
  const text = readKeyFile(keyFile);
  const passphrase = needsPassphrase(text) ? request.passphrase?.() : '';
  if (passphrase === undefined) {
    throw new CoracleError(
      'USAGE',
      `sign with ${keyFile}: the key is encrypted, and there is no passphrase`,
      {
        hint: 'give a file that has it with --sign-passphrase-file',
      },
    );
  }
  const key = await openPrivateKey(text, passphrase, keyFile);
  return { key, identity: identity ?? formatReference(destination), creator: `coracle ${coracleVersion}` };
}
