/** `--tmpfs DESTINATION[:OPTIONS]`: noexec, filled from the image, with the mode it has there, unless told otherwise. */
import { totalmem } from 'node:os';
import type { MountRequest } from './mount.js';
import { bad, checkAlternatives, count, type FlagText, octal, refusedOption, target } from './mount-text.js';
import { parseSize } from './sizes.js';

/** @throws USAGE or UNSUPPORTED naming the flag's text. */
export function parseTmpfsFlag(text: string): MountRequest {
  const what: FlagText = { flag: 'tmpfs', text };
  const colon = text.indexOf(':');
  const destination = target(colon < 0 ? text : text.slice(0, colon), what);
  const words = colon < 0 ? [] : text.slice(colon + 1).split(',');
  checkAlternatives(words, what);
  const values: TmpfsValues = {};
  for (const word of words.filter((each) => each !== '')) {
    const equals = word.indexOf('=');
    if (equals > 0) setValue(values, word.slice(0, equals), word.slice(equals + 1), what);
    else if (!known.includes(word)) throw refusedOption(what, word);
  }
  return tmpfsRequest(destination, values, {
    readonly: words.includes('ro'),
    exec: words.includes('exec'),
    copyUp: !words.includes('notmpcopyup'),
    suid: words.includes('suid'),
    dev: words.includes('dev'),
    noatime: words.includes('noatime'),
    chown: words.includes('U'),
    ram: false,
  });
}

const known = [
  ...['ro', 'rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev'],
  ...['tmpcopyup', 'notmpcopyup', 'noatime', 'relatime', 'U', 'private', 'rprivate'],
];

/** What stands behind an equals sign. */
export type TmpfsValues = {
  size?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  inodes?: number;
};

/** @throws USAGE, UNSUPPORTED */
export function setValue(values: TmpfsValues, name: string, text: string, what: FlagText): void {
  switch (name) {
    case 'size':
      values.size = tmpfsSize(text, what);
      break;
    case 'mode':
      values.mode = octal(text, what);
      break;
    case 'uid':
      values.uid = count(name, text, what);
      break;
    case 'gid':
      values.gid = count(name, text, what);
      break;
    case 'nr_inodes':
      values.inodes = parseSize(text, 'number of inodes');
      break;
    default:
      throw refusedOption(what, name);
  }
}

/** As the kernel reads it: bytes, or a share of the memory. */
function tmpfsSize(text: string, what: FlagText): number {
  const share = /^(\d+)%$/.exec(text)?.[1];
  if (share === undefined) return parseSize(text, 'tmpfs size');
  if (Number(share) < 1 || Number(share) > 100) throw bad(what, `${text} is no share of the memory`);
  return Math.floor((totalmem() * Number(share)) / 100);
}

type Switches = {
  readonly readonly: boolean;
  readonly exec: boolean;
  readonly copyUp: boolean;
  readonly suid: boolean;
  readonly dev: boolean;
  readonly noatime: boolean;
  readonly chown: boolean;
  readonly ram: boolean;
};

/** The request of values and switches; what is off or not given is left out. */
export function tmpfsRequest(
  destination: string,
  { size, mode, ...values }: TmpfsValues,
  { readonly, exec, copyUp, ...switches }: Switches,
): MountRequest {
  const on = Object.entries(switches).filter(([, value]) => value);
  return {
    type: 'tmpfs',
    destination,
    readonly,
    size,
    mode,
    exec,
    copyUp,
    ...values,
    ...Object.fromEntries(on),
  };
}
