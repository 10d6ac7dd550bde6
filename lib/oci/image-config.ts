/**
 * Image configs. Field names are the JSON's own; fields we do not know are kept in `extra` and written back,
 * so a config that passes through keeps what other tools put there.
 * https://github.com/opencontainers/image-spec/blob/main/config.md
 */
import { type DiffId, parseDiffId } from './chain-id.js';
import { type ContainerConfig, orderContainerConfig, parseContainerConfig } from './container-config.js';
import {
  invalid,
  optional,
  parseJson,
  present,
  requireArray,
  requireBoolean,
  requireObject,
  requireString,
  requireStrings,
  sortedRecord,
  type UnknownRecord,
  unknownFields,
} from './guards.js';

/** The most bytes a config may have. */
export const imageConfigLimit = 8 * 1024 * 1024;

/** One step of an image's history; a step with `empty_layer` has no entry in `diff_ids`. */
export type HistoryEntry = {
  /** RFC 3339. */
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
};

/** The layers an image is made of, base first, as digests of their uncompressed tars. */
export type RootFs = { readonly type: 'layers'; readonly diff_ids: readonly DiffId[] };

/** An image's config. */
export type ImageConfig = {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly config?: ContainerConfig;
  readonly rootfs: RootFs;
  readonly history?: readonly HistoryEntry[];
  /** Top-level fields this version does not know. */
  readonly extra?: UnknownRecord;
};

const knownFields = [
  'created',
  'author',
  'architecture',
  'os',
  'variant',
  'os.version',
  'os.features',
  'config',
  'rootfs',
  'history',
];

/** Reads an image config, or throws INVALID naming `where` and the field. */
export function parseImageConfig(source: Uint8Array | string, where: string): ImageConfig {
  const size = typeof source === 'string' ? Buffer.byteLength(source) : source.byteLength;
  if (size > imageConfigLimit)
    throw invalid(where, `${size} bytes, more than the ${imageConfigLimit} allowed`);
  const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
  const record = requireObject(parseJson(text, where), where);
  const field = <T>(name: string, guard: (value: unknown, where: string) => T): T | undefined =>
    optional(record[name], `${where}.${name}`, guard);
  return {
    ...present('created', field('created', requireString)),
    ...present('author', field('author', requireString)),
    architecture: field('architecture', requireString) ?? '',
    os: field('os', requireString) ?? '',
    ...present('variant', field('variant', requireString) || undefined),
    ...present('os.version', field('os.version', requireString)),
    ...present('os.features', field('os.features', requireStrings)),
    ...present('config', field('config', parseContainerConfig)),
    rootfs: parseRootFs(record.rootfs, `${where}.rootfs`),
    ...present('history', field('history', parseHistory)),
    ...present('extra', unknownFields(record, knownFields)),
  };
}

function parseRootFs(value: unknown, where: string): RootFs {
  const record = requireObject(value, where);
  if (record.type !== 'layers')
    throw invalid(`${where}.type`, `expected "layers", got ${JSON.stringify(record.type)}`);
  const diffIds = requireArray(record.diff_ids ?? [], `${where}.diff_ids`);
  return {
    type: 'layers',
    diff_ids: diffIds.map((diffId, index) => parseDiffId(diffId, `${where}.diff_ids[${index}]`)),
  };
}

function parseHistory(value: unknown, where: string): readonly HistoryEntry[] {
  return requireArray(value, where).map((item, index) => {
    const place = `${where}[${index}]`;
    const record = requireObject(item, place);
    const text = (name: string) => optional(record[name], `${place}.${name}`, requireString);
    return {
      ...present('created', text('created')),
      ...present('created_by', text('created_by')),
      ...present('author', text('author')),
      ...present('comment', text('comment')),
      ...present('empty_layer', optional(record.empty_layer, `${place}.empty_layer`, requireBoolean)),
    };
  });
}

/**
 * The JSON of a config without white space: equal data, equal bytes. Top-level keys are sorted and the inner
 * ones in the specification's order, as Docker and BuildKit write them.
 */
export function serializeImageConfig(image: ImageConfig): string {
  const { config, rootfs, history, extra, ...rest } = image;
  return JSON.stringify(
    sortedRecord<unknown>({
      ...extra,
      ...rest,
      ...present('config', config === undefined ? undefined : orderContainerConfig(config)),
      ...present('history', history?.map(orderHistory)),
      rootfs: { type: rootfs.type, diff_ids: rootfs.diff_ids },
    }),
  );
}

function orderHistory(entry: HistoryEntry): HistoryEntry {
  return {
    ...present('created', entry.created),
    ...present('created_by', entry.created_by),
    ...present('author', entry.author),
    ...present('comment', entry.comment),
    ...present('empty_layer', entry.empty_layer),
  };
}
