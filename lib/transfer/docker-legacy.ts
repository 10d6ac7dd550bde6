/**
 * Reading archives of Docker before 1.10: `repositories` names the uppermost layer of each tag, every layer has a
 * directory with `json` and `layer.tar`, and names its parent. There is no config: it is made of the layers' own.
 */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { decompress } from '../layer/compression.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import { parseContainerConfig } from '../oci/container-config.js';
import {
  optional,
  parseJson,
  present,
  requireObject,
  requireString,
  requireStringMap,
} from '../oci/guards.js';
import { type HistoryEntry, imageConfigLimit, serializeImageConfig } from '../oci/image-config.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type Archive, readFile } from './archive.js';
import { archiveIndexLimit } from './docker-archive.js';
import { type Loading, storeLoadedImage } from './loaded-image.js';

/** More layers than Docker ever allowed. */
const layerLimit = 500;

type LegacyLayer = { readonly id: string; readonly record: Readonly<Record<string, unknown>> };

/** Loads every tag of the archive. Hold a lease. */
export async function loadLegacyArchive(
  stores: Stores,
  archive: Archive,
  loading: Loading,
): Promise<readonly ImageRecord[]> {
  const text = (await readFile(archive, 'repositories', archiveIndexLimit)).toString('utf8');
  const tops = parseRepositories(text);
  const loaded: ImageRecord[] = [];
  for (const [top, references] of tops) {
    const layers = await layerChain(archive, top);
    const configBytes = await makeConfig(archive, layers);
    const openLayer = (index: number): AsyncIterable<Buffer> =>
      archive.open(`${layers[index]?.id}/layer.tar`);
    const image = { configBytes, openLayer, layerCount: layers.length, references };
    loaded.push(await storeLoadedImage(stores, image, loading));
  }
  return loaded;
}

/** Uppermost layers and the full references that point at each. Throws INVALID. */
export function parseRepositories(text: string): ReadonlyMap<string, readonly string[]> {
  const tops = new Map<string, string[]>();
  const where = 'repositories';
  for (const [repository, tags] of Object.entries(requireObject(parseJson(text, where), where))) {
    for (const [tag, id] of Object.entries(requireStringMap(tags, `${where}.${repository}`))) {
      const reference = formatReference(parseReference(`${repository}:${tag}`));
      tops.set(id, [...(tops.get(id) ?? []), reference]);
    }
  }
  return tops;
}

/** From the base to the uppermost layer. */
async function layerChain(archive: Archive, top: string): Promise<readonly LegacyLayer[]> {
  const layers: LegacyLayer[] = [];
  for (let id: string | undefined = top; id !== undefined && id !== ''; ) {
    if (layers.length === layerLimit)
      throw new CoracleError('INVALID', `load image ${top}: more than ${layerLimit} layers`);
    if (!/^[0-9a-f]{64}$/.test(id))
      throw new CoracleError('INVALID', `load layer ${JSON.stringify(id)}: no layer id`);
    const where: string = `${id}/json`;
    const text = (await readFile(archive, where, imageConfigLimit)).toString('utf8');
    const record = requireObject(parseJson(text, where), where);
    layers.unshift({ id, record });
    id = optional(record.parent, `${where}.parent`, requireString);
  }
  return layers;
}

async function makeConfig(archive: Archive, layers: readonly LegacyLayer[]): Promise<Buffer> {
  const top = layers.at(-1)?.record ?? {};
  const text = (name: string): string | undefined => optional(top[name], name, requireString);
  const diffIds: DiffId[] = [];
  for (const { id } of layers) diffIds.push(await diffIdOf(archive, `${id}/layer.tar`));
  return Buffer.from(
    serializeImageConfig({
      ...present('created', text('created')),
      ...present('author', text('author')),
      architecture: text('architecture') ?? 'amd64',
      os: text('os') ?? 'linux',
      ...present('config', optional(top.config, 'config', parseContainerConfig)),
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: layers.map(historyOf),
    }),
  );
}

function historyOf({ record }: LegacyLayer): HistoryEntry {
  const container = optional(record.container_config, 'container_config', parseContainerConfig);
  return {
    ...present('created', optional(record.created, 'created', requireString)),
    ...present('created_by', container?.Cmd?.join(' ')),
  };
}

async function diffIdOf(archive: Archive, name: string): Promise<DiffId> {
  const hash = createHash('sha256');
  for await (const chunk of decompress(archive.open(name), 'auto')) hash.update(chunk);
  return parseDiffId(`sha256:${hash.digest('hex')}`, name);
}
