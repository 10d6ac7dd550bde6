/** Programs that a bundle has run at points of its container's life. */
import { listOf } from './bundle-guards.js';
import { invalid, optional, requireObject, requireSize, requireString, requireStrings } from './guards.js';

export type BundleHook = {
  /** Absolute. */
  readonly path: string;
  /** With the program's own name first; empty: the path alone. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout: number | undefined;
};

const kinds = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

export type HookKind = (typeof kinds)[number];

export type BundleHooks = { readonly [K in HookKind]: readonly BundleHook[] };

/** The kinds of hooks there are. */
export const hookKinds: readonly HookKind[] = kinds;

/** Reads the member `hooks`. @throws INVALID */
export function parseHooks(value: unknown, where: string): BundleHooks {
  const record = requireObject(value, where);
  const of = (kind: HookKind): readonly BundleHook[] => listOf(record[kind], `${where}.${kind}`, parseHook);
  return {
    prestart: of('prestart'),
    createRuntime: of('createRuntime'),
    createContainer: of('createContainer'),
    startContainer: of('startContainer'),
    poststart: of('poststart'),
    poststop: of('poststop'),
  };
}

function parseHook(value: unknown, where: string): BundleHook {
  const hook = requireObject(value, where);
  const path = requireString(hook.path, `${where}.path`);
  if (!path.startsWith('/')) throw invalid(`${where}.path`, `${JSON.stringify(path)} is not absolute`);
  const timeout = optional(hook.timeout, `${where}.timeout`, requireSize);
  if (timeout !== undefined && (timeout === 0 || timeout > 2_000_000))
    throw invalid(`${where}.timeout`, `${timeout} is no number of seconds to wait`);
  return {
    path,
    args: optional(hook.args, `${where}.args`, requireStrings) ?? [],
    env: optional(hook.env, `${where}.env`, requireStrings) ?? [],
    timeout,
  };
}
