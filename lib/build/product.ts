/** What a build made, in every form its outputs want: images, their attestations, and the index over them. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { reformImage } from '../image/reform.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { formatPlatform, hostPlatform, matchesPlatform } from '../oci/platform.js';
import { type Annotation, annotationsAt } from './annotation.js';
import { type Attester, attestationManifest, referenceDigest } from './attestation.js';
import { indexEntry, platformOf, putIndex } from './image-index.js';
import type { ImageExporter } from './options.js';
import type { ImageForm, LayerForm } from './output.js';

export type ProductInput = {
  readonly stores: Stores;
  /** One for each platform, in the order they were asked for. */
  readonly images: readonly ImageRecord[];
  readonly docker: boolean;
  readonly annotations: readonly Annotation[];
  /** Other images that the index gets too (`--manifest`). */
  readonly others: readonly Descriptor[];
  readonly index: boolean;
  readonly attesters: readonly Attester[];
  /** Full references, for statements about the images. */
  readonly names: readonly string[];
  readonly compress: ImageExporter['compress'] | undefined;
  readonly signal?: AbortSignal | undefined;
};

export class Product {
  readonly #input: ProductInput;
  readonly #made = new Map<string, Promise<ImageRecord>>();

  constructor(input: ProductInput) {
    this.#input = input;
  }

  get names(): readonly string[] {
    return this.#input.names;
  }

  /** Whether the root is an index. */
  get isIndex(): boolean {
    const { images, index, attesters } = this.#input;
    return index || images.length > 1 || attesters.length > 0;
  }

  /** The image for this machine, else the first, whose `descriptor` is that of the root in the form asked for. */
  root(form: ImageForm): Promise<ImageRecord> {
    const { docker, layers, annotations } = form;
    const key = JSON.stringify({ docker, layers, annotations });
    const made = this.#made.get(key) ?? this.#make(form);
    this.#made.set(key, made);
    return made;
  }

  async #make(form: ImageForm): Promise<ImageRecord> {
    const { stores, images } = this.#input;
    const docker = form.docker ?? this.#input.docker;
    const annotations = [...this.#input.annotations, ...form.annotations];
    const made: ImageRecord[] = [];
    for (const image of images) made.push(await this.#image(image, { ...form, docker, annotations }));
    const chosen = made.find((image) => matchesPlatform(platformOf(image), hostPlatform())) ?? made[0];
    if (chosen === undefined) throw new CoracleError('INTERNAL', 'finish build: it has no image');
    if (!this.isIndex) {
      const own = annotationsAt(annotations, 'manifest-descriptor', platformOf(chosen));
      return { ...chosen, descriptor: annotated(chosen.manifestDescriptor, own) };
    }
    const index = await putIndex(stores, {
      images: await this.#entries(made, annotations),
      docker,
      ...optionalAnnotations(annotationsAt(annotations, 'index')),
    });
    return { ...chosen, descriptor: annotated(index, annotationsAt(annotations, 'index-descriptor')) };
  }

  async #image(
    image: ImageRecord,
    { layers, docker, annotations }: ImageForm & { readonly docker: boolean },
  ): Promise<ImageRecord> {
    const { stores, attesters, compress, signal } = this.#input;
    const own = annotationsAt(annotations, 'manifest', platformOf(image));
    const reformed = await reformImage(image, { docker, ...optionalAnnotations(own) }, stores);
    // what is attested may not change any more on its way to a registry
    const form: LayerForm | undefined =
      layers ?? (attesters.length > 0 ? { kind: 'gzip', force: false } : undefined);
    if (form === undefined) return reformed;
    if (compress === undefined)
      throw new CoracleError('INTERNAL', 'finish build: nothing to compress layers with');
    return compress(reformed, { ...form, keepPlain: attesters.length > 0 }, signal);
  }

  /** Entries of this build replace others for the same platform; attestations come last. */
  async #entries(
    made: readonly ImageRecord[],
    annotations: readonly Annotation[],
  ): Promise<readonly Descriptor[]> {
    const { stores, attesters, others } = this.#input;
    const own = made.map((image) =>
      indexEntry(image, annotationsAt(annotations, 'manifest-descriptor', platformOf(image))),
    );
    const attestations: Descriptor[] = [];
    for (const [at, image] of made.entries()) {
      const entry = own[at];
      if (entry === undefined || attesters.length === 0) continue;
      attestations.push(await attestationManifest(stores, { image, entry, attesters, names: this.names }));
    }
    const names = new Set(own.map(({ platform }) => platform && formatPlatform(platform)));
    const images = others.filter(
      ({ platform, annotations: { [referenceDigest]: about } = {} }) =>
        about === undefined && (platform === undefined || !names.has(formatPlatform(platform))),
    );
    const digests = new Set<string>(images.map(({ digest }) => digest));
    const kept = others.filter(
      ({ annotations: { [referenceDigest]: about } = {} }) => about !== undefined && digests.has(about),
    );
    return [...images, ...own, ...kept, ...attestations];
  }
}

function annotated(descriptor: Descriptor, annotations: Descriptor['annotations']): Descriptor {
  return { ...descriptor, ...optionalAnnotations(annotations) };
}

function optionalAnnotations(annotations: Descriptor['annotations']): Pick<Descriptor, 'annotations'> {
  return annotations === undefined ? {} : { annotations };
}
