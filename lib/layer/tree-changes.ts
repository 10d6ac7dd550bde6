/** What differs between two trees, told from the attributes of their files, as podman tells it. */
import type { Agent } from '../native/agent.js';
import type { Entry } from '../native/agent-entry.js';
import type { Change } from './layer-changes.js';

/** What is compared of a file; two names of one file of the disk are equal without a look. */
export type TreeEntry = Omit<Entry, 'opaque' | 'ctime' | 'nlink'>;

/** What `tree` has that `base` has not, in the order of their paths. */
export async function treeChanges(agent: Agent, base: number, tree: number): Promise<readonly Change[]> {
  return compareEntries(await entriesOf(agent, base), await entriesOf(agent, tree));
}

async function entriesOf(agent: Agent, handle: number): Promise<ReadonlyMap<string, TreeEntry>> {
  const entries = new Map<string, TreeEntry>();
  for await (const event of agent.walk(handle, '.')) {
    if (event.kind !== 'entry' || event.entry.path.length === 0) continue;
    // Names are bytes; this keeps each apart.
    entries.set(event.entry.path.toString('latin1'), event.entry);
  }
  return entries;
}

/** Compares trees by path. A directory counts when something in it changed, too. Pure. */
export function compareEntries(
  base: ReadonlyMap<string, TreeEntry>,
  tree: ReadonlyMap<string, TreeEntry>,
): readonly Change[] {
  const kinds = new Map<string, Change['kind']>();
  for (const [path, entry] of tree) {
    const before = base.get(path);
    if (before === undefined) kinds.set(path, 'added');
    else if (!isSame(before, entry)) kinds.set(path, 'changed');
  }
  for (const path of base.keys()) {
    // What a directory that is gone held is gone with it.
    if (!tree.has(path) && tree.has(parentOf(path))) kinds.set(path, 'deleted');
    else if (!tree.has(path) && parentOf(path) === '') kinds.set(path, 'deleted');
  }
  for (const path of [...kinds.keys()]) {
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      if (!kinds.has(parent) && tree.has(parent)) kinds.set(parent, 'changed');
    }
  }
  return [...kinds]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, kind]) => ({ kind, path: `/${Buffer.from(path, 'latin1').toString()}` }));
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function isSame(one: TreeEntry, other: TreeEntry): boolean {
  if (one.dev === other.dev && one.ino === other.ino && one.ino !== 0) return true;
  const attributes = ['type', 'mode', 'uid', 'gid', 'major', 'minor'] as const;
  if (attributes.some((name) => one[name] !== other[name])) return false;
  // A directory's time changes with what is in it, which is told of already.
  if (one.type === 'directory') return hasSameXattrs(one, other);
  return (
    one.size === other.size &&
    one.mtime.seconds === other.mtime.seconds &&
    one.target.equals(other.target) &&
    hasSameXattrs(one, other)
  );
}

function hasSameXattrs({ xattrs: one }: TreeEntry, { xattrs: other }: TreeEntry): boolean {
  return (
    one.size === other.size && [...one].every(([name, value]) => other.get(name)?.equals(value) === true)
  );
}
