/** What a command says when the container that it works on is removed meanwhile. */
import { existsSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { removingMark } from './state.js';
import type { ContainerView } from './view.js';

/** Whether somebody has removed the container, or is about to. */
export function isRemoved(directory: string): boolean {
  return !existsSync(directory) || existsSync(`${directory}/${removingMark}`);
}

/**
 * Does something to a container. Whatever fails of its removal by somebody else fails by that name.
 * @throws NOT_FOUND; else what `action` throws
 */
export async function unlessRemoved<T>(
  verb: string,
  view: Pick<ContainerView, 'directory' | 'record'>,
  action: () => Promise<T>,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    // A supervisor whose start failed removes the container itself where that was asked for, and has said why.
    const isSaid = error instanceof CoracleError && error.code === 'START';
    if (isSaid || !isRemoved(view.directory)) throw error;
    throw removedMeanwhile(verb, view, error);
  }
}

/** The same for what reads its files: of those that were being deleted, some may have been missing. */
export async function whileThere<T>(
  verb: string,
  view: Pick<ContainerView, 'directory' | 'record'>,
  action: () => Promise<T>,
): Promise<T> {
  const result = await unlessRemoved(verb, view, action);
  if (isRemoved(view.directory)) throw removedMeanwhile(verb, view);
  return result;
}

function removedMeanwhile(
  verb: string,
  { record }: Pick<ContainerView, 'record'>,
  cause?: unknown,
): CoracleError {
  return new CoracleError('NOT_FOUND', `${verb} container ${record.name}: it was removed meanwhile`, {
    cause,
  });
}
