/** The texts of `-v`, `--mount` and `--tmpfs` as mount requests. docs.docker.com/engine/storage, podman-run(1). */
import { homedir } from 'node:os';
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { MountRequest } from './mount.js';
import { parseSize } from './sizes.js';

/**
 * `-v SOURCE:DESTINATION[:OPTIONS]`, `-v NAME:DESTINATION[:OPTIONS]`, `-v DESTINATION`. A source that begins with
 * `/`, `.` or `~/` is a host path, relative ones below `cwd`. `z` and `Z` are accepted: SELinux labels are never changed.
 * @throws USAGE or UNSUPPORTED naming the flag's text.
 */
export function parseVolumeFlag(text: string, cwd: string): MountRequest {
  const parts = text.split(':');
  const [first = '', second, options = ''] = parts;
  if (parts.length > 3) throw bad('volume', text, 'too many colons');
  if (second === undefined) {
    return {
      type: 'volume',
      name: undefined,
      destination: target(first, 'volume', text),
      readonly: false,
      copy: true,
    };
  }
  const chosen = volumeOptions(options, text);
  const destination = target(second, 'volume', text);
  const path = hostPath(first, cwd);
  if (path === undefined) {
    const { readonly, copy } = chosen;
    return { type: 'volume', name: volumeName(first, 'volume', text), destination, readonly, copy };
  }
  const { readonly, recursive, exec } = chosen;
  return { type: 'bind', source: path, destination, readonly, recursive, exec };
}

type VolumeOptions = { readonly: boolean; copy: boolean; recursive: boolean; exec: boolean };

function volumeOptions(options: string, text: string): VolumeOptions {
  const chosen: VolumeOptions = { readonly: false, copy: true, recursive: true, exec: true };
  for (const option of options.split(',').filter((each) => each !== '')) {
    switch (option) {
      case 'ro':
      case 'rw':
        chosen.readonly = option === 'ro';
        break;
      case 'copy':
      case 'nocopy':
        chosen.copy = option === 'copy';
        break;
      case 'bind':
      case 'rbind':
        chosen.recursive = option === 'rbind';
        break;
      case 'exec':
      case 'noexec':
        chosen.exec = option === 'exec';
        break;
      case 'z':
      case 'Z':
      case 'nosuid':
      case 'nodev':
      case 'private':
      case 'rprivate':
        break;
      default:
        throw refusedOption('volume', text, option);
    }
  }
  return chosen;
}

/**
 * `--mount type=bind|volume|tmpfs,KEY=VALUE...` in docker's and podman's spellings; a field may be quoted as in CSV.
 * @throws USAGE or UNSUPPORTED naming the flag's text.
 */
export function parseMountFlag(text: string, cwd: string): MountRequest {
  const fields = mountFields(text);
  const type = fields.get('type') ?? 'volume';
  fields.delete('type');
  const destination = target(take(fields, ['target', 'destination', 'dst']) ?? '', 'mount', text);
  const source = take(fields, ['source', 'src']);
  const readonly = takeFlag(fields, ['readonly', 'ro'], text) ?? takeFlag(fields, ['rw'], text) === false;
  const request = mountRequest({ type, source, destination, readonly }, fields, text, cwd);
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw refusedOption('mount', text, unknown);
  return request;
}

type MountHead = {
  readonly type: string;
  readonly source: string | undefined;
  readonly destination: string;
  readonly readonly: boolean;
};

function mountRequest(head: MountHead, fields: Map<string, string>, text: string, cwd: string): MountRequest {
  const { destination, readonly, source } = head;
  switch (head.type) {
    case 'bind': {
      checkPropagation(take(fields, ['bind-propagation']), text);
      takeFlag(fields, ['z', 'Z'], text);
      take(fields, ['relabel', 'consistency']);
      if (source === undefined || source === '') throw bad('mount', text, 'a bind mount needs source=PATH');
      const recursive = !(takeFlag(fields, ['bind-nonrecursive'], text) ?? false);
      const path = hostPath(source, cwd) ?? posix.resolve(cwd, source);
      return { type: 'bind', source: path, destination, readonly, recursive, exec: true };
    }
    case 'volume': {
      take(fields, ['consistency']);
      const copy = !(takeFlag(fields, ['volume-nocopy'], text) ?? false);
      const name = source === undefined || source === '' ? undefined : volumeName(source, 'mount', text);
      return { type: 'volume', name, destination, readonly, copy };
    }
    case 'tmpfs': {
      if (source !== undefined) throw bad('mount', text, 'a tmpfs has no source');
      const size = take(fields, ['tmpfs-size', 'size']);
      const mode = take(fields, ['tmpfs-mode', 'mode']);
      const copyUp =
        takeFlag(fields, ['tmpcopyup'], text) ?? !(takeFlag(fields, ['notmpcopyup'], text) ?? true);
      const bytes = size === undefined ? undefined : parseSize(size, 'tmpfs size');
      return {
        type: 'tmpfs',
        destination,
        readonly,
        size: bytes,
        mode: mode === undefined ? undefined : tmpfsMode(mode, text),
        exec: true,
        copyUp,
      };
    }
    default:
      throw new CoracleError('UNSUPPORTED', `parse mount "${text}": type ${head.type} is not supported`, {
        hint: 'types: bind, volume, tmpfs',
      });
  }
}

/** `--tmpfs DESTINATION[:OPTIONS]`: noexec, filled from the image, with the mode it has there, unless told otherwise. */
export function parseTmpfsFlag(text: string): MountRequest {
  const colon = text.indexOf(':');
  const destination = target(colon < 0 ? text : text.slice(0, colon), 'tmpfs', text);
  const options = colon < 0 ? [] : text.slice(colon + 1).split(',');
  let [readonly, exec, copyUp] = [false, false, true];
  let size: number | undefined;
  let mode: number | undefined;
  for (const option of options.filter((each) => each !== '')) {
    const [key, value] = option.split('=', 2);
    if (key === 'size' && value !== undefined) size = parseSize(value, 'tmpfs size');
    else if (key === 'mode' && value !== undefined) mode = tmpfsMode(value, text);
    else if (option === 'ro' || option === 'rw') readonly = option === 'ro';
    else if (option === 'exec' || option === 'noexec') exec = option === 'exec';
    else if (option === 'tmpcopyup' || option === 'notmpcopyup') copyUp = option === 'tmpcopyup';
    else if (option !== 'nosuid' && option !== 'nodev') throw refusedOption('tmpfs', text, option);
  }
  return { type: 'tmpfs', destination, readonly, size, mode, exec, copyUp };
}

function tmpfsMode(text: string, flag: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw bad('tmpfs', flag, `mode ${text} is not octal`);
  return Number.parseInt(text, 8);
}

function mountFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, quoted, plain] of text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    const field = quoted?.replaceAll('""', '"') ?? plain ?? '';
    if (field === '') continue;
    const equals = field.indexOf('=');
    const key = equals < 0 ? field : field.slice(0, equals);
    if (fields.has(key)) throw bad('mount', text, `${key} is given twice`);
    fields.set(key, equals < 0 ? 'true' : field.slice(equals + 1));
  }
  return fields;
}

function take(fields: Map<string, string>, names: readonly string[]): string | undefined {
  const name = names.find((each) => fields.has(each));
  if (name === undefined) return undefined;
  const value = fields.get(name);
  fields.delete(name);
  return value;
}

function takeFlag(fields: Map<string, string>, names: readonly string[], text: string): boolean | undefined {
  const value = take(fields, names);
  if (value === undefined) return undefined;
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw bad('mount', text, `${names[0]} is true or false, not ${value}`);
}

function checkPropagation(value: string | undefined, text: string): void {
  if (value !== undefined && value !== 'rprivate' && value !== 'private')
    throw refusedOption('mount', text, value);
}

function hostPath(source: string, cwd: string): string | undefined {
  if (source.startsWith('~/')) return posix.join(homedir(), source.slice(2));
  return source.startsWith('/') || source.startsWith('.') ? posix.resolve(cwd, source) : undefined;
}

function volumeName(text: string, kind: string, flag: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)) return text;
  throw new CoracleError('USAGE', `parse ${kind} "${flag}": "${text}" is no volume name`, {
    hint: 'a volume name begins with a letter or digit and has only those, _, . and -; a host path begins with / or ./',
  });
}

function target(path: string, kind: string, flag: string): string {
  if (!path.startsWith('/')) throw bad(kind, flag, `the destination "${path}" is not an absolute path`);
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw bad(kind, flag, 'the destination is the root of the container');
  return clean;
}

function bad(kind: string, text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `parse ${kind} "${text}": ${reason}`);
}

function refusedOption(kind: string, text: string, option: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `parse ${kind} "${text}": option "${option}" is not supported`);
}
