/** Signatures that go along with the manifests of a copy, as they are: whoever uses the image is the one to verify them. */
import { CoracleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { AttachedSignature } from '../trust/signature.js';
import type { OnTransferEvent } from './events.js';
import type { ImageSource, ImageTarget } from './place.js';

export type CarryOptions = {
  readonly removeSignatures?: boolean | undefined;
  readonly onEvent: OnTransferEvent;
};

/** The signatures of one copy. */
export class CarriedSignatures {
  readonly #source: ImageSource;
  readonly #target: ImageTarget;
  readonly #options: CarryOptions;
  readonly #found = new Map<Digest, readonly AttachedSignature[]>();

  constructor(source: ImageSource, target: ImageTarget, options: CarryOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  /**
   * Looks for those of a manifest that is about to be copied.
   * @throws UNSUPPORTED where they are demanded and the target has no room for them
   */
  async find(digest: Digest): Promise<void> {
    const { removeSignatures = false, onEvent } = this.#options;
    if (removeSignatures || this.#source.signatures === undefined) return;
    const signatures = await this.#source.signatures(digest);
    if (signatures.length === 0) return;
    if (this.#target.putSignatures !== undefined) {
      this.#found.set(digest, signatures);
      return;
    }
    const reason = `${this.#target.name} has no place for signatures`;
    if (this.#source.demandsSignatures === true) {
      throw new CoracleError('UNSUPPORTED', `copy signatures of ${this.#source.name}: ${reason}`, {
        hint: '--remove-signatures leaves them behind',
      });
    }
    onEvent({ kind: 'message', text: `the image is signed, its signatures stay behind: ${reason}` });
  }

  /** @throws UNSUPPORTED for a manifest whose signatures would be void, now that it changes */
  requireNone(digest: Digest): void {
    if (!this.#found.has(digest)) return;
    throw new CoracleError(
      'UNSUPPORTED',
      `copy ${this.#source.name}: changing manifest ${digest} would make its signatures void`,
      { hint: '--remove-signatures leaves them behind; without a format or compression nothing changes' },
    );
  }

  /** Puts those of a manifest that is at the target now. */
  async put(digest: Digest): Promise<void> {
    const signatures = this.#found.get(digest);
    if (signatures !== undefined) await this.#target.putSignatures?.(digest, signatures);
  }
}
