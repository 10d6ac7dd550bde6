/** The record beside every committed snapshot, `snapshots/<id>/record.json`. */
import { CoracleError } from '../errors.js';
import { randomBytes } from '../host/random.js';
import { type ChainId, type DiffId, parseChainId, parseDiffId } from '../oci/chain-id.js';
import {
  invalid,
  optional,
  present,
  requireArray,
  requireObject,
  requireSize,
  requireString,
} from '../oci/guards.js';

/** 26 lower-case base32 characters, random. Checked, so safe in a path. */
export type SnapshotId = string & { readonly brand: 'SnapshotId' };

/** A committed file-system state: one layer's directory and the layers it lies on. */
export type SnapshotRecord = {
  readonly version: 1;
  readonly id: SnapshotId;
  readonly parent?: SnapshotId;
  /** The whole stack, topmost first: itself, its parent, and so on. */
  readonly lowers: readonly SnapshotId[];
  /** Known for layers that came from an image, or once somebody measured them. */
  readonly chainId?: ChainId;
  readonly diffId?: DiffId;
  /** Bytes of the layer's uncompressed tar. */
  readonly size?: number;
  /** Bytes of the layer's files, where somebody counted them before the tar was measured. */
  readonly bytes?: number;
  /** The tar of that diffID has later times of files as this, in seconds (SOURCE_DATE_EPOCH). */
  readonly clampMtime?: number;
  /** RFC 3339. */
  readonly created: string;
  readonly comment?: string;
};

/** What is known about a layer when it is committed. */
export type LayerFacts = {
  readonly chainId?: ChainId;
  readonly diffId?: DiffId;
  readonly size?: number;
  readonly bytes?: number;
  readonly clampMtime?: number;
  readonly comment?: string;
};

/** The record of a snapshot on its place in a stack, topmost first. */
export function newSnapshotRecord(
  lowers: readonly [SnapshotId, ...SnapshotId[]],
  facts: LayerFacts,
): SnapshotRecord {
  const [id, parent] = lowers;
  const created = new Date().toISOString();
  return { version: 1, id, ...present('parent', parent), lowers, ...facts, created };
}

const pattern = /^[a-z2-7]{26}$/;
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

/** Whether the value is a well-formed snapshot id. */
export function isSnapshotId(value: unknown): value is SnapshotId {
  return typeof value === 'string' && pattern.test(value);
}

/** The id, or INVALID naming `where`. */
export function parseSnapshotId(value: unknown, where: string): SnapshotId {
  if (isSnapshotId(value)) return value;
  throw invalid(where, `${JSON.stringify(value)?.slice(0, 80)} is no snapshot id`);
}

/** An id no other snapshot has. */
export function newSnapshotId(): SnapshotId {
  const characters = Array.from(randomBytes(26), (byte) => alphabet[byte % 32]);
  return parseSnapshotId(characters.join(''), 'snapshot id');
}

/** The most lower directories the kernel's overlay takes. */
export const overlayLimit = 500;

/** The most layers a snapshot may lie on: leaves room for what a container adds below and above. */
export const layerLimit = 480;

/** Reads a record, or INVALID naming `where` and the field. */
export function parseSnapshotRecord(value: unknown, where: string): SnapshotRecord {
  const record = requireObject(value, where);
  if (record.version !== 1)
    throw invalid(`${where}.version`, `${JSON.stringify(record.version)}, expected 1`);
  const lowers = requireArray(record.lowers, `${where}.lowers`);
  if (lowers.length > overlayLimit) throw invalid(`${where}.lowers`, `${lowers.length} layers`);
  const parsed: SnapshotRecord = {
    version: 1,
    id: parseSnapshotId(record.id, `${where}.id`),
    ...present('parent', optional(record.parent, `${where}.parent`, parseSnapshotId)),
    lowers: lowers.map((lower, index) => parseSnapshotId(lower, `${where}.lowers[${index}]`)),
    ...present('chainId', optional(record.chainId, `${where}.chainId`, parseChainId)),
    ...present('diffId', optional(record.diffId, `${where}.diffId`, parseDiffId)),
    ...present('size', optional(record.size, `${where}.size`, requireSize)),
    ...present('bytes', optional(record.bytes, `${where}.bytes`, requireSize)),
    ...present('clampMtime', optional(record.clampMtime, `${where}.clampMtime`, requireSize)),
    created: requireString(record.created, `${where}.created`),
    ...present('comment', optional(record.comment, `${where}.comment`, requireString)),
  };
  if (parsed.lowers[0] !== parsed.id || parsed.lowers[1] !== parsed.parent) {
    throw invalid(`${where}.lowers`, 'must begin with the snapshot and its parent');
  }
  return parsed;
}

/** @throws UNSUPPORTED when there are more layers than `limit`. */
export function checkLayerCount(count: number, limit: number): void {
  if (count <= limit) return;
  throw new CoracleError('UNSUPPORTED', `stack layers: ${count}, more than the ${limit} that work`, {
    hint: 'make the image from fewer instructions, or flatten it with save and import',
  });
}
