/** What a layer's directory changes of the layers below it, as lists of `diff` tell it. */
import type { Agent } from '../native/agent.js';

/** A changed path, absolute. */
export type Change = { readonly kind: 'added' | 'changed' | 'deleted'; readonly path: string };

/** A layer and the stack below it; undefined for the lowest layer. */
export type LayerAndLower = {
  readonly agent: Agent;
  readonly layer: number;
  readonly lower: number | undefined;
};

/** The changes, in the order of their paths; a directory counts when something in it changed. */
export async function layerChanges({ agent, layer, lower }: LayerAndLower): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for await (const event of agent.walk(layer, '.', { raw: true })) {
    if (event.kind !== 'entry' || event.entry.path.length === 0) continue;
    const { path, type } = event.entry;
    const below = lower === undefined ? undefined : await agent.stat(lower, path);
    if (type === 'whiteout' && below === undefined) continue;
    const kind = type === 'whiteout' ? 'deleted' : below === undefined ? 'added' : 'changed';
    changes.push({ kind, path: `/${path.toString()}` });
  }
  return changes;
}
