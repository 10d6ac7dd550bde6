/** Waiting until a container is in a state. Its supervisor says at once when it ends; the rest shows in its directory. */
import { CoracleError } from '../errors.js';
import { DirectoryChanges } from '../host/directory-changes.js';
import { parseJson } from '../oci/guards.js';
import { ContainerStore } from './container-store.js';
import { connect } from './lifecycle.js';
import { parseExit } from './records.js';
import type { ContainerStores } from './stores.js';
import { type ContainerView, isActive } from './view.js';
import type { WaitCondition } from './wait-condition.js';

export type WaitOptions = {
  /** Any of them ends the wait. */
  readonly conditions: readonly WaitCondition[];
  /** Milliseconds after which it is looked again in any case. */
  readonly interval?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

/**
 * The exit code where the container has ended, -1 where another condition holds.
 * @throws NOT_FOUND when it is removed before a condition held.
 */
export async function waitForCondition(
  stores: ContainerStores,
  view: ContainerView,
  options: WaitOptions,
): Promise<number> {
  const changes = new DirectoryChanges(view.directory, options.signal);
  const link = endsMatter(options) ? await connect(stores, view) : undefined;
  let end: { readonly text: string | undefined } | undefined;
  const ended = link?.ended().then((text) => {
    end = { text };
  });
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const found = new ContainerStore(stores.paths).get(view.record.id);
      // One of --rm is removed before its supervisor says how it ended.
      if (found === undefined) await ended;
      const code = end?.text === undefined ? answer(found, options.conditions) : exitCode(view, end.text);
      if (code !== undefined) return code;
      if (found === undefined) throw removed(view);
      await Promise.race([
        changes.wait(options.interval),
        ...(end === undefined && ended !== undefined ? [ended] : []),
      ]);
    }
  } finally {
    changes.close();
    link?.close();
  }
}

/** Whether one of the conditions holds now, and the exit code that tells. */
function answer(view: ContainerView | undefined, conditions: readonly WaitCondition[]): number | undefined {
  if (view === undefined) return conditions.includes('removing') ? -1 : undefined;
  const holding = conditions.find((condition) => holds(view, condition));
  if (holding === undefined) return undefined;
  return isEnd(holding) ? (view.exit?.code ?? 0) : -1;
}

function holds(view: ContainerView, condition: WaitCondition): boolean {
  switch (condition) {
    case 'configured':
    case 'created':
      return view.status === 'created';
    case 'initialized':
      return view.status === 'starting';
    case 'running':
    case 'paused':
      return view.status === condition;
    case 'healthy':
    case 'unhealthy':
      return view.status === 'running' && view.health?.status === condition;
    // One that never ran does not run: docker and podman end such a wait at once.
    case 'exited':
    case 'stopped':
      return !isActive(view);
    case 'stopping':
    case 'removing':
      return false;
  }
}

function isEnd(condition: WaitCondition): boolean {
  return condition === 'exited' || condition === 'stopped';
}

function endsMatter({ conditions }: WaitOptions): boolean {
  return conditions.some(isEnd);
}

function exitCode(view: ContainerView, text: string): number {
  return parseExit(parseJson(text, `exit of ${view.record.name}`), 'exit record').code;
}

function removed({ record }: ContainerView): CoracleError {
  return new CoracleError('NOT_FOUND', `wait for container ${record.name}: it was removed`);
}
