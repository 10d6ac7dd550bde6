/** Several asynchronous tasks at a time, ended together. */

/**
 * Runs tasks, at most `limit` at a time, in their order. After the first failure no further one starts, `signal`
 * of the running ones is aborted, and the failure is thrown once all have ended.
 */
export async function runParallel(
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
  options: { readonly limit: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const abort = new AbortController();
  const signal =
    options.signal === undefined ? abort.signal : AbortSignal.any([abort.signal, options.signal]);
  const queue = [...tasks];
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      try {
        await task(signal);
      } catch (error) {
        failures.push(error);
        queue.length = 0;
        abort.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.limit, tasks.length) }, work));
  if (failures.length > 0) throw failures[0];
}
