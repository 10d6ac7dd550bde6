/** The texts of `build`'s flags about secrets, agents and entitlements, in docker's and buildah's spellings. */
import { posix } from 'node:path';
import { parseCsv } from '../dockerfile/csv.js';
import { CoracleError } from '../errors.js';
import type { BuildSecret, BuildSsh, Entitlement } from './run-settings.js';
import { entitlements } from './run-settings.js';

/** What the texts refer to outside of themselves. */
export type RunFlagContext = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/**
 * `--secret id=ID[,src=FILE|,env=NAME][,type=file|env]`; with neither the variable ID, else the file ID.
 * @throws USAGE, never with a value.
 */
export function parseSecretFlag(text: string, { cwd, env }: RunFlagContext): BuildSecret {
  const fields = secretFields(text);
  const id = fields.get('id') ?? '';
  const type = fields.get('type');
  if (id === '') throw badSecret(text, 'it has no id');
  if (type !== undefined && type !== 'file' && type !== 'env')
    throw badSecret(text, `type ${type} is neither file nor env`);
  const source = fields.get('source');
  const variable = fields.get('env') ?? (type === 'env' ? (source ?? id) : undefined);
  if (variable === undefined) {
    if (source !== undefined || type === 'file' || env[id] === undefined)
      return { id, kind: 'file', path: posix.resolve(cwd, source ?? id) };
    return { id, kind: 'value', value: env[id] };
  }
  if (type === 'file' || (fields.has('env') && source !== undefined))
    throw badSecret(text, 'it is to come from a file and from a variable');
  const value = env[variable];
  if (value === undefined) throw badSecret(text, `the variable ${variable} is not set`);
  return { id, kind: 'value', value };
}

function secretFields(text: string): ReadonlyMap<string, string> {
  const csv = parseCsv(text);
  if ('error' in csv) throw badSecret(text, csv.error);
  const fields = new Map<string, string>();
  for (const field of csv.fields) {
    const [written = '', value] = field.split(/=(.*)/s);
    const key = written.toLowerCase() === 'src' ? 'source' : written.toLowerCase();
    if (value === undefined || !['id', 'source', 'env', 'type'].includes(key))
      throw badSecret(text, `"${written}" is none of id=, src=, env=, type=`);
    if (fields.has(key)) throw badSecret(text, `${written} is given twice`);
    fields.set(key, value);
  }
  return fields;
}

function badSecret(text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `give secret "${text}": ${reason}`, {
    hint: 'as in --secret id=token,src=token.txt or --secret id=token,env=TOKEN',
  });
}

/**
 * `--ssh default`, `--ssh ID=SOCKET`, `--ssh ID=KEY[,KEY]`. Whether a path is a socket is for `isSocket` to say.
 * @throws USAGE
 */
export function parseSshFlag(
  text: string,
  { cwd, env }: RunFlagContext,
  isSocket: (path: string) => boolean,
): BuildSsh {
  const [id = '', list] = text.split(/=(.*)/s);
  if (id === '')
    throw new CoracleError('USAGE', `forward ssh agent "${text}": it has no id`, { hint: sshHint });
  const paths = (list ?? '').split(',').filter((path) => path !== '');
  if (paths.length === 0) {
    const socket = env.SSH_AUTH_SOCK;
    if (socket !== undefined && socket !== '') return { id, kind: 'socket', socket };
    throw new CoracleError('USAGE', `forward ssh agent ${id}: SSH_AUTH_SOCK is not set`, {
      hint: `start an agent, or name a key: --ssh ${id}=$HOME/.ssh/id_ed25519`,
    });
  }
  const resolved = paths.map((path) => posix.resolve(cwd, path));
  const socket = resolved.find(isSocket);
  if (socket === undefined) return { id, kind: 'keys', keys: resolved };
  if (resolved.length === 1) return { id, kind: 'socket', socket };
  throw new CoracleError('USAGE', `forward ssh agent "${text}": a socket can only stand alone`, {
    hint: sshHint,
  });
}

const sshHint = 'as in --ssh default, --ssh ID=SOCKET or --ssh ID=KEY,KEY';

/** `--allow`. @throws USAGE for what this version cannot allow. */
export function parseEntitlement(text: string): Entitlement {
  const found = entitlements.find((each) => each === text);
  if (found !== undefined) return found;
  throw new CoracleError('USAGE', `allow "${text}": no such entitlement`, {
    hint: `one of ${entitlements.join(', ')}`,
  });
}

/** `--isolation`: there is one way. @throws UNSUPPORTED for another. */
export function checkIsolation(text: string): void {
  if (['', 'default', 'oci', 'rootless'].includes(text)) return;
  throw new CoracleError('UNSUPPORTED', `isolate steps by ${text}: steps are always confined in namespaces`, {
    hint: 'leave --isolation out; oci and rootless mean the same here',
  });
}
