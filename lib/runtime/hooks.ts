/** Hooks of the runtime's own namespaces. Those of the container's are run by the native program. */
import { spawnSync } from 'node:child_process';
import { CoracleError } from '../errors.js';
import type { BundleHook, BundleHooks, HookKind } from '../oci/bundle-hooks.js';
import type { ContainerState } from './records.js';

/**
 * Runs the hooks of a kind in order, each with the state on its standard input and exactly its own environment.
 * @throws START at the first that fails.
 */
export function runHooks(hooks: BundleHooks, kind: HookKind, state: ContainerState): void {
  for (const hook of hooks[kind]) runHook(hook, kind, state);
}

/** As runHooks, but one that fails keeps none of the others from running. What went wrong, in words. */
export function runAllHooks(hooks: BundleHooks, kind: HookKind, state: ContainerState): readonly string[] {
  return hooks[kind].flatMap((hook) => {
    try {
      runHook(hook, kind, state);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  });
}

function runHook({ path, args, env, timeout }: BundleHook, kind: HookKind, state: ContainerState): void {
  const [name = path, ...rest] = args;
  const outcome = spawnSync(path, rest, {
    argv0: name,
    env: Object.fromEntries(env.map((entry) => splitVariable(entry))),
    input: JSON.stringify(state),
    stdio: ['pipe', 'ignore', 'pipe'],
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: 1024 * 1024,
    ...(timeout === undefined ? {} : { timeout: timeout * 1000 }),
  });
  const fault = faultOf(outcome);
  if (fault === undefined) return;
  const said = outcome.stderr?.trim().slice(0, 500) ?? '';
  throw new CoracleError('START', `run ${kind} hook ${path}: ${fault}${said === '' ? '' : `: ${said}`}`);
}

function splitVariable(entry: string): readonly [string, string] {
  const equals = entry.indexOf('=');
  return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** Undefined for one that did its work; that it did not read what it was told is no fault. */
function faultOf(outcome: {
  readonly error?: Error;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}): string | undefined {
  const code = (outcome.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ETIMEDOUT') return 'it took too long';
  if (outcome.error !== undefined && code !== 'EPIPE') return outcome.error.message;
  if (outcome.signal !== null) return `ended by ${outcome.signal}`;
  return outcome.status === 0 ? undefined : `exit code ${outcome.status}`;
}
