/**
 * A layer's directory as a changeset: the same directory always gives the same bytes, in the header layout and
 * with the conventions of Docker's layers (whole seconds, numeric owners, whiteouts by name).
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#representing-changes
 */
import { createHash } from 'node:crypto';
import { giveBack } from '../host/lent.js';
import type { Agent } from '../native/agent.js';
import type { Entry } from '../native/agent-entry.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import type { BlockRing } from './block-ring.js';
import { type ArchiveItem, BlockWriter } from './block-writer.js';
import { type LayerPath, opaqueName, whiteoutOf } from './layer-path.js';
import { encodeMarker, TarHeaders } from './tar-headers.js';
import { TarStream } from './tar-stream.js';
import { encodeHeader, encodeTrailer } from './tar-writer.js';

export type DiffSource = {
  readonly agent: Agent;
  /** The layer's own directory alone. */
  readonly layer: number;
  /** The stack of layers below it; undefined for the lowest layer. */
  readonly lower: number | undefined;
  /** Memory shared with the agent, by which contents come faster. */
  readonly ring?: BlockRing | undefined;
};

export type DiffOptions = {
  /** Times later than this, in seconds, become this (SOURCE_DATE_EPOCH). */
  readonly clampMtime?: number;
  /** Keep nanoseconds, which layers leave out: for copies of files that are compared, or used, afterwards. */
  readonly preciseTimes?: boolean;
  /** Pieces may be lent: who takes them gives each back. */
  readonly lend?: boolean;
  /** Told what a changeset cannot hold: sockets, names reserved for whiteouts. */
  readonly onWarning?: (text: string) => void;
};

/** The changeset. Throws IO when a file changes while it is read. */
export async function* diffTar(source: DiffSource, options: DiffOptions = {}): AsyncGenerator<Buffer, void> {
  const hidden = await hiddenNames(source);
  const { ring } = source;
  if (ring !== undefined) return yield* diffBlocks({ ...source, ring }, hidden, options);
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

/** The same in blocks that the agent fills. */
async function* diffBlocks(
  { agent, layer, ring }: DiffSource & { readonly ring: BlockRing },
  hidden: ReadonlySet<string>,
  options: DiffOptions,
): AsyncGenerator<Buffer, void> {
  const headers = new TarHeaders(options);
  const archive = new BlockWriter({ agent, handle: layer, ring }, { lend: options.lend === true });
  try {
    for await (const entries of walkInParts(agent, layer)) {
      for (const item of itemsOf(entries, headers, hidden)) if (!archive.add(item)) yield* archive.span(item);
    }
    yield* archive.span({ bytes: encodeTrailer(), size: 0 });
    yield* archive.end();
  } finally {
    await archive.abandon();
  }
}

function* itemsOf(
  entries: readonly Entry[],
  headers: TarHeaders,
  hidden: ReadonlySet<string>,
): Generator<ArchiveItem, void> {
  for (const entry of entries) {
    const { type, path, opaque } = entry;
    if (type === 'whiteout') {
      if (hidden.has(keyOf(path))) yield { bytes: encodeMarker(whiteoutOf(path)), size: 0 };
      continue;
    }
    const header = headers.of(entry);
    if (header !== undefined) yield { bytes: encodeHeader(header), path, size: header.size };
    if (opaque && hidden.has(keyOf(path))) yield { bytes: encodeMarker(opaqueMarker(path)), size: 0 };
  }
}

/** Few at first, so that contents are soon on their way; then as many as cost little memory. */
const partSizes = { first: 256, next: 2048 } as const;

/** All entries of a layer's directory; the next part is on its way while one is used. */
async function* walkInParts(agent: Agent, layer: number): AsyncGenerator<readonly Entry[], void> {
  const ask = (most: number, after?: Buffer): Promise<readonly Entry[]> => {
    const part = agent.walkPart(layer, '.', { raw: true, most, after });
    // told when its turn comes, if it comes
    part.catch(() => undefined);
    return part;
  };
  let most: number = partSizes.first;
  for (let part = ask(most); ; ) {
    const entries = await part;
    const last = entries.length < most ? undefined : entries.at(-1);
    if (last !== undefined) {
      most = partSizes.next;
      part = ask(most, last.path);
    }
    yield entries;
    if (last === undefined) return;
  }
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
  for await (const chunk of diffTar(source, { ...options, lend: true })) {
    hash.update(chunk);
    size += chunk.length;
    giveBack(chunk);
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
