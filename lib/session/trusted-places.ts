/** Policies for images that come from files: an archive or a directory has no signatures, so it is allowed or not. */
import { realpathSync, statSync } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';
import { openGate } from '../transfer/trust.js';
import type { TrustPlace } from '../trust/scope.js';
import type { Session } from './session.js';

export type ArchiveOrigin = {
  /** A path; what comes from elsewhere falls under the transport as a whole. */
  readonly source?: unknown;
  readonly signaturePolicy?: string | undefined;
};

/** @throws FORBIDDEN where the policy rejects it, or demands signatures that it cannot have */
export async function approveArchive(
  session: Session,
  form: 'docker-archive' | 'oci' | 'dir' | 'tarball',
  { source, signaturePolicy }: ArchiveOrigin,
): Promise<void> {
  const path = typeof source === 'string' && source !== '-' ? source : undefined;
  const access = { env: session.env, ...(signaturePolicy === undefined ? {} : { signaturePolicy }) };
  const gate = await openGate(path ?? 'an archive', placeOf(form, path), access);
  await gate([]);
}

function placeOf(form: 'docker-archive' | 'oci' | 'dir' | 'tarball', path: string | undefined): TrustPlace {
  if (form === 'docker-archive' || form === 'tarball') return { transport: form };
  const real = path === undefined ? '' : resolved(path);
  if (form === 'dir') return { transport: 'dir', path: real };
  const isDirectory = real !== '' && statSync(real).isDirectory();
  return { transport: isDirectory ? 'oci' : 'oci-archive', path: real };
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw ioError(`resolve ${path}`, error);
  }
}
