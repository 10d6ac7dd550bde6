/** `-v`: `SOURCE:DESTINATION[:OPTIONS]`, `NAME:DESTINATION[:OPTIONS]`, `DESTINATION`. podman-run(1). */
import type { MountManners, SourceRequest } from './mount.js';
import {
  bad,
  checkAlternatives,
  type FlagText,
  hostPath,
  mannerOf,
  noIdMaps,
  refusedOption,
  target,
  volumeName,
} from './mount-text.js';

/**
 * A source that begins with `/`, `.` or `~/` is a host path, relative ones below `cwd`.
 * @throws USAGE or UNSUPPORTED naming the flag's text.
 */
export function parseVolumeFlag(text: string, cwd: string): SourceRequest {
  const what: FlagText = { flag: 'volume', text };
  const parts = text.split(':');
  const [first = '', second, options = ''] = parts;
  if (parts.length > 3) throw bad(what, 'too many colons');
  if (second === undefined) {
    return { type: 'volume', name: undefined, destination: target(first, what), readonly: false, copy: true };
  }
  const chosen = readOptions(options, what);
  const destination = target(second, what);
  const { readonly, manners } = chosen;
  const source = hostPath(first, cwd);
  if (source === undefined) {
    const name = volumeName(first, what);
    if (chosen.recursive !== undefined) throw bad(what, 'bind and rbind are for paths of this host');
    return {
      type: 'volume',
      name,
      destination,
      readonly,
      copy: chosen.copy ?? true,
      ...manners,
      ...(chosen.exec ? {} : { noexec: true }),
      ...(chosen.existing ? { existing: true } : {}),
    };
  }
  if (chosen.copy !== undefined) throw bad(what, 'copy and nocopy are for volumes');
  const { recursive = true, exec } = chosen;
  return { type: 'bind', source, destination, readonly, recursive, exec, ...manners };
}

type Chosen = {
  readonly: boolean;
  copy: boolean | undefined;
  recursive: boolean | undefined;
  exec: boolean;
  existing: boolean;
  manners: MountManners;
};

function readOptions(options: string, what: FlagText): Chosen {
  const words = options.split(',').filter((word) => word !== '');
  checkAlternatives(words, what);
  const chosen: Chosen = {
    readonly: words.includes('ro'),
    copy: words.includes('nocopy') ? false : words.includes('copy') ? true : undefined,
    recursive: words.includes('bind') ? false : words.includes('rbind') ? true : undefined,
    exec: !words.includes('noexec'),
    existing: words.includes('nocreate'),
    manners: overlayOf(words, what),
  };
  for (const word of words) {
    if (plainWords.includes(word) || /^(upperdir|workdir)=/.test(word)) continue;
    const manner = mannerOf(word);
    if (manner === undefined)
      throw refusedOption(what, word, word.startsWith('idmap') ? noIdMaps : undefined);
    chosen.manners = { ...chosen.manners, ...manner };
  }
  return chosen;
}

const plainWords = ['ro', 'rw', 'copy', 'nocopy', 'bind', 'rbind', 'exec', 'noexec', 'nocreate', 'O'];

/** `O[,upperdir=DIR,workdir=DIR]`. */
function overlayOf(words: readonly string[], what: FlagText): MountManners {
  const value = (name: string): string | undefined =>
    words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  const [upper, work] = [value('upperdir'), value('workdir')];
  if (!words.includes('O')) {
    if (upper !== undefined || work !== undefined) throw bad(what, 'upperdir and workdir are for O');
    return {};
  }
  if (words.includes('ro')) throw bad(what, 'ro and O exclude each other');
  if ((upper === undefined) !== (work === undefined)) throw bad(what, 'upperdir and workdir go together');
  if (upper === undefined || work === undefined) return { overlay: {} };
  const relative = [upper, work].find((path) => !path.startsWith('/'));
  if (relative !== undefined) throw bad(what, `"${relative}" is not an absolute path`);
  return { overlay: { upper, work } };
}
