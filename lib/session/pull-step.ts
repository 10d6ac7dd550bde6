/** Shows a transfer as a step of the build that needs it. Nothing is told unless something is transferred. */
import type { BuildEvent } from '../build/events.js';
import type { OnTransferEvent } from '../transfer/events.js';

/** Does `transfer`, telling `onEvent` of it as a build step. */
export async function asBuildStep<T>(
  step: string,
  onEvent: (event: BuildEvent) => void,
  transfer: (onTransfer: OnTransferEvent) => Promise<T>,
): Promise<T> {
  let begun = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    onEvent({ kind: 'planned', steps: [{ id: step, name: `[internal] ${step}`, inputs: [] }] });
    onEvent({ kind: 'started', step, time: Date.now() });
  };
  try {
    const result = await transfer((event) => {
      begin();
      const time = Date.now();
      if (event.kind === 'message') {
        return onEvent({ kind: 'log', step, stream: 2, data: Buffer.from(`${event.text}\n`), time });
      }
      const { id, current, total } = event;
      if (current === undefined) return;
      onEvent({ kind: 'progress', step, id, current, ...(total === undefined ? {} : { total }), time });
    });
    if (begun) onEvent({ kind: 'done', step, time: Date.now() });
    return result;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (begun) onEvent({ kind: 'failed', step, reason, canceled: false, time: Date.now() });
    throw error;
  }
}
