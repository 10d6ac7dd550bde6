/** Whom and what `doctor` examines. */
import type { Environment } from '../host/paths.js';

export type Subject = {
  readonly env: Environment;
  /** The store's directory; it need not exist. */
  readonly root: string;
};
