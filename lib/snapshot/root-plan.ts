/** The plan records of a container's root file system (native/PROTOCOL.md 2.1). Pure. */
import { assertNever, CoracleError } from '../errors.js';
import type { PlanRecord } from '../native/plan.js';
import type { StorageDriver } from './driver.js';
import { checkLayerCount, overlayLimit } from './record.js';

export type RootOptions = {
  /** The writable layer; absent makes a read-only stack. For `copy` use `rootdir`. */
  readonly upper?: string;
  readonly work?: string;
  /** The tree itself, for `copy`. */
  readonly rootdir?: string;
  /** The path of fuse-overlayfs, for that driver. */
  readonly fuseProgram?: string;
  /** More of its options. */
  readonly fuseOptions?: string | undefined;
  /** No syncs while it runs, one at its end. */
  readonly volatile?: boolean;
  readonly readonly?: boolean;
};

/** How a stack of layers, topmost first, becomes a root file system. */
export function rootPlan(
  driver: StorageDriver,
  layers: readonly string[],
  options: RootOptions,
): readonly PlanRecord[] {
  const flags: PlanRecord[] = options.readonly ? [['root-readonly']] : [];
  switch (driver) {
    case 'overlay':
      return [
        ['root', 'overlay'],
        ...stack(layers, options),
        ...(options.volatile ? [volatile] : []),
        ...flags,
      ];
    case 'fuse-overlayfs':
      return [
        ['root', 'fuse'],
        ['fuse-program', need(options.fuseProgram, 'fuse-program')],
        ...(options.fuseOptions === undefined ? [] : [['fuse-options', options.fuseOptions] as const]),
        ...stack(layers, options),
        ...flags,
      ];
    case 'copy':
      return [['root', 'dir'], ['rootdir', need(options.rootdir, 'rootdir')], ...flags];
    default:
      return assertNever(driver);
  }
}

const volatile: PlanRecord = ['volatile'];

function stack(layers: readonly string[], options: RootOptions): PlanRecord[] {
  checkLayerCount(layers.length, overlayLimit);
  const records = layers.map((path): PlanRecord => ['layer', path]);
  if (options.upper === undefined) return records;
  return [...records, ['upper', options.upper], ['work', need(options.work, 'work')]];
}

function need(value: string | undefined, name: string): string {
  if (value !== undefined) return value;
  throw new CoracleError('INTERNAL', `plan root file system: ${name} is missing`);
}
