/** `--hosts-file image`: the lines that the image has in its own /etc/hosts. */
import { CoracleError } from '../errors.js';
import { openInStore } from '../image/stores.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { RunOptions } from './run-options.js';
import type { ContainerStores } from './stores.js';

/** What is larger is no file of lines (S11). */
const limit = 1 << 20;

type ImageStores = Pick<ContainerStores, 'openAgent' | 'paths' | 'snapshots'>;

/** What the options become: the container keeps the lines, whatever becomes of the image. @throws USAGE for a pod */
export async function readHosts(
  stores: ImageStores,
  { pod }: RunOptions,
  top: SnapshotRecord | undefined,
): Promise<Pick<RunOptions, 'hostsFile' | 'hostsText'>> {
  if (pod?.kind === 'holder')
    throw new CoracleError('USAGE', 'use --hosts-file image: a pod has no image', {
      hint: 'name a file of this host, or none',
    });
  return { hostsFile: undefined, hostsText: await readText(stores, top, 'etc/hosts') };
}

/** The text of a regular file, wherever links of the image lead to it; empty where it has none. */
async function readText(stores: ImageStores, top: SnapshotRecord | undefined, path: string): Promise<string> {
  if (top === undefined) return '';
  const agent = await stores.openAgent();
  const places = stores.snapshots.layerPaths(top);
  const layers = await Promise.all(places.map((layer) => openInStore(agent, stores.paths, layer)));
  const stack = await agent.stack(layers);
  try {
    const entry = await agent.stat(stack, path, { follow: true });
    if (entry?.type !== 'file' || entry.size > limit) return '';
    return (await agent.read(stack, path, 0, limit)).toString();
  } finally {
    for (const handle of [stack, ...layers]) await agent.release(handle);
  }
}
