/** Images for plans that are made without a store. */
import type { ImageRecord } from '../../lib/image/image-record.js';
import type { ContainerConfig } from '../../lib/oci/container-config.js';
import { parseDigest } from '../../lib/oci/digest.js';

const platform = { os: 'linux', architecture: 'amd64' };
const digest = parseDigest(`sha256:${'0'.repeat(64)}`, 'test');

/** An image without layers. */
export function imageWith(config: ContainerConfig): ImageRecord {
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 2 };
  return {
    id: '0'.repeat(64),
    references: [],
    descriptor,
    manifestDescriptor: descriptor,
    manifest: { kind: 'manifest', mediaType: descriptor.mediaType, config: descriptor, layers: [] },
    config: { ...platform, config, rootfs: { type: 'layers', diff_ids: [] } },
    configDigest: digest,
  };
}
