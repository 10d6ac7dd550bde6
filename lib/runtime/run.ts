/** Create, start, wait, delete. */
import { type CreateOptions, createContainer } from './create.js';
import { deleteContainer } from './kill.js';
import { startContainer } from './start.js';

export type BundleRunOptions = CreateOptions & {
  /** Leave it running. */
  readonly detach: boolean;
  /** What is left of it stays. */
  readonly keep: boolean;
};

/** The exit code of its process; 0 at once with `detach`. What could not be applied goes to `warn`. */
export async function runBundle(
  root: string,
  id: string,
  options: BundleRunOptions,
  warn: (text: string) => void,
): Promise<number> {
  const created = await createContainer(root, id, options, options.detach ? 'detach' : 'child');
  try {
    for (const text of [...created.warnings, ...startContainer(root, id)]) warn(text);
  } catch (error) {
    await deleteContainer(root, id, true);
    throw error;
  }
  const code = await created.ended();
  if (!options.detach && !options.keep) for (const text of await deleteContainer(root, id, true)) warn(text);
  return code;
}
