/** `check`: what the build checks say of a Dockerfile, without building it. */
import type { Warning } from '../dockerfile/source.js';
import { CoracleError } from '../errors.js';
import { hostPlatform, parsePlatform } from '../oci/platform.js';
import type { BuildSource } from './build-source.js';
import { Contexts } from './contexts.js';
import type { BuildEnvironment, BuildOptions } from './options.js';
import { type Described, outline, targets } from './outline.js';
import { Planner } from './planner.js';
import { Secrets } from './secrets.js';
import type { BuildStores } from './session.js';

export type CheckResult = {
  /** In the order of the file. */
  readonly warnings: readonly Warning[];
  readonly source: BuildSource;
  /** Why the file could not be built; the warnings are those found before. */
  readonly error?: CoracleError;
};

/**
 * Checks the target and what it needs, or every stage where no target is asked for.
 * @throws NOT_FOUND, NETWORK and IO for a context that cannot be read; INVALID for a file that is no Dockerfile.
 */
export function checkBuild(
  stores: BuildStores,
  options: BuildOptions,
  environment: BuildEnvironment,
): Promise<CheckResult> {
  return withPlanner(stores, options, environment, async (planner) => {
    const error = await failureOf(() => planner.check());
    const warnings = planner.warnings
      .filter((warning) => warning.rule !== undefined)
      .sort((left, right) => left.range.startLine - right.range.startLine);
    const { source } = planner;
    return error === undefined ? { warnings, source } : { warnings, source, error };
  });
}

/**
 * The parameters of a build, or the stages it can end with.
 * @throws as `checkBuild`, and where the Dockerfile could not be built.
 */
export function describeBuild(
  stores: BuildStores,
  options: BuildOptions,
  environment: BuildEnvironment,
  what: 'outline' | 'targets',
): Promise<Described> {
  return withPlanner(stores, options, environment, (planner) =>
    what === 'outline' ? outline(planner) : targets(planner),
  );
}

/** Reads the context's Dockerfile; the planner may be asked while `use` runs. */
async function withPlanner<T>(
  stores: BuildStores,
  options: BuildOptions,
  environment: BuildEnvironment,
  use: (planner: Planner) => T | Promise<T>,
): Promise<T> {
  const secrets = new Secrets(options.secrets ?? []);
  const contexts = new Contexts({ stores, options, environment, readSecret: (id) => secrets.read(id) });
  const lease = stores.staging.lease();
  try {
    const { dockerfile, files } = await contexts.main();
    const [platform = ''] = options.platforms ?? [];
    return await use(
      new Planner({
        dockerfile,
        options,
        platform: platform === '' ? hostPlatform() : parsePlatform(platform),
        resolveImage: environment.resolveImage,
        contexts,
        contextTime: files.kind === 'fetched' ? files.tree.time : undefined,
        ignored: files.kind === 'directory' ? files.tree.ignore : files.ignore,
      }),
    );
  } finally {
    await contexts.fetcher.remove();
    lease.release();
  }
}

/** An error with a place in the file is a result; any other is thrown. */
async function failureOf(run: () => Promise<void>): Promise<CoracleError | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof CoracleError && error.excerpt !== undefined) return error;
    throw error;
  }
}
