/** What can be waited for. */

/** podman's names. `configured` and `created` are one state here, so are `exited` and `stopped`. */
export const waitConditions = [
  'configured',
  'created',
  'exited',
  'healthy',
  'initialized',
  'paused',
  'removing',
  'running',
  'stopped',
  'stopping',
  'unhealthy',
] as const;

export type WaitCondition = (typeof waitConditions)[number];
