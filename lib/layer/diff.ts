/**
 * A layer's directory as a changeset: the same directory always gives the same bytes, in the header layout and
 * with the conventions of Docker's layers (whole seconds, numeric owners, whiteouts by name).
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#representing-changes
 */
import { createHash } from 'node:crypto';
import type { Agent } from '../native/agent.js';
import type { Entry } from '../native/agent-entry.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { type LayerPath, opaqueName, whiteoutOf } from './layer-path.js';
import { TarStream } from './tar-stream.js';

export type DiffSource = {
  readonly agent: Agent;
  /** The layer's own directory alone. */
  readonly layer: number;
  /** The stack of layers below it; undefined for the lowest layer. */
  readonly lower: number | undefined;
};

export type DiffOptions = {
  /** Times later than this, in seconds, become this (SOURCE_DATE_EPOCH). */
  readonly clampMtime?: number;
  /** Keep nanoseconds, which layers leave out: for copies of files that are compared, or used, afterwards. */
  readonly preciseTimes?: boolean;
  /** Told what a changeset cannot hold: sockets, names reserved for whiteouts. */
  readonly onWarning?: (text: string) => void;
};

/** The changeset. Throws IO when a file changes while it is read. */
export async function* diffTar(source: DiffSource, options: DiffOptions = {}): AsyncGenerator<Buffer, void> {
  const hidden = await hiddenNames(source);
  const stream = new TarStream(options);
  for await (const item of source.agent.walk(source.layer, '.', { raw: true, contents: true })) {
    if (item.kind === 'data') {
      yield* stream.data(item.bytes);
      continue;
    }
    const { entry } = item;
    if (entry.type === 'whiteout') {
      if (hidden.has(keyOf(entry.path))) yield* stream.marker(whiteoutOf(entry.path));
      continue;
    }
    yield* stream.entry(entry);
    if (entry.opaque && hidden.has(keyOf(entry.path))) yield* stream.marker(opaqueMarker(entry.path));
  }
  yield* stream.end();
}

/** A merged view as a plain tar of a root file system: no whiteouts, hard links kept, like `docker export`. */
export async function* flattenTar(
  source: { readonly agent: Agent; readonly handle: number },
  options: DiffOptions = {},
): AsyncGenerator<Buffer, void> {
  const stream = new TarStream(options);
  for await (const item of source.agent.walk(source.handle, '.', { contents: true })) {
    if (item.kind === 'data') yield* stream.data(item.bytes);
    else yield* stream.entry(item.entry);
  }
  yield* stream.end();
}

/** Diff ID and size of the changeset, without keeping it. */
export async function measureLayer(
  source: DiffSource,
  options: DiffOptions = {},
): Promise<{ readonly diffId: DiffId; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of diffTar(source, options)) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { diffId: parseDiffId(`sha256:${hash.digest('hex')}`, 'diffID'), size };
}

/**
 * Whiteouts and opaque directories that hide something: of names no lower layer has, a marker would be noise.
 * A first walk finds them, because the agent answers one request at a time and the second walk streams contents.
 */
async function hiddenNames(source: DiffSource): Promise<ReadonlySet<string>> {
  const hidden = new Set<string>();
  if (source.lower === undefined) return hidden;
  const marked: Entry[] = [];
  let hider: string | undefined;
  for await (const item of source.agent.walk(source.layer, '.', { raw: true })) {
    if (item.kind !== 'entry' || (item.entry.type !== 'whiteout' && !item.entry.opaque)) continue;
    // An opaque directory has hidden all below it; fuse-overlayfs marks its children again.
    if (hider !== undefined && keyOf(item.entry.path).startsWith(hider)) continue;
    if (item.entry.opaque) hider = `${keyOf(item.entry.path)}/`;
    marked.push(item.entry);
  }
  const { agent, lower } = source;
  const found = await Promise.all(marked.map((entry) => agent.stat(lower, entry.path)));
  for (const [index, entry] of marked.entries()) {
    const below = found[index];
    if (below !== undefined && (entry.type === 'whiteout' || below.type === 'directory'))
      hidden.add(keyOf(entry.path));
  }
  return hidden;
}

function opaqueMarker(directory: LayerPath): LayerPath {
  return directory.length === 0 ? opaqueName : Buffer.concat([directory, Buffer.from('/'), opaqueName]);
}

function keyOf(path: LayerPath): string {
  return path.toString('latin1');
}
