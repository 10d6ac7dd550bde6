/** The user's configuration file, `$XDG_CONFIG_HOME/coracle/config.json`. */
import { CoracleError } from '../errors.js';
import { readJson } from './files.js';

/** What the file may set. A flag wins over the environment, the environment over the file. */
export type Configuration = {
  /** As `--storage-driver`. */
  readonly storageDriver?: string;
  /** As `--network` of `run` and `build`. */
  readonly network?: string;
  /** As `--imagestore`. */
  readonly imageStore?: string;
  /** As `--storage-opt additionalimagestore=`, with `:` between paths. */
  readonly additionalImageStores?: string;
};

const keys = ['storageDriver', 'network', 'imageStore', 'additionalImageStores'] as const;

/**
 * Reads the file; none is an empty configuration.
 * @throws INVALID naming file and key for anything not understood, so that a misspelt key is not silently without effect.
 */
export function readConfiguration(path: string): Configuration {
  const value = readJson(path);
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CoracleError('INVALID', `read ${path}: not a JSON object`);
  }
  const configuration: Record<string, string> = {};
  for (const [key, setting] of Object.entries(value)) {
    if (!keys.some((known) => known === key)) {
      throw new CoracleError('INVALID', `read ${path}: unknown key ${JSON.stringify(key)}`, {
        hint: `known keys: ${keys.join(', ')}`,
      });
    }
    if (typeof setting !== 'string') {
      throw new CoracleError('INVALID', `read ${path}: ${key} is not a string`);
    }
    configuration[key] = setting;
  }
  return configuration;
}
