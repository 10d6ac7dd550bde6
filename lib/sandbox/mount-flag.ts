/** `--mount type=TYPE,KEY=VALUE...` in docker's and podman's spellings. docs.docker.com/engine/storage, podman-run(1). */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import type { MountManners, MountRequest } from './mount.js';
import { MountFields } from './mount-fields.js';
import {
  bad,
  count,
  flagged,
  hostPath,
  isPropagation,
  noIdMaps,
  octal,
  refusedOption,
  subpath,
  target,
  volumeName,
  withPropagation,
} from './mount-text.js';
import { setValue, type TmpfsValues, tmpfsRequest } from './tmpfs-flag.js';

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function parseMountFlag(text: string, cwd: string): MountRequest {
  const fields = new MountFields(text);
  const type = fields.take('type') ?? 'volume';
  const parse = parsers.get(type);
  if (parse === undefined) {
    throw new CoracleError('UNSUPPORTED', `parse mount "${text}": type ${type} is not supported`, {
      hint: `types: ${[...parsers.keys()].join(', ')}`,
    });
  }
  const request = parse(fields, cwd);
  const left = fields.left();
  if (left === undefined) return request;
  throw refusedOption(fields.what, left, left === 'idmap' ? noIdMaps : undefined);
}

const parsers: ReadonlyMap<string, (fields: MountFields, cwd: string) => MountRequest> = new Map([
  ['bind', parseBind],
  ['volume', parseVolume],
  ['tmpfs', (fields: MountFields) => parseMemory(fields, false)],
  ['ramfs', (fields: MountFields) => parseMemory(fields, true)],
  ['image', parseImage],
  ['devpts', parseTerminals],
  ['glob', parseGlob],
]);

function takeDestination(fields: MountFields): string {
  return target(fields.take('target', 'destination', 'dst') ?? '', fields.what);
}

function takeReadonly(fields: MountFields): boolean {
  const [readonly, writable] = [fields.takeFlag('readonly', 'ro'), fields.takeFlag('rw', 'readwrite')];
  if (readonly !== undefined && writable !== undefined)
    throw bad(fields.what, 'ro and rw exclude each other');
  return readonly ?? writable === false;
}

function takeManners(fields: MountFields): MountManners {
  const suid = fields.takeEither('suid', 'nosuid');
  const dev = fields.takeEither('dev', 'nodev');
  fields.take('consistency');
  return {
    ...flagged('suid', suid),
    ...flagged('dev', dev),
    ...flagged('chown', fields.takeFlag('U', 'chown')),
    ...present('relabel', takeRelabel(fields)),
    ...takePropagation(fields),
  };
}

function takeRelabel(fields: MountFields): 'shared' | 'private' | undefined {
  const named = fields.take('relabel');
  const [shared, own] = [fields.takeFlag('z'), fields.takeFlag('Z')];
  if ((named === 'private' || own === true) && (named === 'shared' || shared === true))
    throw bad(fields.what, 'shared and private labels exclude each other');
  if (named === 'shared' || named === 'private') return named;
  if (named !== undefined) throw bad(fields.what, `relabel is shared or private, not ${named}`);
  return own === true ? 'private' : shared === true ? 'shared' : undefined;
}

function takePropagation(fields: MountFields): MountManners {
  const propagation = fields.take('bind-propagation');
  if (propagation === undefined) return {};
  if (isPropagation(propagation)) return withPropagation(propagation);
  throw bad(fields.what, `bind-propagation is not "${propagation}"`);
}

type Recursion = { readonly recursive: boolean; readonly shallow?: true };

/** podman's `bind-nonrecursive`, docker's `bind-recursive`. */
function takeRecursion(fields: MountFields): Recursion {
  const flat = fields.takeFlag('bind-nonrecursive');
  const depth = fields.take('bind-recursive');
  switch (depth) {
    case undefined:
      return { recursive: flat !== true };
    case 'enabled':
    case 'readonly':
    case 'true':
      return { recursive: true };
    case 'writable':
      return { recursive: true, shallow: true };
    case 'disabled':
    case 'false':
      return { recursive: false };
    default:
      throw bad(fields.what, `bind-recursive is enabled, disabled, writable or readonly, not ${depth}`);
  }
}

function parseBind(fields: MountFields, cwd: string): MountRequest {
  const source = fields.take('source', 'src') ?? '';
  if (source === '') throw bad(fields.what, 'a bind mount needs source=PATH');
  return {
    type: 'bind',
    source: hostPath(source, cwd) ?? posix.resolve(cwd, source),
    destination: takeDestination(fields),
    readonly: takeReadonly(fields),
    exec: fields.takeEither('exec', 'noexec') ?? true,
    ...takeRecursion(fields),
    ...takeManners(fields),
  };
}

function parseGlob(fields: MountFields, cwd: string): MountRequest {
  const source = fields.take('source', 'src') ?? '';
  if (source === '') throw bad(fields.what, 'a glob needs source=PATTERN');
  const pattern = hostPath(source, cwd) ?? posix.resolve(cwd, source);
  const place = fields.take('target', 'destination', 'dst') ?? posix.dirname(pattern);
  if (/[*?[]/.test(place))
    throw bad(fields.what, 'give the destination: the pattern is not in the last name alone');
  return {
    type: 'glob',
    pattern,
    destination: place === '/' ? place : target(place, fields.what),
    readonly: takeReadonly(fields),
    exec: fields.takeEither('exec', 'noexec') ?? true,
    recursive: true,
    ...takeManners(fields),
  };
}

function parseVolume(fields: MountFields): MountRequest {
  const source = fields.take('source', 'src');
  const part = fields.take('volume-subpath', 'subpath');
  const driver = fields.take('volume-driver');
  if (driver !== undefined && driver !== 'local') throw refusedOption(fields.what, `volume-driver=${driver}`);
  return {
    type: 'volume',
    name: source === undefined || source === '' ? undefined : volumeName(source, fields.what),
    destination: takeDestination(fields),
    readonly: takeReadonly(fields),
    copy: !(fields.takeFlag('volume-nocopy', 'nocopy') ?? false),
    ...flagged('noexec', fields.takeEither('noexec', 'exec')),
    ...present('subpath', part === undefined ? undefined : subpath(part, fields.what)),
    ...flagged('existing', fields.takeFlag('nocreate')),
    ...present('labels', assignments(fields.takeAll('volume-label'))),
    ...present('options', assignments(fields.takeAll('volume-opt'))),
    ...takeManners(fields),
  };
}

function assignments(texts: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      return equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function parseMemory(fields: MountFields, ram: boolean): MountRequest {
  if (fields.take('source', 'src') !== undefined && !ram) throw bad(fields.what, 'a tmpfs has no source');
  const values: TmpfsValues = {};
  const take = (name: string, ...names: readonly string[]): void => {
    const text = fields.take(...names);
    if (text !== undefined) setValue(values, name, text, fields.what);
  };
  take('mode', 'tmpfs-mode', 'mode');
  if (!ram) {
    take('size', 'tmpfs-size', 'size');
    take('uid', 'uid');
    take('gid', 'gid');
    take('nr_inodes', 'nr_inodes');
  }
  fields.take('consistency');
  return tmpfsRequest(takeDestination(fields), values, {
    readonly: takeReadonly(fields),
    exec: fields.takeEither('exec', 'noexec') ?? true,
    copyUp: fields.takeEither('tmpcopyup', 'notmpcopyup') ?? false,
    suid: fields.takeEither('suid', 'nosuid') ?? false,
    dev: fields.takeEither('dev', 'nodev') ?? false,
    noatime: fields.takeFlag('noatime') ?? false,
    chown: fields.takeFlag('U', 'chown') ?? false,
    ram,
  });
}

function parseImage(fields: MountFields): MountRequest {
  const image = fields.take('source', 'src') ?? '';
  if (image === '') throw bad(fields.what, 'an image mount needs source=IMAGE');
  const part = fields.take('image-subpath', 'subpath');
  const writable = fields.takeFlag('rw', 'readwrite');
  const readonly = fields.takeFlag('ro', 'readonly');
  if (writable !== undefined && readonly !== undefined)
    throw bad(fields.what, 'ro and rw exclude each other');
  return {
    type: 'image',
    image,
    destination: takeDestination(fields),
    readonly: writable === undefined ? readonly !== false : !writable,
    ...present('subpath', part === undefined ? undefined : subpath(part, fields.what)),
  };
}

function parseTerminals(fields: MountFields): MountRequest {
  const number = (name: string): number | undefined => {
    const text = fields.take(name);
    return text === undefined ? undefined : count(name, text, fields.what);
  };
  const mode = fields.take('mode');
  return {
    type: 'devpts',
    destination: takeDestination(fields),
    ...present('uid', number('uid')),
    ...present('gid', number('gid')),
    ...present('mode', mode === undefined ? undefined : octal(mode, fields.what)),
    ...present('max', number('max')),
  };
}
