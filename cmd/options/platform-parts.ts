/** A platform given in parts, as podman and skopeo take it besides `--platform`. */
import { CoracleError } from '../../lib/index.js';

export type PlatformParts = {
  readonly os: string | undefined;
  readonly architecture: string | undefined;
  readonly variant: string | undefined;
};

/** `OS/ARCH[/VARIANT]` of what was given; undefined when nothing was. `names` are the flags. @throws USAGE */
export function joinPlatform(
  { os, architecture, variant }: PlatformParts,
  names: { readonly architecture: string; readonly variant: string },
): string | undefined {
  if (architecture !== undefined)
    return [os ?? 'linux', architecture, ...(variant === undefined ? [] : [variant])].join('/');
  if (variant === undefined) return os;
  throw new CoracleError('USAGE', `use ${names.variant}: it needs ${names.architecture}`);
}
