/**
 * Signatures beside an image in plain files, as `dir:` has them: `signature-N`, and for a manifest of an index
 * `DIGITS.signature-N`. A file is a zero byte, the name of its format, a line break, and for signatures of cosign JSON.
 * https://github.com/containers/image/blob/main/internal/signature/signature.go
 */
import { parseJson, requireObject, requireString, requireStringMap } from '../oci/guards.js';
import { type AttachedSignature, payloadType, signatureAnnotation } from '../trust/signature.js';

const head = Buffer.from('\0sigstore-json\n');

/** No image has more. */
export const signatureFileLimits = { count: 256, bytes: 1024 * 1024 } as const;

/** The name of the `number`th signature, from 1, of what the directory is about, or of a manifest with these digits. */
export function signatureFileName(number: number, digits?: string): string {
  return digits === undefined ? `signature-${number}` : `${digits}.signature-${number}`;
}

export function encodeSignatureFile({ payload, signature, annotations }: AttachedSignature): Buffer {
  const document = {
    mimeType: payloadType,
    payload: payload.toString('base64'),
    annotations: { ...annotations, [signatureAnnotation]: signature },
  };
  return Buffer.concat([head, Buffer.from(JSON.stringify(document))]);
}

/** Undefined for a signature of another kind, such as GPG's. @throws INVALID */
export function parseSignatureFile(bytes: Buffer, where: string): AttachedSignature | undefined {
  if (!bytes.subarray(0, head.length).equals(head)) return undefined;
  const record = requireObject(parseJson(bytes.toString('utf8', head.length), where), where);
  const all = requireStringMap(record.annotations ?? {}, `${where}: annotations`);
  const { [signatureAnnotation]: signature, ...annotations } = all;
  if (record.mimeType !== payloadType || signature === undefined) return undefined;
  const payload = Buffer.from(requireString(record.payload, `${where}: payload`), 'base64');
  return { payload, signature, annotations };
}
