/** A working container with the names that buildah's `inspect` gives things. */

import { layerChainIds } from '../image/layer-chain-ids.js';
import { parseJson } from '../oci/guards.js';
import { serializeImageConfig } from '../oci/image-config.js';
import type { Session } from './session.js';
import { baseOf, get } from './working.js';

/** The fields of buildah-inspect(1) that mean something here. @throws NOT_FOUND */
export async function inspectWorking(
  session: Session,
  name: string,
): Promise<Readonly<Record<string, unknown>>> {
  const record = await get(session, name);
  const base = await baseOf(session, record);
  const diffIds = base?.config.rootfs.diff_ids ?? [];
  const config = {
    ...record.config,
    history: [...(record.config.history ?? []), ...record.history],
    rootfs: { type: 'layers', diff_ids: diffIds },
  } as const;
  const oci = parseJson(serializeImageConfig(config), 'config');
  return {
    Type: 'coracle working container',
    FromImage: record.base?.reference ?? record.base?.id ?? '',
    FromImageID: record.base?.id ?? '',
    FromImageDigest: record.base?.digest ?? '',
    Config: base === undefined ? '' : serializeImageConfig(base.config),
    Container: record.name,
    ContainerID: record.id,
    Created: record.created,
    TopLayerChainID: layerChainIds(diffIds).at(-1) ?? '',
    ImageAnnotations: record.annotations,
    ImageCreatedBy: record.createdBy ?? '',
    Flags: record.texts,
    OCIv1: oci,
    Docker: oci,
  };
}
