/** Scopes of systemd for processes that no supervisor of ours looks after: `coracle-sv scope`, native/PROTOCOL.md 2.9. */
import type { UnitManager } from '../host/cgroup.js';
import { runOnce } from './run-once.js';

export type Scope = {
  readonly unit: string;
  /** Undefined: where the manager puts it. */
  readonly slice: string | undefined;
  readonly pid: number;
  /** What systemd is to know of limits. */
  readonly properties: readonly (readonly [name: string, value: string])[];
};

/** Makes a delegated scope with the process in it; what systemd objected to, undefined when it is done. */
export function makeScope(manager: UnitManager, scope: Scope): string | undefined {
  const { unit, slice, pid, properties } = scope;
  const words = [unit, slice ?? '-', `${pid}`, ...properties.flat()];
  return runOnce(['scope', 'make', manager.kind, manager.socket, ...words]);
}

/** Moves a process into a scope; what systemd objected to, undefined when it is done. */
export function joinScope(manager: UnitManager, unit: string, pid: number): string | undefined {
  return runOnce(['scope', 'join', manager.kind, manager.socket, unit, `${pid}`]);
}
