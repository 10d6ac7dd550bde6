/** What a store holds, read from its files alone: names, trees that must be whole, everything there is. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';

type Descriptor = { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> };

/** Name to digest, of each entry of index.json that has a name. */
export function tagsOf(root: string): ReadonlyMap<string, string> {
  const { manifests } = jsonOf<{ manifests: readonly Descriptor[] }>(join(root, 'index.json'));
  return new Map(
    manifests.flatMap(({ digest, annotations }) => {
      const name = annotations?.['org.opencontainers.image.ref.name'];
      return name === undefined ? [] : [[name, digest] as const];
    }),
  );
}

/** What the committed layers hold, each as a digest of its tree; times are left out. */
export function layerTrees(root: string): ReadonlyMap<string, string> {
  const snapshots = join(root, 'snapshots');
  return new Map(
    namesIn(snapshots)
      .filter((id) => existsSync(join(snapshots, id, 'record.json')))
      .map((id) => [id, treeDigest(join(snapshots, id, 'fs'))]),
  );
}

function treeDigest(top: string): string {
  const hash = createHash('sha256');
  for (const path of pathsBelow(top)) {
    const found = lstatSync(join(top, path));
    hash.update(`${path} ${found.mode} ${found.uid} ${found.gid} ${found.isFile() ? found.nlink : ''}\n`);
    if (found.isFile()) hash.update(readFileSync(join(top, path)));
    if (found.isSymbolicLink()) hash.update(readlinkSync(join(top, path)));
  }
  return hash.digest('hex');
}

/** Every path below a directory with its pages on the disk; what is random in names is left out, what only grows has no size. */
export function figureOf(directory: string): readonly string[] {
  return pathsBelow(directory).map((path) => {
    const found = lstatSync(join(directory, path));
    const pages = found.isFile() && !path.endsWith('/events') ? Math.ceil(found.size / 4096) : 0;
    return `${path.replace(/[0-9a-f]{64}|[a-z2-7]{26}|[0-9a-f]{12,32}/g, '*')} ${pages}`;
  });
}

/** Has every file that a writer left unfinished look as if its writer had had time enough. */
export function ageTemporaries(directory: string): void {
  for (const path of pathsBelow(directory)) {
    if (path.endsWith('.tmp')) utimesSync(join(directory, path), 0, 0);
  }
}

/** What the first list has more than the second. */
export function surplus(list: readonly string[], other: readonly string[]): readonly string[] {
  const left = new Map<string, number>();
  for (const line of other) left.set(line, (left.get(line) ?? 0) + 1);
  return list.filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
}

function pathsBelow(top: string): readonly string[] {
  const found = [...namesIn(top)].sort();
  return found.flatMap((name) => {
    const path = join(top, name);
    const below = lstatSync(path).isDirectory() ? pathsBelow(path).map((child) => `${name}/${child}`) : [];
    return [name, ...below];
  });
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function jsonOf<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
