/** The values of RUN's `--mount` and `--device`: BuildKit's commands_runmount.go, commands_rundevice.go. */
import { CoracleError } from '../errors.js';
import { parseCsv } from './csv.js';
import type { Device, Mount } from './instructions.js';
import { suggest } from './suggestion.js';

const TYPES = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
const SHARING = ['shared', 'private', 'locked'] as const;
const KEYS =
  'type from source src target dst destination readonly ro readwrite rw id sharing required size mode uid gid env';
const SAME_KEYS: ReadonlyMap<string, string> = new Map([
  ['src', 'source'],
  ['dst', 'target'],
  ['destination', 'target'],
  ['ro', 'readonly'],
  ['rw', 'readwrite'],
]);
/** The keys each type of mount takes. */
const TYPE_KEYS: Readonly<Record<Mount['type'], string>> = {
  bind: 'type from source target readonly readwrite id',
  cache: 'type from source target readonly readwrite id sharing mode uid gid',
  tmpfs: 'type target readonly readwrite size id',
  secret: 'type source target readonly readwrite id required mode uid gid env',
  ssh: 'type target readonly readwrite id required mode uid gid',
};
const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

function fail(raw: string, reason: string, hint?: string): never {
  throw new CoracleError('INVALID', `parse --mount=${raw}: ${reason}`, hint === undefined ? {} : { hint });
}

/**
 * Reads a `--mount` value, `expand`ing the value of each field.
 * @throws {CoracleError} INVALID: an unknown key, type or value, or a key that the type does not take.
 */
export function parseMount(raw: string, expand: (word: string) => string): Mount {
  const csv = parseCsv(raw);
  if ('error' in csv) return fail(raw, `value ${csv.error}`);
  const fields = new Map<string, string | undefined>();
  for (const field of csv.fields) {
    const equals = field.indexOf('=');
    const written = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const key = SAME_KEYS.get(written) ?? written;
    if (!KEYS.split(' ').includes(key))
      fail(raw, `unknown key ${written}`, suggest(written, KEYS.split(' ')));
    const isSwitch = key === 'readonly' || key === 'readwrite' || key === 'required';
    if (equals < 0 && !isSwitch) fail(raw, `key ${written} needs a value`, `write ${written}=VALUE`);
    // The last of several readonly and readwrite counts.
    if (key === 'readonly') fields.delete('readwrite');
    if (key === 'readwrite') fields.delete('readonly');
    fields.set(key, equals < 0 ? undefined : expand(field.slice(equals + 1)));
  }
  return build(raw, fields);
}

type Fields = ReadonlyMap<string, string | undefined>;

function build(raw: string, fields: Fields): Mount {
  const type = oneOf(raw, 'type', fields.get('type'), TYPES) ?? 'bind';
  for (const key of fields.keys()) {
    if (!TYPE_KEYS[type].split(' ').includes(key)) {
      fail(raw, `key ${key} is not allowed for a ${type} mount`, `keys are ${TYPE_KEYS[type]}`);
    }
  }
  const common = { ...text('target', fields), readOnly: readOnly(raw, type, fields) };
  const owner = {
    ...number(raw, 'mode', fields, 8),
    ...number(raw, 'uid', fields, 10),
    ...number(raw, 'gid', fields, 10),
  };
  switch (type) {
    case 'bind':
      return { type, ...common, ...text('from', fields), ...text('source', fields) };
    case 'cache': {
      const sharing = oneOf(raw, 'sharing', fields.get('sharing'), SHARING);
      const place = { ...text('id', fields), ...text('from', fields), ...text('source', fields) };
      return { type, ...common, ...owner, ...place, ...(sharing === undefined ? {} : { sharing }) };
    }
    case 'tmpfs':
      return { type, ...common, ...size(raw, fields) };
    case 'secret':
      return {
        type,
        ...common,
        ...owner,
        ...text('env', fields),
        id: secretId(raw, fields),
        required: required(raw, fields),
      };
    case 'ssh':
      return { type, ...common, ...owner, ...text('id', fields), required: required(raw, fields) };
  }
}

/** The field under its own name, left out where it is not given or empty. */
function text<Key extends string>(key: Key, fields: Fields): { [Name in Key]?: string } {
  const value = fields.get(key);
  const result: { [Name in Key]?: string } = {};
  if (value !== undefined && value !== '') result[key] = value;
  return result;
}

function oneOf<Value extends string>(
  raw: string,
  key: string,
  value: string | undefined,
  values: readonly Value[],
): Value | undefined {
  if (value === undefined || (key === 'sharing' && value === '')) return undefined;
  const found = values.find((candidate) => candidate === value.toLowerCase());
  return found ?? fail(raw, `unsupported ${key} ${value}`, suggest(value, values));
}

function readOnly(raw: string, type: Mount['type'], fields: Fields): boolean {
  if (fields.has('readonly')) return boolean(raw, 'readonly', fields.get('readonly'));
  if (fields.has('readwrite')) return !boolean(raw, 'readwrite', fields.get('readwrite'));
  return type !== 'cache' && type !== 'tmpfs';
}

function required(raw: string, fields: Fields): boolean {
  return fields.has('required') && boolean(raw, 'required', fields.get('required'));
}

/** Go's strconv.ParseBool; a key without a value is true. */
function boolean(raw: string, key: string, value: string | undefined): boolean {
  if (value === undefined || TRUE.has(value)) return true;
  return FALSE.has(value) ? false : fail(raw, `invalid ${key} ${value}`, 'write true or false');
}

function number<Key extends string>(
  raw: string,
  key: Key,
  fields: Fields,
  base: 8 | 10,
): { [Name in Key]?: number } {
  const value = fields.get(key);
  const result: { [Name in Key]?: number } = {};
  if (value === undefined) return result;
  const digits = base === 8 ? /^[0-7]{1,16}$/ : /^\d{1,16}$/;
  const parsed = digits.test(value) ? Number.parseInt(value, base) : Number.NaN;
  if (!(parsed <= 0xffff_ffff))
    fail(raw, `invalid ${key} ${value}`, base === 8 ? 'write it in octal' : undefined);
  result[key] = parsed;
  return result;
}

/** docker's units: a number, then k, m, g, t or p in powers of 1024. */
function size(raw: string, fields: Fields): { sizeBytes?: number } {
  const value = fields.get('size');
  if (value === undefined) return {};
  const match = /^(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)i?b?$/i.exec(value);
  if (match === null) return fail(raw, `invalid size ${value}`, 'write a size like 64m or 1g');
  const power = 'kmgtp'.indexOf((match[2] ?? '').toLowerCase() || ' ') + 1;
  const bytes = Math.trunc(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(bytes) ? { sizeBytes: bytes } : fail(raw, `size ${value} is too large`);
}

function secretId(raw: string, fields: Fields): string {
  const source = fields.get('source') ?? '';
  const id = fields.get('id') ?? '';
  if (source !== '' && id !== '') fail(raw, 'source and id are the same thing', 'give one of them');
  const name = source || id || (fields.get('target') ?? '').replace(/\/+$/, '').replace(/^.*\//s, '');
  return name === '' ? fail(raw, 'a secret mount needs an id', 'write id=NAME') : name;
}

/** Reads a `--device` value: `name[,required]`. */
export function parseDevice(raw: string): Device | { readonly error: string; readonly hint?: string } {
  const csv = parseCsv(raw);
  if ('error' in csv) return { error: `value ${csv.error}` };
  let name = '';
  let isRequired = false;
  for (const field of csv.fields) {
    const [written = '', value] = field.split(/=(.*)/s);
    const key = written.toLowerCase();
    if (key === 'required') {
      if (value !== undefined && !TRUE.has(value) && !FALSE.has(value))
        return { error: `invalid required ${value}` };
      isRequired = value === undefined || TRUE.has(value);
    } else if (name !== '') {
      return { error: `unexpected ${field} after the device ${name}`, hint: 'write NAME[,required]' };
    } else name = key === 'name' && value !== undefined ? value : field;
  }
  return name === '' ? { error: 'value has no device name' } : { name, required: isRequired };
}
