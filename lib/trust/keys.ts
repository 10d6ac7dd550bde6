/**
 * Keys in files: public ones as PEM, private ones as cosign keeps them, encrypted by a passphrase (scrypt and NaCl's
 * secretbox). https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  scryptSync,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CoracleError, ioError } from '../errors.js';
import {
  invalid,
  parseJson,
  requireInteger,
  requireObject,
  requireString,
  type UnknownRecord,
} from '../oci/guards.js';
import type { KeySource } from './policy.js';

const sizeLimit = 1024 * 1024;
const encrypted = /-----BEGIN ENCRYPTED (?:COSIGN|SIGSTORE) PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/;

/** The keys of one source: a PEM file holds exactly one. @throws INVALID, IO */
export function readPublicKey(source: KeySource): KeyObject {
  const pem = source.kind === 'file' ? readKeyFile(source.path) : source.pem;
  const where = source.kind === 'file' ? source.path : 'keyData';
  if (/PRIVATE KEY-----/.test(pem)) throw invalid(where, 'a private key where a public one belongs');
  const key = parsePublicKey(pem, where);
  if (['ec', 'rsa', 'ed25519'].includes(key.asymmetricKeyType ?? '')) return key;
  throw invalid(where, `a key of type ${key.asymmetricKeyType}, expected ECDSA, RSA or Ed25519`);
}

function parsePublicKey(pem: string, where: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new CoracleError('INVALID', `read public key ${where}: it is no PEM of a public key`, {
      cause: error,
    });
  }
}

/** @throws IO, INVALID */
export function readKeyFile(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= sizeLimit) return text;
  } catch (error) {
    throw ioError(`read key ${path}`, error);
  }
  throw invalid(path, `more than ${sizeLimit} bytes`);
}

/** Whether a private key's text needs a passphrase. */
export function needsPassphrase(text: string): boolean {
  return encrypted.test(text);
}

/** A private key, decrypted. @throws INVALID for another format, UNAUTHORIZED for a wrong passphrase */
export async function openPrivateKey(text: string, passphrase: string, where: string): Promise<KeyObject> {
  const body = encrypted.exec(text)?.[1];
  if (body === undefined) return plainPrivateKey(text, where);
  const record = requireObject(parseJson(Buffer.from(body, 'base64').toString('utf8'), where), where);
  const { secretbox } = (await import('tweetnacl')).default;
  const cipher = requireObject(record.cipher, `${where}: cipher`);
  if (cipher.name !== 'nacl/secretbox') throw invalid(where, `unknown cipher ${JSON.stringify(cipher.name)}`);
  const nonce = bytesOf(cipher.nonce, `${where}: nonce`, secretbox.nonceLength);
  const box = bytesOf(record.ciphertext, `${where}: ciphertext`);
  const plain = secretbox.open(box, nonce, deriveKey(record, passphrase, where));
  if (plain === null) throw new CoracleError('UNAUTHORIZED', `open private key ${where}: wrong passphrase`);
  try {
    return createPrivateKey({ key: Buffer.from(plain), format: 'der', type: 'pkcs8' });
  } catch (error) {
    throw new CoracleError('INVALID', `open private key ${where}: what is encrypted is no key`, {
      cause: error,
    });
  }
}

function plainPrivateKey(text: string, where: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new CoracleError('INVALID', `read private key ${where}: it is no key of cosign and no PKCS #8`, {
      cause: error,
      hint: 'coracle generate-sigstore-key makes one, as cosign generate-key-pair does',
    });
  }
}

/** Bounded, since the file says what it costs. */
function deriveKey(record: UnknownRecord, passphrase: string, where: string): Uint8Array {
  const kdf = requireObject(record.kdf, `${where}: kdf`);
  if (kdf.name !== 'scrypt') throw invalid(where, `unknown key derivation ${JSON.stringify(kdf.name)}`);
  const parameters = requireObject(kdf.params, `${where}: kdf.params`);
  const [cost, blockSize, parallelization] = ['N', 'r', 'p'].map((name) =>
    requireInteger(parameters[name], `${where}: kdf.params.${name}`),
  ) as [number, number, number];
  const memory = 128 * cost * blockSize;
  if (cost < 2 || cost > 2 ** 20 || (cost & (cost - 1)) !== 0 || blockSize < 1 || memory > 2 ** 30) {
    throw invalid(where, 'scrypt parameters out of bounds');
  }
  if (parallelization < 1 || parallelization > 16) throw invalid(where, 'scrypt parameters out of bounds');
  const salt = bytesOf(kdf.salt, `${where}: salt`);
  const maxmem = memory + 128 * blockSize * parallelization + 2 ** 20;
  return scryptSync(passphrase, salt, 32, { cost, blockSize, parallelization, maxmem });
}

function bytesOf(value: unknown, where: string, length?: number): Uint8Array {
  const bytes = Buffer.from(requireString(value, where), 'base64');
  if (length === undefined ? bytes.length > 0 : bytes.length === length) return bytes;
  throw invalid(where, `${bytes.length} bytes`);
}

/** A new pair: the private half encrypted as cosign writes it, the public one as PEM. */
export async function makeKeyPair(
  passphrase: string,
): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const { secretbox } = (await import('tweetnacl')).default;
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // What every reader of this format takes; older ones know no other figures and no other label.
  const params = { N: 32768, r: 8, p: 1 };
  const [salt, nonce] = [randomBytes(32), randomBytes(secretbox.nonceLength)];
  const record = { kdf: { name: 'scrypt', params, salt: salt.toString('base64') } };
  const plain = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  const box = secretbox(plain, nonce, deriveKey(record, passphrase, 'key'));
  const document = {
    ...record,
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(box).toString('base64'),
  };
  const lines =
    Buffer.from(JSON.stringify(document))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const label = 'ENCRYPTED COSIGN PRIVATE KEY';
  return {
    privateKey: [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n'),
    publicKey: String(pair.publicKey.export({ format: 'pem', type: 'spki' })),
  };
}
