/** Layers in a temporary directory, reached through a real file agent. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { detectIdMap, type IdMap, type IdMapMethod } from '../../lib/host/id-map.js';
import { giveBack } from '../../lib/host/lent.js';
import { type AppliedLayer, applyBytes } from '../../lib/layer/apply.js';
import { archiveBlock, BlockRing } from '../../lib/layer/block-ring.js';
import { type DiffOptions, type DiffSource, diffTar, flattenTar } from '../../lib/layer/diff.js';
import { expandedBytes } from '../../lib/layer/layer-bytes.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { type Agent, openAgent } from '../../lib/native/agent.js';
import { present } from '../../lib/oci/guards.js';
import { type Missing, missingUserNamespaces, repositoryRoot, temporaryDirectory } from '../helpers/host.js';
import { chunked, collect, type Seen, type Sketch, seenEntries, tarOf } from './tar-builder.js';

/** What tests with a file agent lack here. */
export function missingAgent(): Missing {
  const directory = process.env.CORACLE_NATIVE_DIR ?? join(repositoryRoot(), 'dist/native');
  return existsSync(join(directory, 'coracle-sv')) ? missingUserNamespaces() : 'the native part is not built';
}

/** Fewer than may be on their way at a time, so that they run out. */
const ringBlocks = 3;

/** A stack of layers that grows. */
export class TestLayers {
  readonly directory: string;
  readonly agent: Agent;
  readonly idMap: IdMap;
  /** Single-directory handles, topmost first. */
  readonly #handles: number[] = [];
  readonly #ring: BlockRing;

  constructor(t: ExecutionContext<unknown>, forced?: IdMapMethod) {
    this.directory = temporaryDirectory(t);
    this.idMap = detectIdMap({ env: process.env, ...(forced === undefined ? {} : { forced }) });
    const roots = [{ path: this.directory, writable: true }];
    this.agent = openAgent({ idMap: this.idMap, roots, memory: ringBlocks * archiveBlock });
    this.#ring = new BlockRing(this.agent.memory ?? Buffer.alloc(0));
    t.teardown(() => this.agent.close());
  }

  /** The host's path of a layer's directory, 0 the lowest. */
  pathOf(layer: number): string {
    return join(this.directory, String(layer));
  }

  /** An empty layer on top; what is in it is the test's business. */
  async push(): Promise<number> {
    const name = String(this.#handles.length);
    mkdirSync(join(this.directory, name));
    this.#handles.unshift(await this.agent.open(0, name, { writable: true }));
    return this.agent.stack(this.#handles, { writable: true });
  }

  /** Applies an archive as a new layer on top, by memory shared with the agent; in pieces of so many bytes, if that is said. */
  async apply(tar: Buffer, chunkSize?: number): Promise<AppliedLayer> {
    const { agent, idMap } = this;
    const handle = await this.push();
    const memory = chunkSize === undefined ? agent.memory : agent.memory?.subarray(0, ringBlocks * chunkSize);
    const how = { compression: 'none', memory, ...present('block', chunkSize) } as const;
    return applyBytes(expandedBytes(chunked(tar, chunkSize), how), { agent, handle, idMap });
  }

  applyEntries(...sketches: readonly Sketch[]): Promise<AppliedLayer> {
    return this.apply(tarOf(...sketches));
  }

  /** The uppermost layer over what is below it. */
  async top(): Promise<DiffSource> {
    const [layer = 0, ...below] = this.#handles;
    return {
      agent: this.agent,
      layer,
      lower: below.length === 0 ? undefined : await this.agent.stack(below),
    };
  }

  /** The changeset; the same, or the same error, by a stream, in blocks, and in blocks that are lent. */
  async diff(options: DiffOptions = {}): Promise<Buffer> {
    const source = await this.top();
    const { onWarning: _onWarning, ...quiet } = options;
    const plain = await collect(diffTar(source, options));
    const inBlocks = await collect(diffTar({ ...source, ring: this.#ring }, quiet));
    const lent: Buffer[] = [];
    for await (const piece of diffTar({ ...source, ring: this.#ring }, { ...quiet, lend: true })) {
      lent.push(Buffer.from(piece));
      giveBack(piece);
    }
    if (!plain.equals(inBlocks) || !plain.equals(Buffer.concat(lent)))
      throw new Error('the changeset in blocks is not that of the stream');
    return plain;
  }

  /** The uppermost layer with memory to make its changeset in. */
  async topInBlocks(): Promise<DiffSource & { readonly ring: BlockRing }> {
    return { ...(await this.top()), ring: this.#ring };
  }

  async diffEntries(): Promise<Seen[]> {
    return seenEntries(readTar(chunked(await this.diff())));
  }

  /** Everything a container would see. */
  async merged(): Promise<Seen[]> {
    const handle = await this.agent.stack(this.#handles);
    return seenEntries(readTar(flattenTar({ agent: this.agent, handle })));
  }

  async mergedPaths(): Promise<unknown[]> {
    return (await this.merged()).map((entry) => entry.path);
  }
}
