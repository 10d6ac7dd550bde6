/**
 * How much lies in directories of the store, counted by the file agent, which may read what other ids own. Others may
 * remove what is counted: what is gone counts nothing.
 */
import { unlessMissing } from '../native/agent-writes.js';
import { inStore, openInStore, type Stores } from './stores.js';

/** Bytes of the files below a directory of the store, whoever owns them; a file with several names counts once. */
export function treeBytes(stores: Pick<Stores, 'openAgent' | 'paths'>, path: string): Promise<number> {
  return unlessMissing(0, () => countFiles(stores, path));
}

async function countFiles(stores: Pick<Stores, 'openAgent' | 'paths'>, path: string): Promise<number> {
  const agent = await stores.openAgent();
  const handle = await openInStore(agent, stores.paths, path);
  const counted = new Set<string>();
  let bytes = 0;
  try {
    for await (const event of agent.walk(handle, '.', { raw: true })) {
      if (event.kind !== 'entry') continue;
      const { type, size, dev, ino, nlink } = event.entry;
      const key = `${dev}:${ino}`;
      if (type !== 'file' || counted.has(key)) continue;
      if (nlink > 1) counted.add(key);
      bytes += size;
    }
  } finally {
    await agent.release(handle);
  }
  return bytes;
}

/** Bytes that a directory of the store takes on the disk, itself included, as du(1) counts them. */
export async function diskBytes(stores: Pick<Stores, 'openAgent' | 'paths'>, path: string): Promise<number> {
  const agent = await stores.openAgent();
  return unlessMissing(0, async () => (await agent.usage(...inStore(agent, stores.paths, path))).bytes);
}
