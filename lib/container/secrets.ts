/**
 * The secrets of one container: copied when it is made to files that are not in its root file system, handed to the
 * native program in memory at each start. Plans, config.json, images and layers know their names at most.
 */
import { mkdirSync } from 'node:fs';
import { posix } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { readBytes, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { Locks } from '../host/staging.js';
import type { ProcessSpec } from '../sandbox/launch-spec.js';
import type { Mount } from '../sandbox/mount.js';
import type { ContainerRecord, SecretUse } from './record.js';
import { type SecretRequest, secretsDirectory } from './secret-flag.js';
import { SecretStore } from './secret-store.js';

/** A secret's use and its value. */
export type TakenSecret = { readonly use: SecretUse; readonly value: Uint8Array };

/** What a container asks for. @throws NOT_FOUND; USAGE for a variable that cannot have the value, or a target given twice. */
export function takeSecrets(
  parts: { readonly paths: StorePaths; readonly locks: Locks },
  requests: readonly SecretRequest[],
): readonly TakenSecret[] {
  const store = new SecretStore(parts);
  const targets = new Set<string>();
  return requests.map((request) => {
    const { id, name } = store.resolve(request.name);
    const value = store.value(name);
    if (targets.has(`${request.type} ${request.target}`)) {
      throw new CoracleError('USAGE', `use secret ${name}: its target ${request.target} is used twice`);
    }
    targets.add(`${request.type} ${request.target}`);
    if (request.type === 'env' && value.includes(0)) {
      throw new CoracleError('USAGE', `set ${request.target} to secret ${name}: it holds a NUL byte`, {
        hint: 'use type=mount',
      });
    }
    return { use: { ...request, name, id }, value };
  });
}

/** Keeps the values for the container's starts. */
export function keepSecrets(directory: string, taken: readonly TakenSecret[]): void {
  if (taken.length === 0) return;
  try {
    mkdirSync(`${directory}/secrets`, { mode: 0o700 });
  } catch (error) {
    throw ioError(`create ${directory}/secrets`, error);
  }
  for (const [index, { value }] of taken.entries()) writeFileAtomic(pathOf(directory, index), value);
}

/** What a start is given. */
export type LaunchSecrets = {
  readonly mounts: readonly Mount[];
  readonly env: NonNullable<ProcessSpec['secrets']>;
};

/** Reads the container's copies. @throws INVALID when one is gone. */
export function launchSecrets(record: ContainerRecord, directory: string): LaunchSecrets {
  const uses = record.secrets ?? [];
  const mounts: Mount[] = [];
  const env: { readonly name: string; readonly value: Uint8Array }[] = [];
  for (const [index, use] of uses.entries()) {
    const value = readBytes(pathOf(directory, index));
    if (value === undefined) {
      throw new CoracleError(
        'INVALID',
        `give container ${record.name} its secret ${use.name}: its copy is gone`,
        {
          hint: 'make the container again',
        },
      );
    }
    if (use.type === 'env') env.push({ name: use.target, value });
    else mounts.push(secretMount(use, value));
  }
  return { mounts: withDirectory(mounts), env };
}

function secretMount(use: Extract<SecretUse, { type: 'mount' }>, data: Uint8Array): Mount {
  const { target: destination, uid, gid, mode } = use;
  const owner = [`uid=${uid}`, `gid=${gid}`, `mode=${mode.toString(8).padStart(4, '0')}`];
  const options = ['ro', 'nosuid', 'nodev', 'noexec', 'create=file', ...owner];
  return { type: 'data', source: '', destination, options, data };
}

/** The names of secrets are made in memory too. */
function withDirectory(mounts: readonly Mount[]): readonly Mount[] {
  const inside = mounts.some(({ destination }) => posix.dirname(destination).startsWith(secretsDirectory));
  const options = ['rw', 'nosuid', 'nodev', 'noexec', 'mode=0755', 'size=65536'];
  const directory: Mount = { type: 'tmpfs', source: 'tmpfs', destination: secretsDirectory, options };
  return inside ? [directory, ...mounts] : mounts;
}

function pathOf(directory: string, index: number): string {
  return `${directory}/secrets/${index}`;
}
