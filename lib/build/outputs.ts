/** Takes what was built to where the options want it. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Descriptor } from '../oci/descriptor.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { exportFiles, type FilesResult } from './export-files.js';
import type { BuildOptions, ImageExporter } from './options.js';
import {
  type BuildOutput,
  type FilesOutput,
  type ImageForm,
  type ImageOutput,
  storeOutput,
} from './output.js';
import type { Product } from './product.js';
import type { BuildSession } from './session.js';

export type Delivery = {
  readonly product: Product;
  /** The files, made when an output wants them. */
  readonly files: () => Promise<readonly FilesResult[]>;
  readonly exporter: ImageExporter | undefined;
};

export type Delivered = {
  readonly image: ImageRecord;
  /** What names point at: the pushed form where something was pushed. */
  readonly descriptor: Descriptor;
  readonly names: readonly string[];
};

const plain: ImageForm = { annotations: [] };

/** Serves the outputs one after the other. @throws what their targets throw; those before a failed one have what they got. */
export async function deliver(session: BuildSession, delivery: Delivery): Promise<Delivered> {
  const names: string[] = [];
  let last: Pick<Delivered, 'image' | 'descriptor'> | undefined;
  for (const output of plannedOutputs(session.options)) {
    session.options.signal?.throwIfAborted();
    if (isFiles(output)) {
      await exportFiles(session, output, await delivery.files());
      continue;
    }
    const image = await delivery.product.root(output);
    const given = output.names.length > 0 ? output.names : (session.options.tags ?? []);
    if (output.kind === 'archive') await exporterOf(delivery).archive(image, { ...output, names: given });
    else last = { image, descriptor: await deliverImage(session, delivery, { image, output, names: given }) };
    names.push(...given.map((name) => formatReference(parseReference(name))));
    last ??= { image, descriptor: image.descriptor };
  }
  const image = last?.image ?? (await delivery.product.root(plain));
  const references = [...new Set(names)];
  return {
    image: { ...image, references },
    descriptor: last?.descriptor ?? image.descriptor,
    names: references,
  };
}

/** The outputs, with the store where nothing else takes the image or its names. */
export function plannedOutputs(
  options: Pick<BuildOptions, 'outputs' | 'tags' | 'manifest'>,
): readonly BuildOutput[] {
  const { outputs = [], tags = [], manifest } = options;
  const takesNames = outputs.some(({ kind }) => kind === 'image' || kind === 'archive');
  const kept = outputs.length === 0 || (tags.length > 0 && !takesNames);
  const index: readonly ImageOutput[] = manifest === undefined ? [] : [{ ...storeOutput, names: [manifest] }];
  if (!kept || (tags.length === 0 && manifest !== undefined)) return [...index, ...outputs];
  return [...index, storeOutput, ...outputs];
}

function isFiles(output: BuildOutput): output is FilesOutput {
  return output.kind === 'local' || output.kind === 'tar';
}

type ImageDelivery = {
  readonly image: ImageRecord;
  readonly output: ImageOutput;
  readonly names: readonly string[];
};

async function deliverImage(
  session: BuildSession,
  delivery: Delivery,
  { image, output, names }: ImageDelivery,
): Promise<Descriptor> {
  const { images } = session.stores;
  if (output.store && names.length === 0) images.addBuilt(image, undefined);
  for (const name of output.store ? storedNames(image, output, names) : []) images.addBuilt(image, name);
  if (!output.push) return image.descriptor;
  if (names.length === 0)
    throw new CoracleError('USAGE', 'push: the build has no name to push to', {
      hint: 'add -t REGISTRY/NAME:TAG',
    });
  let pushed = image.descriptor;
  for (const name of names) pushed = await exporterOf(delivery).push(image, name, output);
  return pushed;
}

function storedNames(image: ImageRecord, output: ImageOutput, names: readonly string[]): readonly string[] {
  if (!output.nameCanonical) return names;
  return names.flatMap((name) => [name, `${name.replace(/[:@][^/]*$/, '')}@${image.descriptor.digest}`]);
}

function exporterOf({ exporter }: Delivery): ImageExporter {
  if (exporter !== undefined) return exporter;
  throw new CoracleError('INTERNAL', 'export image: this build was given no exporter');
}

/** Refuses what cannot come to a good end before an hour of work is done. @throws USAGE */
export function checkOutputs(options: BuildOptions): void {
  const { tags = [] } = options;
  const outputs = plannedOutputs(options);
  if (outputs.filter(isStandardOutput).length > 1)
    throw new CoracleError('USAGE', 'export: only one output can go to standard output');
  for (const output of outputs) {
    if (!isFiles(output)) checkAnnotations(options, output);
    if (output.kind !== 'image' || !output.push) continue;
    const names = output.names.length > 0 ? output.names : tags;
    if (names.length === 0)
      throw new CoracleError('USAGE', 'push: the build has no name to push to', {
        hint: 'add -t REGISTRY/NAME:TAG',
      });
    const local = names.find((name) => name.startsWith('localhost/'));
    if (local !== undefined) {
      throw new CoracleError('USAGE', `push ${local}: the name has no registry`, {
        hint: 'name it REGISTRY/NAME:TAG, for example docker.io/USER/NAME:TAG',
      });
    }
  }
}

function checkAnnotations(options: BuildOptions, form: ImageForm): void {
  const annotations = [...(options.annotations ?? []), ...form.annotations];
  const [first] = annotations;
  if (first !== undefined && (form.docker ?? options.format === 'docker')) {
    throw new CoracleError('USAGE', `annotate ${first.key}: Docker's media types have no annotations`, {
      hint: 'leave --format docker or oci-mediatypes=false out',
    });
  }
  const misplaced = annotations.find(({ level }) => level.startsWith('index'));
  if (misplaced === undefined || givesIndex(options)) return;
  throw new CoracleError('USAGE', `annotate ${misplaced.key}: the build makes one image and no index`, {
    hint: 'use the level manifest, or build for several platforms',
  });
}

/** Whether the result is an index of images, and not the one image. */
export function givesIndex({ platforms = [], manifest, attest = {} }: BuildOptions): boolean {
  return (
    new Set(platforms).size > 1 ||
    manifest !== undefined ||
    attest.provenance !== undefined ||
    attest.sbom === true
  );
}

function isStandardOutput(output: BuildOutput): output is Exclude<BuildOutput, ImageOutput> {
  return (output.kind === 'tar' || output.kind === 'archive') && output.dest === '-';
}
