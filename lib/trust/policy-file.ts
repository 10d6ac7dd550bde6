/** The policy that holds: the file asked for, else the user's own, else the host's; without any nothing is forbidden. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import type { Environment } from '../host/paths.js';
import { invalid, parseJson } from '../oci/guards.js';
import { type Policy, parsePolicy } from './policy.js';

const sizeLimit = 4 * 1024 * 1024;
const systemPolicy = '/etc/containers/policy.json';

/** @throws INVALID for a file that cannot be understood, IO, also where the file asked for is missing */
export function readPolicy(env: Environment, given: string | undefined): Policy | undefined {
  for (const path of given === undefined ? policyPaths(env) : [given]) {
    const text = readText(path, given !== undefined);
    if (text === undefined) continue;
    return parsePolicy(parseJson(text, path), path);
  }
  return undefined;
}

/** The files that are looked for, the first that is there counts. */
export function policyPaths(env: Environment): readonly string[] {
  const own = userPolicy(env);
  return own === undefined ? [systemPolicy] : [own, systemPolicy];
}

/** The user's own file, undefined without a home. */
export function userPolicy(env: Environment): string | undefined {
  const config = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
  return config === undefined ? undefined : join(config, 'containers', 'policy.json');
}

function readText(path: string, demanded: boolean): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > sizeLimit) throw invalid(path, `more than ${sizeLimit} bytes`);
    return text;
  } catch (error) {
    if (!demanded && hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}
