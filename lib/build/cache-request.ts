/** `--cache-from` and `--cache-to` as people write them: `type=registry,ref=NAME`, or a repository alone, as buildah has it. */
import { parseCsv } from '../dockerfile/csv.js';
import { CoracleError } from '../errors.js';
import { parseReference } from '../oci/reference.js';

export type CacheSource =
  | {
      readonly kind: 'local';
      readonly directory: string;
      readonly tag?: string | undefined;
      readonly digest?: string | undefined;
    }
  | { readonly kind: 'registry'; readonly reference: string };

export type CacheDestination = {
  /** All steps of the build, not only those whose layers the image has. */
  readonly max: boolean;
  readonly compression: 'gzip' | 'zstd' | 'none';
  readonly level: number | undefined;
  /** A failure to export is a warning. */
  readonly ignoreError: boolean;
  readonly place: CacheSource | { readonly kind: 'inline' };
};

type Attributes = { readonly type: string; take(name: string): string | undefined };

/** @throws USAGE, UNSUPPORTED for places that are not served. */
export function parseCacheSource(text: string): CacheSource {
  return withAttributes('--cache-from', text, (attributes) => {
    if (attributes.type === 'inline')
      throw usage('--cache-from', text, 'an inline cache is read from its image: type=registry,ref=IMAGE');
    return readPlace(attributes, 'src', '--cache-from', text);
  });
}

/** @throws USAGE, UNSUPPORTED for places and forms that are not written. */
export function parseCacheDestination(text: string): CacheDestination {
  const flag = '--cache-to';
  return withAttributes(flag, text, (attributes) => {
    const { type, take } = attributes;
    const place = type === 'inline' ? { kind: 'inline' as const } : readPlace(attributes, 'dest', flag, text);
    const mode = oneOf(flag, text, 'mode', take('mode'), ['min', 'max']);
    const compression = oneOf(flag, text, 'compression', take('compression'), [
      'gzip',
      'zstd',
      'uncompressed',
    ]);
    const level = take('compression-level');
    if (level !== undefined && !/^\d{1,2}$/.test(level))
      throw usage(flag, text, `compression-level=${level}`);
    for (const name of ['image-manifest', 'oci-mediatypes']) {
      if (!isTrue(take(name) ?? 'true'))
        throw unsupported(flag, text, `${name}=false: caches are OCI image manifests`);
    }
    // What is written anew has one compression; what lies there already is not rewritten.
    take('force-compression');
    return {
      max: mode === 'max' && type !== 'inline',
      compression: compression === 'uncompressed' ? 'none' : compression === 'zstd' ? 'zstd' : 'gzip',
      level: level === undefined ? undefined : Number(level),
      ignoreError: isTrue(take('ignore-error') ?? 'false'),
      place,
    };
  });
}

/** `--cache-mounts-from`: as `--cache-from`, but one word is a directory. @throws USAGE, UNSUPPORTED */
export function parseMountsSource(text: string): CacheSource {
  return parseCacheSource(isDirectory(text) ? `type=local,"src=${text}"` : text);
}

/** `--cache-mounts-to`: as `--cache-to`, but one word is a directory. @throws USAGE, UNSUPPORTED */
export function parseMountsDestination(text: string): CacheDestination {
  const destination = parseCacheDestination(isDirectory(text) ? `type=local,"dest=${text}"` : text);
  if (destination.place.kind !== 'inline') return destination;
  throw usage('--cache-mounts-to', text, 'an image has no place for cache mounts');
}

function isDirectory(text: string): boolean {
  return text !== '' && !/^[a-z-]+=/.test(text) && !text.includes('"');
}

function readPlace(
  { type, take }: Attributes,
  directoryName: 'src' | 'dest',
  flag: string,
  text: string,
): CacheSource {
  if (type === 'local') {
    const directory = take(directoryName);
    if (directory === undefined || directory === '')
      throw usage(flag, text, `${directoryName}=DIRECTORY is missing`);
    return { kind: 'local', directory, tag: take('tag'), digest: take('digest') };
  }
  if (type === 'registry') {
    const reference = take('ref');
    if (reference === undefined) throw usage(flag, text, 'ref=NAME is missing');
    parseReference(reference);
    return { kind: 'registry', reference };
  }
  if (['gha', 's3', 'azblob'].includes(type)) throw unsupported(flag, text, `type=${type}`);
  throw usage(flag, text, `there is no type ${JSON.stringify(type)}`);
}

/** Reads with `read`, and refuses what it did not ask for. */
function withAttributes<T>(flag: string, text: string, read: (attributes: Attributes) => T): T {
  const parsed = parseCsv(text);
  if ('error' in parsed) throw usage(flag, text, parsed.error);
  const [first = ''] = parsed.fields;
  const fields =
    parsed.fields.length === 1 && !first.includes('=') ? ['type=registry', `ref=${first}`] : parsed.fields;
  const values = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf('=');
    if (equals < 1) throw usage(flag, text, `${JSON.stringify(field)} is no NAME=VALUE`);
    values.set(field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1));
  }
  const take = (name: string): string | undefined => {
    const value = values.get(name);
    values.delete(name);
    return value;
  };
  const result = read({ type: take('type') ?? '', take });
  const [unknown] = values.keys();
  if (unknown === undefined) return result;
  throw usage(flag, text, `there is no attribute ${unknown}`);
}

function oneOf<T extends string>(
  flag: string,
  text: string,
  name: string,
  value: string | undefined,
  known: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  throw usage(flag, text, `${name} must be ${known.join(' or ')}`);
}

function isTrue(text: string): boolean {
  return ['true', '1', 't'].includes(text.toLowerCase());
}

function usage(flag: string, text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: ${reason}`, {
    hint: 'for example type=registry,ref=NAME or type=local,dest=DIRECTORY; src=DIRECTORY to read',
  });
}

function unsupported(flag: string, text: string, what: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `use ${flag} ${text}: ${what} is not supported`, {
    hint: 'type=local, type=registry and type=inline are',
  });
}
