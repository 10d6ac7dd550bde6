/** What this host has mounted where, as proc(5) tells it. */
import { readFileSync, realpathSync } from 'node:fs';
import { ioError } from '../errors.js';

export type HostMount = {
  readonly directory: string;
  /** Of the file system, `ext4`. */
  readonly type: string;
  /** Of the file system, not of the mount. */
  readonly superOptions: readonly string[];
  /** Nothing can be executed from there. */
  readonly noexec: boolean;
  /** Mounts made here are seen by others. */
  readonly shared: boolean;
  /** Mounts made by others are seen here. */
  readonly slave: boolean;
};

/** The mount that a path lies on. @throws IO for a path that does not exist. */
export function mountOf(path: string, table = readTable()): HostMount | undefined {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  }
  const covers = ({ directory }: HostMount): boolean =>
    directory === '/' || real === directory || real.startsWith(`${directory}/`);
  // Of two at one place the later one lies on top.
  return parseMountTable(table)
    .filter(covers)
    .reduce<HostMount | undefined>(
      (best, mount) => (best === undefined || mount.directory.length >= best.directory.length ? mount : best),
      undefined,
    );
}

/** The lines of mountinfo; what is none is passed over. */
export function parseMountTable(table: string): readonly HostMount[] {
  return table.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const separator = fields.indexOf('-', 6);
    const directory = fields[4];
    if (separator < 0 || directory === undefined) return [];
    const tags = fields.slice(6, separator);
    return [
      {
        directory: unescaped(directory),
        type: fields[separator + 1] ?? '',
        superOptions: (fields[separator + 3] ?? '').split(','),
        noexec: (fields[5] ?? '').split(',').includes('noexec'),
        shared: tags.some((tag) => tag.startsWith('shared:')),
        slave: tags.some((tag) => tag.startsWith('master:')),
      },
    ];
  });
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function readTable(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    throw ioError('read /proc/self/mountinfo', error);
  }
}
