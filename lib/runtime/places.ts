/** Where the runtime keeps what it knows of its containers: a directory for each, on a file system that does not outlive them. */
import { join, resolve } from 'node:path';
import { CoracleError } from '../errors.js';
import { type Environment, runtimeDirectory } from '../host/paths.js';

export type ContainerPlaces = {
  readonly id: string;
  readonly directory: string;
  readonly record: string;
  /** The bundle's config.json as it was at the creation. */
  readonly config: string;
  /** Socket at which the container waits to be started; gone once it was. */
  readonly gate: string;
  /** There while it is paused. */
  readonly paused: string;
  readonly lock: string;
  readonly seccomp: string;
};

/** The directory of all: as given, or one in the user's runtime directory. */
export function runtimeRoot(given: string | undefined, env: Environment): string {
  if (given !== undefined && given !== '') return resolve(given);
  return join(runtimeDirectory(env, process.getuid?.() ?? 0), 'oci');
}

/** The places of one container. @throws USAGE for a name that is none. */
export function containerPlaces(root: string, id: string): ContainerPlaces {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_+.-]{0,200}$/.test(id))
    throw new CoracleError('USAGE', `name container ${JSON.stringify(id)}: not a name for one`, {
      hint: 'letters, digits and _ + . -, beginning with a letter or digit',
    });
  const at = (name: string): string => join(root, id, name);
  return {
    id,
    directory: join(root, id),
    record: at('state.json'),
    config: at('config.json'),
    gate: at('gate'),
    paused: at('paused'),
    lock: at('lock'),
    seccomp: at('seccomp.json'),
  };
}
