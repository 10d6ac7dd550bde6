/** Repeats what failed in passing: exponential back-off with jitter, a server's Retry-After first. */
import { CoracleError } from '../errors.js';
import { TransientError } from './errors.js';

/** How often and how patiently to repeat. Milliseconds. */
export type RetryPolicy = {
  /** Attempts after the first one. */
  readonly retries: number;
  /** Delay before the first repetition; doubles with each. */
  readonly delay: number;
  /** Upper bound of the doubling. */
  readonly maximumDelay: number;
  /** The longest Retry-After that is waited for; a longer one ends the attempts. */
  readonly patience: number;
};

/** Told before each wait. */
export type RetryEvent = { readonly attempt: number; readonly delay: number; readonly error: CoracleError };

/** Three repetitions after about 0.5, 1 and 2 seconds. */
export const defaultRetryPolicy: RetryPolicy = {
  retries: 3,
  delay: 500,
  maximumDelay: 30_000,
  patience: 60_000,
};

/** Settings of one repeated operation. */
export type RetryOptions = {
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
};

/** Runs `operation` until it succeeds, fails for good, or the attempts are used up; then its last error is thrown. */
export async function withRetry<T>(options: RetryOptions, operation: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      await beforeRetry(error, attempt, options);
    }
  }
}

/** Waits as the policy says after failed attempt number `attempt`, or throws `error` where it does not allow another. */
export async function beforeRetry(error: unknown, attempt: number, options: RetryOptions): Promise<void> {
  const { policy, signal, onRetry } = options;
  if (!(error instanceof TransientError) || attempt > policy.retries) throw error;
  if ((error.retryAfter ?? 0) > policy.patience) throw error;
  const delay = error.retryAfter ?? backOff(policy, attempt, Math.random());
  onRetry?.({ attempt, delay, error });
  await sleep(delay, signal);
}

/** The delay before repetition `attempt` (from 1), jittered between half and all of the doubled base. `random` is in [0, 1). */
export function backOff(policy: RetryPolicy, attempt: number, random: number): number {
  const full = Math.min(policy.maximumDelay, policy.delay * 2 ** (attempt - 1));
  return Math.round(full / 2 + (full / 2) * random);
}

function sleep(delay: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(new CoracleError('ABORTED', 'wait for the registry: aborted'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, delay);
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
