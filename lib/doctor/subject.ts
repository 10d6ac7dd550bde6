/** Whom and what `doctor` examines. */
import type { Environment } from '../host/paths.js';

export type Subject = {
  readonly env: Environment;
  /** The store's directory; it need not exist. Reading it throws HOST when there is no place for it. */
  readonly root: string;
};
