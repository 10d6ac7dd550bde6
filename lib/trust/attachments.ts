/**
 * Whether sigstore signatures of a repository hang beside its images: `use-sigstore-attachments` of registries.d.
 * https://github.com/containers/image/blob/main/docs/containers-registries.d.5.md
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Environment } from '../host/paths.js';
import { parseYaml } from '../host/yaml.js';
import { optional, requireBoolean, requireObject } from '../oci/guards.js';
import type { Reference } from '../oci/reference.js';
import { scopesOf } from './scope.js';

/** What a file says for a scope; the scope of the default is empty. */
type Setting = { readonly scope: string; readonly attached: boolean | undefined; readonly file: string };

/** What the most specific scope says, undefined where none does. @throws INVALID, CONFLICT naming the files */
export function usesAttachments(env: Environment, reference: Reference): boolean | undefined {
  const settings = readSettings(env);
  for (const scope of [...scopesOf({ transport: 'docker', reference }), '']) {
    const attached = settings.get(scope)?.attached;
    if (attached !== undefined) return attached;
  }
  return undefined;
}

/** The user's directory replaces the host's. */
function readSettings(env: Environment): ReadonlyMap<string, Setting> {
  const config = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
  const own = config === undefined ? undefined : listed(join(config, 'containers', 'registries.d'));
  const settings = new Map<string, Setting>();
  for (const file of own ?? listed('/etc/containers/registries.d') ?? []) {
    for (const setting of readFile(file)) {
      const other = settings.get(setting.scope);
      if (other !== undefined) {
        const what = setting.scope === '' ? 'default-docker' : `docker: ${setting.scope}`;
        throw new CoracleError('CONFLICT', `read ${file}: ${other.file} has ${what} too`);
      }
      settings.set(setting.scope, setting);
    }
  }
  return settings;
}

function listed(directory: string): readonly string[] | undefined {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
    return names.sort().map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw ioError(`read ${directory}`, error);
  }
}

function readFile(file: string): readonly Setting[] {
  const document = requireObject(parseFile(file) ?? {}, file);
  const scopes = Object.entries(requireObject(document.docker ?? {}, `${file}: docker`));
  const fallback = document['default-docker'];
  const all = fallback === undefined || fallback === null ? scopes : [['', fallback] as const, ...scopes];
  return all.map(([scope, value]) => {
    const where = `${file}: ${scope === '' ? 'default-docker' : `docker: ${scope}`}`;
    const record = requireObject(value ?? {}, where);
    const attached = optional(record['use-sigstore-attachments'], where, requireBoolean);
    return { scope, attached, file };
  });
}

function parseFile(file: string): unknown {
  try {
    return parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EISDIR', 'ENOENT')) throw ioError(`read ${file}`, error);
    const reason = error instanceof Error ? error.message : String(error);
    throw new CoracleError('INVALID', `parse ${file}: ${reason}`, { cause: error });
  }
}
