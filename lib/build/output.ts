/**
 * What a build gives beside an image in the store: `--output` as data.
 * https://docs.docker.com/build/exporters/
 */
import { parseCsv } from '../dockerfile/csv.js';
import { CoracleError } from '../errors.js';
import type { Annotation } from './annotation.js';
import { OutputAttributes } from './output-attributes.js';

/** How the layers of an image are written. */
export type LayerForm = {
  readonly kind: 'gzip' | 'zstd' | 'none';
  readonly level?: number;
  /** Layers of the base too, which otherwise go as they are. */
  readonly force: boolean;
};

/** What an image is like where it goes; whatever is undefined is as the build's options say. */
export type ImageForm = {
  readonly docker?: boolean;
  readonly layers?: LayerForm;
  readonly annotations: readonly Annotation[];
};

/** The files of the result, in a directory or a tar; of several platforms in a directory for each. */
export type FilesOutput = {
  readonly kind: 'local' | 'tar';
  /** `-` is standard output, of tar only. */
  readonly dest: string;
  /** Directories for platforms also when there is one, or also none when there are several. */
  readonly platformSplit?: boolean;
};

/** An image in an archive, or with `directory` an OCI layout. */
export type ArchiveOutput = ImageForm & {
  readonly kind: 'archive';
  readonly format: 'oci' | 'docker';
  readonly dest: string;
  readonly directory: boolean;
  readonly names: readonly string[];
};

/** An image in the store, at its registry, or both. */
export type ImageOutput = ImageForm & {
  readonly kind: 'image';
  readonly names: readonly string[];
  readonly store: boolean;
  readonly push: boolean;
  /** No tag at the registry, the digest alone. */
  readonly pushByDigest: boolean;
  /** Also named `NAME@DIGEST`. */
  readonly nameCanonical: boolean;
  readonly insecure?: boolean;
};

export type BuildOutput = FilesOutput | ArchiveOutput | ImageOutput;

/** `--push`. */
export const registryOutput: ImageOutput = {
  kind: 'image',
  names: [],
  store: true,
  push: true,
  pushByDigest: false,
  nameCanonical: false,
  annotations: [],
};

/** `--load`. */
export const storeOutput: ImageOutput = { ...registryOutput, push: false };

/** Reads one `--output`: `type=KIND,NAME=VALUE,...`, a directory, or `-` for a tar on standard output. @throws USAGE, UNSUPPORTED */
export function parseOutput(text: string): BuildOutput {
  if (text === '-') return { kind: 'tar', dest: '-' };
  const csv = parseCsv(text);
  if ('error' in csv) throw badOutput(text, csv.error);
  const [only = ''] = csv.fields;
  if (csv.fields.length === 1 && !only.includes('=')) return { kind: 'local', dest: only };
  const attributes = new OutputAttributes(text, csv.fields);
  const output = readOutput(attributes, text);
  attributes.refuseRest();
  return output;
}

function readOutput(attributes: OutputAttributes, text: string): BuildOutput {
  const type = attributes.take('type');
  switch (type) {
    case 'local':
    case 'tar':
      return readFiles(attributes, type);
    case 'oci':
    case 'docker':
      return readArchive(attributes, type);
    case 'image':
    case 'registry':
      return readImage(attributes, type === 'registry');
    case undefined:
      throw badOutput(text, 'type is missing');
    default:
      throw badOutput(text, `unknown type ${JSON.stringify(type)}`);
  }
}

function readFiles(attributes: OutputAttributes, kind: 'local' | 'tar'): FilesOutput {
  const dest = attributes.take('dest');
  if (kind === 'local' && (dest === undefined || dest === '-'))
    throw badOutput(attributes.text, 'a directory is needed: dest=DIR');
  if (attributes.take('mode', ['copy']) === 'delete') throw badOutput(attributes.text, 'mode=delete');
  const platformSplit = attributes.takeSwitch('platform-split');
  return { kind, dest: dest ?? '-', ...(platformSplit === undefined ? {} : { platformSplit }) };
}

function readArchive(attributes: OutputAttributes, format: 'oci' | 'docker'): ArchiveOutput | ImageOutput {
  const dest = attributes.take('dest');
  const directory = attributes.takeSwitch('tar') === false;
  const names = attributes.takeNames();
  const form = attributes.takeForm();
  if (dest === undefined && format === 'docker') return { ...storeOutput, ...form, names };
  if (directory && (dest === undefined || dest === '-'))
    throw badOutput(attributes.text, 'tar=false needs a directory: dest=DIR');
  if (directory && format === 'docker') throw badOutput(attributes.text, 'tar=false is for type=oci');
  if (format === 'docker' && form.layers !== undefined && form.layers.kind !== 'none')
    throw badOutput(attributes.text, 'layers of a docker archive are not compressed');
  return { kind: 'archive', format, dest: dest ?? '-', directory, names, ...form };
}

function readImage(attributes: OutputAttributes, pushed: boolean): ImageOutput {
  const push = attributes.takeSwitch('push') ?? pushed;
  const insecure = attributes.takeSwitch('registry.insecure');
  // every image of this store is unpacked, now or when it is run
  attributes.take('unpack', ['true', 'false', '']);
  return {
    kind: 'image',
    names: attributes.takeNames(),
    store: attributes.takeSwitch('store') ?? true,
    push,
    pushByDigest: attributes.takeSwitch('push-by-digest') ?? false,
    nameCanonical: attributes.takeSwitch('name-canonical') ?? false,
    ...(insecure === undefined ? {} : { insecure }),
    ...attributes.takeForm(),
  };
}

/** What is wrong with an `--output`. */
export function badOutput(text: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument ${JSON.stringify(text)} for --output: ${reason}`, {
    hint: 'for example type=local,dest=DIR, type=tar,dest=FILE, type=oci,dest=FILE, type=docker, type=image,name=NAME, type=registry',
  });
}
