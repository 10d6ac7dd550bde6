/** `--all-platforms`: which platforms a Dockerfile can be built for, by the images it is FROM. */
import { CoracleError } from '../errors.js';
import { formatPlatform, hostPlatform, type Platform } from '../oci/platform.js';
import type { BuildEnvironment } from './options.js';
import { type PlanInput, planBuild } from './planner.js';

/** The platforms that every base image is there for that the Dockerfile does not ask for by platform. @throws USAGE where it names none */
export async function basePlatforms(
  input: Omit<PlanInput, 'platform'>,
  imagePlatforms: NonNullable<BuildEnvironment['imagePlatforms']>,
): Promise<readonly Platform[]> {
  const { stages } = await planBuild({ ...input, platform: hostPlatform() });
  const references = [...stages.values()].flatMap(({ base, index }) =>
    base.kind === 'image' && input.dockerfile.stages[index]?.from.platform === undefined
      ? [base.reference]
      : [],
  );
  const sets = await Promise.all([...new Set(references)].map(imagePlatforms));
  const [first, ...others] = sets;
  if (first === undefined) {
    throw new CoracleError('USAGE', 'build --all-platforms: no base image says which', {
      hint: 'name them: --platform linux/amd64,linux/arm64',
    });
  }
  const names = others.map((platforms) => new Set(platforms.map(formatPlatform)));
  const common = first.filter((platform) => names.every((set) => set.has(formatPlatform(platform))));
  if (common.length > 0) return common;
  throw new CoracleError(
    'USAGE',
    `build --all-platforms: ${references.join(', ')} have no platform in common`,
  );
}
