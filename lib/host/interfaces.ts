/** The network interfaces of this host. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { CoracleError } from '../errors.js';
import { descriptorsHint } from './child.js';

/** Each interface that is up with its addresses. @throws HOST where the system does not tell them */
export function hostInterfaces(): Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>> {
  try {
    return networkInterfaces();
  } catch (error) {
    // Its errno has the wrong sign, so that Node has neither name nor words for it.
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : 0;
    const [name, text] = getSystemErrorMap().get(-errno) ?? ['', String(error)];
    throw new CoracleError('HOST', `read the addresses of this host: ${text}`, {
      cause: error,
      ...(name === 'EMFILE' || name === 'ENFILE' ? { hint: descriptorsHint } : {}),
    });
  }
}
