/** What a transfer tells while it runs. The display, plain text and JSON are its consumers. */
import { type Digest, digestHex } from '../oci/digest.js';

/** Where a layer is on its way. */
export type LayerStatus =
  | 'waiting'
  | 'downloading'
  | 'extracting'
  | 'exists'
  | 'done'
  | 'pushing'
  | 'pushed'
  | 'retrying';

export type TransferEvent =
  | {
      readonly kind: 'layer';
      /** The first twelve digits of the layer's digest. */
      readonly id: string;
      readonly status: LayerStatus;
      /** Bytes so far and in all, as transferred. */
      readonly current?: number;
      readonly total?: number;
    }
  | { readonly kind: 'message'; readonly text: string };

/** Takes events; called synchronously, so it must be quick. */
export type OnTransferEvent = (event: TransferEvent) => void;

/** A consumer for callers that want none. */
export function ignoreEvents(): void {}

/** The id a layer goes by in events. */
export function layerEventId(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}
