/**
 * Copies an image, or an index with its images, from one place to another. Blobs go as they are and manifests keep their
 * bytes, and so their digests, unless layers have to be compressed or another format is asked for.
 */

import { hasToc, withAnnotations } from '../chunked/open-layout.js';
import { CoracleError } from '../errors.js';
import { layerType, reformManifest } from '../image/reform.js';
import { decompress } from '../layer/compression.js';
import type { Descriptor } from '../oci/descriptor.js';
import { present } from '../oci/guards.js';
import { type ImageIndex, type ImageManifest, serializeManifest } from '../oci/manifest.js';
import {
  dockerTypes,
  isForeignLayer,
  isImageConfig,
  isLayer,
  layerCompression,
  ociTypes,
} from '../oci/media-types.js';
import { formatPlatform, hostPlatform, selectPlatform } from '../oci/platform.js';
import type { BlobDescriptor } from '../registry/blobs.js';
import { approve, approveIndex } from './approve.js';
import { CarriedSignatures } from './carried-signatures.js';
import {
  type CompressedLayer,
  encodeLayer,
  type LayerEncoding,
  requireEncoding,
} from './compressed-layers.js';
import type { CopyOptions } from './copy-options.js';
import { layerEventId } from './events.js';
import { runParallel } from './parallel.js';
import {
  type BlobPlace,
  type ImageSource,
  type ImageTarget,
  imageManifest,
  measured,
  type PlacedManifest,
  placedManifest,
  verifiedBytes,
} from './place.js';

export type { CompressionMemory, CopyOptions } from './copy-options.js';

/** An index may hold an index, but not more than one deeper (native.md S22). */
const indexDepth = 2;
/** Blobs on their way at a time. */
const transfers = 4;

/** Copies, and resolves with what the target's name points at then. Closes neither. @throws NOT_FOUND, INTEGRITY, UNSUPPORTED */
export async function copyImage(
  source: ImageSource,
  target: ImageTarget,
  options: CopyOptions,
): Promise<Descriptor> {
  requireEncoding(options.encoding?.kind ?? 'gzip', options.encoding?.level);
  const root = await source.root();
  const signatures = new CarriedSignatures(source, target, options);
  const document = await new Copy(source, target, options, signatures).copy(root);
  await target.putRoot(document);
  await signatures.put(document.descriptor.digest);
  return document.descriptor;
}

class Copy {
  readonly #source: ImageSource;
  readonly #target: ImageTarget;
  readonly #options: CopyOptions;
  readonly #signatures: CarriedSignatures;

  constructor(source: ImageSource, target: ImageTarget, options: CopyOptions, signatures: CarriedSignatures) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#signatures = signatures;
  }

  async copy(root: PlacedManifest): Promise<PlacedManifest> {
    const { multiArch = 'system' } = this.#options;
    if (root.manifest.kind === 'manifest') return this.#approved(root, root);
    if (multiArch === 'system') return this.#approved(await this.#choose(root), root);
    if (!this.#target.takesIndex) {
      throw new CoracleError(
        'UNSUPPORTED',
        `copy to ${this.#target.name}: it takes one image, not an index`,
        {
          hint: 'copy one image of it: --platform says which',
        },
      );
    }
    await approveIndex(this.#source, root, indexDepth);
    if (multiArch !== 'index-only') return this.#index(root, root.manifest, indexDepth);
    await this.#signatures.find(root.descriptor.digest);
    return root;
  }

  async #approved(document: PlacedManifest, root: PlacedManifest): Promise<PlacedManifest> {
    await approve(this.#source, [document, root]);
    return this.#image(document);
  }

  async #choose(root: PlacedManifest): Promise<PlacedManifest> {
    const platform = this.#options.platform ?? hostPlatform();
    let document = root;
    for (let depth = 0; document.manifest.kind === 'index'; depth++) {
      if (depth > indexDepth) throw this.#tooDeep(document);
      const { manifests } = document.manifest;
      const chosen = selectPlatform(manifests, platform);
      if (chosen === undefined) {
        const offered = manifests.flatMap((entry) => (entry.platform ? formatPlatform(entry.platform) : []));
        throw new CoracleError(
          'NOT_FOUND',
          `copy ${this.#source.name}: nothing for ${formatPlatform(platform)}`,
          {
            hint: `there is: ${[...new Set(offered)].join(', ') || 'nothing'}; --platform chooses, --all copies everything`,
          },
        );
      }
      document = await this.#source.child(chosen);
    }
    return document;
  }

  #tooDeep({ descriptor }: PlacedManifest): CoracleError {
    return new CoracleError('INVALID', `copy index ${descriptor.digest}: indexes are nested too deeply`);
  }

  async #index(document: PlacedManifest, index: ImageIndex, depth: number): Promise<PlacedManifest> {
    if (depth === 0) throw this.#tooDeep(document);
    const manifests: Descriptor[] = [];
    await this.#signatures.find(document.descriptor.digest);
    for (const entry of index.manifests) {
      const child = await this.#source.child(entry);
      const { manifest } = child;
      const copied =
        manifest.kind === 'index' ? await this.#index(child, manifest, depth - 1) : await this.#image(child);
      await this.#target.putChild(copied);
      await this.#signatures.put(copied.descriptor.digest);
      manifests.push({ ...entry, ...copied.descriptor });
    }
    const { format } = this.#options;
    const types = { oci: ociTypes.index, v2s2: dockerTypes.list };
    const mediaType = format === undefined ? index.mediaType : types[format];
    return this.#rewritten(document, { ...index, mediaType, manifests });
  }

  async #image(document: PlacedManifest): Promise<PlacedManifest> {
    const manifest = imageManifest(document);
    await this.#signatures.find(document.descriptor.digest);
    const layers = [...manifest.layers];
    const tasks = layers.map((_layer, at) => async (signal: AbortSignal): Promise<void> => {
      layers[at] = await this.#layer(document, at, signal);
    });
    const { signal } = this.#options;
    await runParallel(tasks, { limit: transfers, signal });
    await this.#blob(manifest.config, { image: document }, signal);
    return this.#rewritten(document, this.#reformed({ ...manifest, layers }));
  }

  /** Artifacts are no images: their media types say what they are. */
  #reformed(manifest: ImageManifest): ImageManifest {
    const { format } = this.#options;
    if (format === undefined || !isImageConfig(manifest.config.mediaType)) return manifest;
    const reformed = reformManifest(manifest, { docker: format === 'v2s2' });
    if (format === 'oci') return reformed;
    const { annotations: _annotations, subject: _subject, ...docker } = reformed;
    return docker;
  }

  /** Equal data keeps its bytes, which others may have written in another way. */
  #rewritten(document: PlacedManifest, manifest: ImageManifest | ImageIndex): PlacedManifest {
    const text = serializeManifest(manifest);
    if (text === serializeManifest(document.manifest)) return document;
    this.#signatures.requireNone(document.descriptor.digest);
    const changed = placedManifest(Buffer.from(text), `manifest for ${this.#target.name}`);
    if (this.#options.preserveDigests !== true) return changed;
    throw new CoracleError(
      'UNSUPPORTED',
      `copy ${this.#source.name}: manifest ${document.descriptor.digest} cannot keep its digest`,
      {
        hint: 'layers made here are compressed on the way, and --format and --dest-compress change manifests: leave out --preserve-digests',
      },
    );
  }

  async #layer(image: PlacedManifest, at: number, signal: AbortSignal): Promise<Descriptor> {
    const manifest = imageManifest(image);
    const layer = manifest.layers[at];
    if (layer === undefined) throw new CoracleError('INTERNAL', `copy layer ${at}: the manifest has none`);
    const id = layerEventId(layer.digest);
    if (isForeignLayer(layer.mediaType)) {
      this.#options.onEvent({ kind: 'message', text: `layer ${id} is not distributable: left out` });
      return layer;
    }
    const kind = this.#compression(layer);
    if (kind === undefined) {
      await this.#blob(layer, { image, layer: at }, signal);
      return layer;
    }
    const { digest, size, annotations } = await this.#made(layer, kind, { image, layer: at }, signal);
    const zstd = ociTypes.layerZstd;
    const types = { gzip: ociTypes.layerGzip, zstd, 'zstd:chunked': zstd, none: ociTypes.layer };
    const docker = manifest.mediaType === dockerTypes.manifest;
    const mediaType = layerType(types[kind.kind], docker);
    return { ...withAnnotations(layer, annotations), mediaType, digest, size };
  }

  /** The layer in another encoding, made anew only where the target has not what it came out as before. */
  async #made(
    layer: Descriptor,
    encoding: LayerEncoding,
    place: BlobPlace,
    signal: AbortSignal,
  ): Promise<CompressedLayer> {
    const { memory, onEvent } = this.#options;
    const now = layerCompression(layer.mediaType);
    const id = layerEventId(layer.digest);
    const known = now === 'none' ? memory?.known(layer.digest, encoding) : undefined;
    if (known !== undefined && (await this.#target.has({ ...layer, ...known }))) {
      onEvent({ kind: 'layer', id, status: 'exists', total: known.size });
      return known;
    }
    let annotations: CompressedLayer['annotations'];
    const blob = await this.#target.make(() => {
      const bytes = this.#bytes(layer, place, signal);
      const plain = now === 'none' ? bytes : decompress(bytes, now);
      const encoded = encodeLayer(plain, encoding);
      const { chunks, finish } = measured(encoded.chunks);
      const finished = (): BlobDescriptor => {
        annotations = encoded.annotations();
        return finish();
      };
      return { chunks, finish: finished };
    });
    const made = { ...blob, ...present('annotations', annotations) };
    if (now === 'none' && encoding.kind !== 'none') memory?.remember(layer.digest, encoding, made);
    onEvent({ kind: 'layer', id, status: 'pushed', current: made.size, total: made.size });
    return made;
  }

  /** What the layer has to become; undefined: it goes as it is. */
  #compression(layer: Descriptor): LayerEncoding | undefined {
    if (!isLayer(layer.mediaType)) return undefined;
    const { compress: asked, recompress, decompress: plain, encoding } = this.#options;
    const now = layerCompression(layer.mediaType);
    if (plain === true) return now === 'none' ? undefined : { kind: 'none', level: 0 };
    const wanted = requireEncoding(encoding?.kind ?? 'gzip', encoding?.level);
    const { kind } = wanted;
    const same = kind === 'zstd:chunked' ? hasToc(layer) : now === kind;
    if (now !== 'none') return recompress === true && !same ? wanted : undefined;
    const onTheWay = this.#target.compresses && this.#source.isMade(layer);
    return asked === true || onTheWay ? wanted : undefined;
  }

  async #blob(blob: Descriptor, place: BlobPlace, signal: AbortSignal | undefined): Promise<void> {
    const { onEvent } = this.#options;
    const id = layerEventId(blob.digest);
    const total = blob.size;
    if (await this.#target.has(blob)) {
      onEvent({ kind: 'layer', id, status: 'exists', total });
      return;
    }
    const { origin } = this.#source;
    const near = origin !== undefined && origin.registry === this.#target.registry;
    await this.#target.put(
      blob,
      () => this.#bytes(blob, place, signal),
      near ? origin.repository : undefined,
    );
    onEvent({ kind: 'layer', id, status: 'done', current: total, total });
  }

  async *#bytes(
    blob: Descriptor,
    place: BlobPlace,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void> {
    const id = layerEventId(blob.digest);
    let current = 0;
    for await (const chunk of verifiedBytes(this.#source.open(blob, place), blob, this.#source.name)) {
      if (signal?.aborted === true) throw new CoracleError('ABORTED', `copy ${this.#source.name}: aborted`);
      current += chunk.length;
      this.#options.onEvent({ kind: 'layer', id, status: 'pushing', current, total: blob.size });
      yield chunk;
    }
  }
}
