/** The text of `run --secret`. podman-run(1). Pure. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';

/** A secret that a container gets, as a file or as a variable. */
export type SecretRequest = { readonly name: string } & (
  | {
      readonly type: 'mount';
      /** Absolute and clean. */
      readonly target: string;
      readonly uid: number;
      readonly gid: number;
      readonly mode: number;
    }
  | { readonly type: 'env'; readonly target: string }
);

/** Where relative targets lie. */
export const secretsDirectory = '/run/secrets';

/** `NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`. @throws USAGE */
export function parseSecretRequest(text: string): SecretRequest {
  const [name = '', ...options] = text.split(',');
  const values = new Map(options.map((option) => splitOption(option, text)));
  const unknown = [...values.keys()].find((key) => !['type', 'target', 'uid', 'gid', 'mode'].includes(key));
  if (name === '' || name.includes('=')) throw bad(text, 'it begins with the name of a secret');
  if (unknown !== undefined) throw bad(text, `no option ${unknown}`);
  const type = values.get('type') ?? 'mount';
  const target = values.get('target') ?? name;
  if (target === '') throw bad(text, 'the target is empty');
  if (type === 'env') {
    const other = ['uid', 'gid', 'mode'].find((key) => values.has(key));
    if (other !== undefined) throw bad(text, `${other} is for files`);
    if (/[=\0]/.test(target)) throw bad(text, 'the target is no name of a variable');
    return { name, type, target };
  }
  if (type !== 'mount') throw bad(text, 'type is mount or env');
  return {
    name,
    type,
    target: posix.resolve(secretsDirectory, target),
    uid: readId(values.get('uid'), text),
    gid: readId(values.get('gid'), text),
    mode: readMode(values.get('mode'), text),
  };
}

function splitOption(option: string, text: string): [string, string] {
  const equals = option.indexOf('=');
  if (equals <= 0) throw bad(text, `"${option}" is no OPTION=VALUE`);
  return [option.slice(0, equals), option.slice(equals + 1)];
}

function readId(value: string | undefined, text: string): number {
  if (value === undefined) return 0;
  if (/^\d{1,10}$/.test(value) && Number(value) < 0xffffffff) return Number(value);
  throw bad(text, `"${value}" is no id`);
}

function readMode(value: string | undefined, text: string): number {
  if (value === undefined) return 0o444;
  if (/^[0-7]{1,4}$/.test(value)) return Number.parseInt(value, 8);
  throw bad(text, `"${value}" is no octal mode`);
}

function bad(text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${text}" for --secret: ${reason}`);
}
