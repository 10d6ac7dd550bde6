/** Which stage a name means. */
import type { Dockerfile, Stage } from '../dockerfile/instructions.js';
import type { SourceRange } from '../dockerfile/source.js';
import { nearest } from '../dockerfile/suggestion.js';
import { CoracleError } from '../errors.js';
import { instructionError } from './build-source.js';

/** The index of the stage `name` (a name, or an index in digits) among `stages`; the last one of equal names. */
export function stageIndex(stages: readonly Stage[], name: string): number | undefined {
  const lower = name.toLowerCase();
  const named = stages.filter((stage) => stage.name === lower).at(-1);
  if (named !== undefined) return named.index;
  return /^\d+$/.test(name) && Number(name) < stages.length ? Number(name) : undefined;
}

/** The stage `--target` asks for; the last one without. @throws NOT_FOUND with the names there are */
export function targetIndex({ fileName, stages }: Dockerfile, target: string | undefined): number {
  if (target === undefined || target === '') return stages.length - 1;
  const index = stageIndex(stages, target);
  if (index !== undefined) return index;
  const names = stages.map((stage) => stage.name ?? String(stage.index));
  const near = nearest(target, names);
  throw new CoracleError('NOT_FOUND', `build target "${target}": ${fileName} has no such stage`, {
    hint:
      near === undefined
        ? `stages: ${names.join(', ')}`
        : `did you mean ${near}? stages: ${names.join(', ')}`,
    exitCode: 1,
  });
}

/**
 * Refuses what --from can only mean as a stage: an index that is too high, and the name of this or a later one.
 * @throws INVALID at the instruction
 */
export function refuseLaterStage(
  { fileName, lines, stages }: Dockerfile,
  use: { readonly name: string; readonly before: number; readonly at: { readonly range: SourceRange } },
): void {
  const { name, before, at } = use;
  const source = { name: fileName, lines };
  if (/^\d+$/.test(name)) {
    const reason = 'there is no earlier stage of that index';
    const hint = before === 0 ? 'this is the first stage' : `stages before this one: 0 to ${before - 1}`;
    throw instructionError(source, at, 'INVALID', `copy from stage ${name}: ${reason}`, { hint });
  }
  const later = stageIndex(stages, name);
  if (later === undefined) return;
  const reason = later === before ? 'it is this stage itself' : 'it is defined after this stage';
  const hint = 'move the stage up, so that it stands before the one that needs it';
  throw instructionError(source, at, 'INVALID', `copy from stage ${name}: ${reason}`, { hint });
}
