/** `working from`: a working container on an image, or on nothing. */
import { scratchConfig } from '../build/stage-state.js';
import { randomHex } from '../host/random.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { present } from '../oci/guards.js';
import { hostPlatform, type Platform } from '../oci/platform.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { WorkingRecord, WorkingTexts } from './record.js';
import { WorkingStore } from './working-store.js';

export type WorkingStart = {
  readonly name?: string | undefined;
  readonly texts?: WorkingTexts | undefined;
};

/** An image with its top snapshot; undefined: from nothing, for a platform. */
export type WorkingOrigin =
  | { readonly image: ImageRecord; readonly top: SnapshotRecord | undefined }
  | { readonly image: undefined; readonly platform: Platform | undefined };

/** @throws USAGE, CONFLICT for the name. */
export function startWorking(
  stores: Stores,
  origin: WorkingOrigin,
  { name, texts = {} }: WorkingStart,
): WorkingRecord {
  const created = new Date().toISOString();
  const common = { version: 1, id: randomHex(32), created, history: [], texts } as const;
  const store = new WorkingStore(stores);
  if (origin.image === undefined) {
    const { os, architecture, variant } = origin.platform ?? hostPlatform();
    const config = {
      os,
      architecture,
      ...present('variant', variant),
      config: scratchConfig,
      rootfs: noLayers,
    };
    return store.create({ ...common, config, annotations: {} }, { name, proposal: 'working-container' });
  }
  const { image, top } = origin;
  const { reference } = image;
  return store.create(
    {
      ...common,
      base: { id: image.id, ...present('reference', reference), digest: image.manifestDescriptor.digest },
      ...present('snapshot', top?.id),
      config: { ...image.config, rootfs: noLayers },
      annotations: image.manifest.annotations ?? {},
    },
    { name, proposal: `${shortName(reference ?? image.id.slice(0, 12))}-working-container` },
  );
}

const noLayers = { type: 'layers', diff_ids: [] } as const;

/** The last part of a reference's path. */
function shortName(reference: string): string {
  const path = reference.replace(/@.*$/, '').split('/').at(-1) ?? '';
  return path.replace(/:.*$/, '').replace(/[^a-zA-Z0-9_.-]/g, '-');
}
