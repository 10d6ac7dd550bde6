/**
 * working.json: a container that an image is made in, step by step, as buildah's working containers. What its steps wrote
 * lies beside it in `fs`; what the image will say of itself is in the record.
 */
import {
  invalid,
  optional,
  parseJson,
  present,
  requireArray,
  requireObject,
  requireString,
  requireStringMap,
  requireStrings,
} from '../oci/guards.js';
import {
  type HistoryEntry,
  type ImageConfig,
  parseImageConfig,
  serializeImageConfig,
} from '../oci/image-config.js';
import { parseSnapshotId, type SnapshotId } from '../snapshot/record.js';

/** The image it began with. */
export type WorkingBase = {
  /** The config digest's hexadecimal digits. */
  readonly id: string;
  readonly reference?: string;
  /** Digest of the manifest. */
  readonly digest: string;
};

/** Flags of `from` that hold for every command run in it, as they were written. */
export type WorkingTexts = Readonly<Record<string, readonly string[]>>;

export type WorkingRecord = {
  readonly version: 1;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** Undefined: it began with nothing. */
  readonly base?: WorkingBase;
  /** Top snapshot of the base. */
  readonly snapshot?: SnapshotId;
  /** What the image will have for a config; without layers, its history that of the base. */
  readonly config: ImageConfig;
  /** What was done since. */
  readonly history: readonly HistoryEntry[];
  /** What the history will say made its layer. */
  readonly createdBy?: string;
  readonly historyComment?: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly texts: WorkingTexts;
};

const idPattern = /^[0-9a-f]{64}$/;

/** Reads a record, or INVALID naming `where` and the field. */
export function parseWorkingRecord(value: unknown, where: string): WorkingRecord {
  const record = requireObject(value, where);
  if (record.version !== 1)
    throw invalid(`${where}.version`, `${JSON.stringify(record.version)}, expected 1`);
  const text = (name: string): string => requireString(record[name], `${where}.${name}`);
  const id = text('id');
  if (!idPattern.test(id)) throw invalid(`${where}.id`, `${JSON.stringify(id).slice(0, 80)} is no id`);
  return {
    version: 1,
    id,
    name: text('name'),
    created: text('created'),
    ...present('base', optional(record.base, `${where}.base`, parseBase)),
    ...present('snapshot', optional(record.snapshot, `${where}.snapshot`, parseSnapshotId)),
    config: parseImageConfig(JSON.stringify(record.config ?? null), `${where}.config`),
    history: requireArray(record.history, `${where}.history`).map((entry, at) =>
      parseEntry(entry, `${where}.history[${at}]`),
    ),
    ...present('createdBy', optional(record.createdBy, `${where}.createdBy`, requireString)),
    ...present('historyComment', optional(record.historyComment, `${where}.historyComment`, requireString)),
    annotations: requireStringMap(record.annotations, `${where}.annotations`),
    texts: Object.fromEntries(
      Object.entries(requireObject(record.texts, `${where}.texts`)).map(
        ([name, texts]) => [name, requireStrings(texts, `${where}.texts.${name}`)] as const,
      ),
    ),
  };
}

/** The record as it stands in its file. */
export function serializeWorkingRecord(record: WorkingRecord): string {
  const config = parseJson(serializeImageConfig(record.config), 'config');
  return `${JSON.stringify({ ...record, config })}\n`;
}

function parseBase(value: unknown, where: string): WorkingBase {
  const base = requireObject(value, where);
  return {
    id: requireString(base.id, `${where}.id`),
    ...present('reference', optional(base.reference, `${where}.reference`, requireString)),
    digest: requireString(base.digest, `${where}.digest`),
  };
}

function parseEntry(value: unknown, where: string): HistoryEntry {
  const entry = requireObject(value, where);
  const text = (name: string): string | undefined => optional(entry[name], `${where}.${name}`, requireString);
  return {
    ...present('created', text('created')),
    ...present('created_by', text('created_by')),
    ...present('comment', text('comment')),
    empty_layer: true,
  };
}
