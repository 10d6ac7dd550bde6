/** The end of a build: images of the finished stages, what is attested of them, and their delivery. */
import type { ImageRecord } from '../image/image-record.js';
import type { Descriptor } from '../oci/descriptor.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isIndex } from '../oci/media-types.js';
import { inheritedAnnotations } from './annotation.js';
import { type Attester, statementText } from './attestation.js';
import { attestersOf, type Target } from './attesters.js';
import type { BuildSource } from './build-source.js';
import type { FilesResult } from './export-files.js';
import { finishStage } from './finish.js';
import { platformOf } from './image-index.js';
import { buildMetadata } from './metadata.js';
import type { BuildResult, ImageExporter } from './options.js';
import { deliver } from './outputs.js';
import type { BuildPlan } from './plan.js';
import { Product } from './product.js';
import type { BuildSession } from './session.js';
import type { StageResult } from './stage-files.js';

export type FinishInput = {
  readonly session: BuildSession;
  readonly plan: BuildPlan;
  readonly targets: readonly number[];
  readonly results: readonly StageResult[];
  readonly source: BuildSource;
  readonly invocation: { readonly id: string; readonly started: Date };
  /** The result of any stage of the plan. */
  readonly resultOf: (index: number) => Promise<StageResult>;
  /** Who makes the image, in words: name and version. */
  readonly tool: string;
  /** The cache that goes with a target's image, if one is wanted. */
  readonly inline: (target: number) => Promise<string | undefined>;
};

export class BuildFinish {
  readonly #input: FinishInput;

  constructor(input: FinishInput) {
    this.#input = input;
  }

  /** Makes the images and serves the outputs. */
  async deliver(
    exporter: ImageExporter | undefined,
  ): Promise<Pick<BuildResult, 'id' | 'image' | 'metadata'>> {
    const { session } = this.#input;
    const targets = await this.#targets();
    const attesters = attestersOf({ ...this.#input, made: targets });
    const product = this.#product(targets, attesters, exporter);
    const files = async (): Promise<readonly FilesResult[]> => this.#files(targets, attesters, product);
    const delivered = await deliver(session, { product, files, exporter });
    const provenances = attesters.filter(({ fileName }) => fileName === 'provenance.json');
    const metadata = buildMetadata({
      delivered,
      isIndex: product.isIndex,
      provenance: await Promise.all(
        provenances.flatMap(({ predicate }) =>
          targets.map(async ({ stage: { platform } }) => ({
            platform,
            predicate: await predicate(platform),
          })),
        ),
      ),
    });
    const { image } = delivered;
    const id = product.isIndex ? image.descriptor.digest : image.configDigest;
    return { id, image, metadata };
  }

  async #targets(): Promise<readonly Target[]> {
    const { session, plan, targets, results, inline } = this.#input;
    const made: Target[] = [];
    for (const [at, index] of targets.entries()) {
      const stage = plan.stages.get(index);
      const result = results[at];
      if (stage === undefined || result === undefined) continue;
      made.push({
        ...(await finishStage(session, { plan, stage, result, inline: await inline(index) })),
        stage,
        index,
      });
    }
    return made;
  }

  #product(
    targets: readonly Target[],
    attesters: readonly Attester[],
    exporter: ImageExporter | undefined,
  ): Product {
    const { stores, options } = this.#input.session;
    const { tags = [], manifest, annotations = [] } = options;
    return new Product({
      stores,
      images: targets.map(({ image }) => image),
      docker: options.format === 'docker',
      annotations: [
        ...targets.flatMap(({ base, stage }) => inheritedAnnotations(base, stage.platform, options)),
        ...annotations,
      ],
      others: manifest === undefined ? [] : this.#entriesOf(manifest),
      index: manifest !== undefined,
      attesters,
      names: tags,
      compress: exporter?.compress,
      signal: options.signal,
    });
  }

  /** What the index of this name holds already. */
  #entriesOf(name: string): readonly Descriptor[] {
    const { images, content } = this.#input.session.stores;
    const known = images.find(name, { nearest: true });
    if (known === undefined) return [];
    const { digest, mediaType } = known.descriptor;
    if (!isIndex(mediaType)) return [entryOf(known)];
    const index = parseManifest(content.readTrusted(digest, manifestLimit), `manifest ${digest}`, mediaType);
    return index.kind === 'index' ? index.manifests : [];
  }

  async #files(
    targets: readonly Target[],
    attesters: readonly Attester[],
    product: Product,
  ): Promise<readonly FilesResult[]> {
    const results: FilesResult[] = [];
    for (const { stage, top, image } of targets) {
      const { platform } = stage;
      const documents = [];
      for (const attester of attesters) {
        const text = await statementText(attester, {
          platform,
          digest: image.manifestDescriptor.digest,
          names: product.names,
        });
        documents.push({ name: attester.fileName, bytes: Buffer.from(text) });
      }
      results.push({ platform, top, clampMtime: stage.times.files, documents });
    }
    return results;
  }
}

function entryOf(image: ImageRecord): Descriptor {
  return { ...image.manifestDescriptor, platform: platformOf(image) };
}
