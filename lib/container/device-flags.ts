/** `--device` and `--gpus`. Pure. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';

/** A node of this host, or everything that a CDI description calls by a name. */
export type DeviceRequest =
  | { readonly kind: 'node'; readonly source: string; readonly destination: string }
  | { readonly kind: 'cdi'; readonly name: string };

const qualified = /^[A-Za-z][A-Za-z0-9._-]*\/[A-Za-z][A-Za-z0-9._-]*=[A-Za-z0-9][A-Za-z0-9._:-]*$/;

/** `HOST[:CONTAINER][:PERMISSIONS]`, or `VENDOR/CLASS=NAME`. @throws USAGE, UNSUPPORTED */
export function parseDevice(text: string): DeviceRequest {
  if (qualified.test(text)) return { kind: 'cdi', name: text };
  const [source = '', ...rest] = text.split(':');
  const permissions = /^[rwm]+$/.test(rest.at(-1) ?? '') ? rest.pop() : undefined;
  const destination = rest[0] ?? source;
  if (rest.length > 1 || !source.startsWith('/') || !destination.startsWith('/')) {
    throw new CoracleError('USAGE', `use device "${text}": not HOST[:CONTAINER[:PERMISSIONS]]`, {
      hint: 'for example /dev/fuse, /dev/sdb:/dev/disk:rwm, or vendor.com/class=name of a CDI description',
    });
  }
  if (permissions !== undefined && !(permissions.includes('r') && permissions.includes('w'))) {
    throw new CoracleError(
      'UNSUPPORTED',
      `use device "${text}": access cannot be limited to ${permissions}`,
      {
        hint: 'a user namespace has no rules for devices: what this user may do with it the container may',
      },
    );
  }
  return { kind: 'node', source: posix.normalize(source), destination: posix.normalize(destination) };
}

/** `all`, a number of devices or their names, as nvidia's CDI descriptions call them. @throws USAGE */
export function parseGpus(text: string): readonly DeviceRequest[] {
  const names =
    text === 'all' ? ['all'] : (/^(?:device=)?([\w.:-]+(?:,[\w.:-]+)*)$/.exec(text)?.[1] ?? '').split(',');
  if (names[0] !== '') return names.map((name) => ({ kind: 'cdi', name: `nvidia.com/gpu=${name}` }));
  throw new CoracleError('USAGE', `use --gpus ${text}: not all or a list of devices`, {
    hint: '--gpus all, --gpus device=0,1',
  });
}
