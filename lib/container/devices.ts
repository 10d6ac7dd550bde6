/** Devices that containers get: nodes of this host, bound, and what CDI descriptions add. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { DeviceRequest } from './device-flags.js';
import type { RunOptions } from './run-options.js';

/** A bound device node. */
export type DeviceNode = { readonly source: string; readonly destination: string };

/** What requests come to. */
export type ResolvedDevices = {
  readonly options: RunOptions;
  readonly warnings: readonly string[];
};

/**
 * Looks the devices up and puts what they need into the options.
 * @throws NOT_FOUND, HOST for what the caller may not open, USAGE for what is no device.
 */
export async function resolveDevices(
  options: RunOptions,
  requests: readonly DeviceRequest[],
): Promise<ResolvedDevices> {
  const names = requests.flatMap((request) => (request.kind === 'cdi' ? [request.name] : []));
  const nodes = requests.flatMap((request) => (request.kind === 'node' ? findNodes(request) : []));
  if (names.length === 0) return { options: { ...options, deviceNodes: nodes }, warnings: [] };
  const { findCdiEdits } = await import('./cdi.js');
  const edits = findCdiEdits(names, options.cdiSpecDirectories);
  const described = edits.nodes.flatMap(findNodes);
  return {
    options: {
      ...options,
      deviceNodes: [...nodes, ...described],
      env: [...(options.env ?? []), ...edits.env],
      mounts: [...(options.mounts ?? []), ...edits.mounts],
      groups: [...(options.groups ?? []), ...edits.groups],
    },
    warnings: edits.warnings,
  };
}

/** A directory stands for all devices below it. */
function findNodes({ source, destination }: DeviceNode): DeviceNode[] {
  const status = statusOf(source);
  if (status.isDirectory()) {
    return readdirSync(source)
      .filter((name) => name !== 'pts' && name !== 'shm' && name !== 'fd' && name !== 'mqueue')
      .map((name) => ({ source: posix.join(source, name), destination: posix.join(destination, name) }))
      .filter((node) => isDevice(node.source) || isDirectory(node.source))
      .flatMap(findNodes);
  }
  if (!status.isCharacterDevice() && !status.isBlockDevice()) {
    throw new CoracleError('USAGE', `use device ${source}: it is no device`, { hint: 'bind it with -v' });
  }
  if (!destination.startsWith('/dev/')) {
    throw new CoracleError('USAGE', `use device ${source}: its place ${destination} is not below /dev`);
  }
  checkAccess(source, status.gid);
  return [{ source, destination }];
}

function isDevice(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status !== undefined && (status.isCharacterDevice() || status.isBlockDevice());
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function statusOf(source: string): ReturnType<typeof statSync> & object {
  try {
    return statSync(source);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw ioError(`use device ${source}`, error);
    throw new CoracleError('NOT_FOUND', `use device ${source}: no such device on this host`, {
      cause: error,
    });
  }
}

/** Root of a user namespace has no rights to devices that its user does not have. */
function checkAccess(source: string, gid: number | bigint): void {
  const may = [constants.R_OK, constants.W_OK].some((mode) => mayOpen(source, mode));
  if (may) return;
  throw new CoracleError('HOST', `use device ${source}: this user may not open it`, {
    hint: `a user namespace gives no rights to devices of the host; its group has number ${gid}: as a member of it, use --group-add keep-groups too`,
  });
}

function mayOpen(source: string, mode: number): boolean {
  try {
    accessSync(source, mode);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'EROFS')) return false;
    throw ioError(`use device ${source}`, error);
  }
}
