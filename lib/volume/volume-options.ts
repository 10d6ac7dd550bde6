/**
 * What `volume create --opt` means. docker's and podman's local drivers take mount(8)'s words: `type`, `device` and `o`, a list
 * of options; podman also takes `size`, `inodes`, `uid`, `gid` and `nocopy` by themselves. Pure.
 */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import { parseSize } from '../sandbox/sizes.js';

/** What a container gets where it mounts a volume. */
export type VolumeBacking =
  /** The directory in the store. */
  | {
      readonly kind: 'directory';
      readonly uid?: number;
      readonly gid?: number;
      readonly mode?: number;
      /** Bytes and inodes that it may take; the file system's project quotas see to it. */
      readonly size?: number;
      readonly inodes?: number;
      /** Not filled from the image. */
      readonly nocopy?: true;
    }
  /** A directory of this host, which stays when the volume goes. */
  | {
      readonly kind: 'bind';
      readonly device: string;
      readonly recursive: boolean;
      readonly readonly?: true;
      readonly noexec?: true;
      readonly nocopy?: true;
    }
  /** Memory: it begins empty with its container and goes with it. */
  | {
      readonly kind: 'tmpfs';
      readonly size?: number;
      readonly inodes?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly mode?: number;
      readonly readonly?: true;
      readonly noexec?: true;
      readonly nocopy?: true;
    };

type Words = ReadonlyMap<string, string>;

const ownKeys = ['size', 'inodes', 'uid', 'gid', 'mode', 'nocopy', 'copy'];
/** Already so, or without a meaning for a directory. */
const ignored = ['nosuid', 'nodev', 'rw', 'exec', 'defaults', 'noquota', 'copy', 'noatime', 'relatime'];

/** @throws USAGE for what cannot be, UNSUPPORTED for what only the administrator can mount. */
export function parseVolumeOptions(options: Readonly<Record<string, string>> = {}): VolumeBacking {
  const words = readWords(options);
  const type = options.type ?? '';
  const device = options.device ?? '';
  if (type === 'tmpfs') return tmpfsBacking(words);
  const bound = words.has('bind') || words.has('rbind');
  if ((type === '' || type === 'none' || type === 'bind') && (bound || device !== '')) {
    return bindBacking(device, words);
  }
  if (type !== '' && type !== 'none') {
    throw new CoracleError(
      'UNSUPPORTED',
      `create volume: a file system of type ${type} is not for us to mount`,
      {
        hint: 'types: tmpfs, none (with o=bind); have the host mount others, and give the directory as device',
      },
    );
  }
  return directoryBacking(words);
}

function readWords(options: Readonly<Record<string, string>>): Words {
  const words = new Map<string, string>();
  for (const [name, value] of Object.entries(options)) {
    if (name === 'type' || name === 'device') continue;
    if (name === 'o') for (const [key, text] of optionList(value)) words.set(key, text);
    else if (ownKeys.includes(name.toLowerCase())) words.set(name.toLowerCase(), value);
    else throw unknown(name);
  }
  return words;
}

function optionList(text: string): readonly (readonly [string, string])[] {
  return text
    .split(',')
    .filter((word) => word !== '')
    .map((word) => {
      const equals = word.indexOf('=');
      return equals < 0 ? [word, ''] : [word.slice(0, equals).toLowerCase(), word.slice(equals + 1)];
    });
}

function directoryBacking(words: Words): VolumeBacking {
  check(words, ['size', 'inodes', 'nr_inodes', 'uid', 'gid', 'mode', 'nocopy']);
  return { kind: 'directory', ...owner(words), ...room(words), ...flag('nocopy', words) };
}

function bindBacking(device: string, words: Words): VolumeBacking {
  check(words, ['bind', 'rbind', 'ro', 'noexec', 'nocopy', 'z', 'Z', 'private', 'rprivate']);
  if (!posix.isAbsolute(device)) {
    throw new CoracleError('USAGE', `create volume: device "${device}" is no absolute path`, {
      hint: '--opt type=none --opt o=bind --opt device=/a/directory',
    });
  }
  return {
    kind: 'bind',
    device: posix.normalize(device),
    recursive: !words.has('bind'),
    ...(words.has('ro') ? { readonly: true } : {}),
    ...flag('noexec', words),
    ...flag('nocopy', words),
  };
}

function tmpfsBacking(words: Words): VolumeBacking {
  check(words, ['size', 'inodes', 'nr_inodes', 'uid', 'gid', 'mode', 'ro', 'noexec', 'nocopy']);
  return {
    kind: 'tmpfs',
    ...owner(words),
    ...room(words),
    ...(words.has('ro') ? { readonly: true } : {}),
    ...flag('noexec', words),
    ...flag('nocopy', words),
  };
}

function owner(words: Words): { readonly uid?: number; readonly gid?: number; readonly mode?: number } {
  return {
    ...present('uid', number('uid', words)),
    ...present('gid', number('gid', words)),
    ...present('mode', mode(words)),
  };
}

function room(words: Words): { readonly size?: number; readonly inodes?: number } {
  const size = words.get('size');
  return {
    ...present('size', size === undefined ? undefined : parseSize(size, 'size of a volume')),
    ...present('inodes', number('inodes', words) ?? number('nr_inodes', words)),
  };
}

function flag<K extends 'noexec' | 'nocopy'>(name: K, words: Words): { readonly [P in K]?: true } {
  return present(name, words.has(name) ? true : undefined);
}

function number(name: string, words: Words): number | undefined {
  const text = words.get(name);
  if (text === undefined || /^\d{1,10}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new CoracleError('USAGE', `create volume: ${name}=${text} is no number`);
}

function mode(words: Words): number | undefined {
  const text = words.get('mode');
  if (text === undefined) return undefined;
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new CoracleError('USAGE', `create volume: mode=${text} is not octal`);
}

function check(words: Words, known: readonly string[]): void {
  const strange = [...words.keys()].find((name) => !known.includes(name) && !ignored.includes(name));
  if (strange !== undefined) throw unknown(strange);
}

function unknown(name: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `create volume: option "${name}" is not supported`, {
    hint: 'type, device, o; of a plain volume size, inodes, uid, gid, mode, nocopy',
  });
}
